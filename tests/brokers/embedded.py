"""The embedded broker as the tests use it."""

from demo.broker import BrokerUnavailableError, EmbeddedBroker, binary

__all__ = ["EmbeddedBroker", "missing"]


def missing() -> str | None:
    """Why the embedded broker cannot be started here, or None."""
    try:
        binary()
    except BrokerUnavailableError as exc:
        return str(exc)
    return None
