"""What the tests ask of a real receiver: to be started, killed, started again on what it kept, and counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Protocol


class Receiver(Protocol):
    """A receiver of alerts in a process (or thread) of its own, on loopback."""

    exact: bool
    """Whether it recognises a repeated alert: then each counts once, however often it was sent."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in `folder`; ports are taken here and stay the same through restarts."""

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be had here, or None. In CI a reason is a failure (`tests.conftest.require`)."""

    def start(self) -> None:
        """Start on what is in the folder; return when it takes alerts."""

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""

    def stop(self) -> None:
        """End it for good; does nothing when it is not running."""

    def policy(self, name: str) -> str:
        """The TOML of `[destinations.NAME]` that leads here: kind and its own keys."""

    def environment(self) -> dict[str, str]:
        """Variables that the process needs which delivers here (secrets by `env = `)."""

    def received(self) -> Counter[str]:
        """How often each alert id is there: read from what the receiver really holds."""
