"""A folder with a file of JSON lines, and what logrotate does to it."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any


class Folder:
    """The file and all that it was rotated to; whoever reads it reads all of them."""

    exact = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "alerts.jsonl"
        self._rotated = 0

    @staticmethod
    def missing() -> str | None:
        return None

    def start(self) -> None:
        """The folder is there (again)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        away = self.folder.with_name(self.folder.name + "-away")
        if away.exists():
            self.folder.rmdir()
            away.rename(self.folder)

    def kill(self) -> None:
        """The disk is gone: the folder cannot be reached by its name."""
        self.folder.rename(self.folder.with_name(self.folder.name + "-away"))

    def stop(self) -> None:
        """Nothing runs."""

    def rename(self) -> None:
        """Rotate as logrotate does by default: the old file keeps its inode under another name."""
        if self.path.exists():
            self._rotated += 1
            self.path.rename(self.folder / f"alerts.jsonl.{self._rotated}")

    def copy_and_truncate(self) -> None:
        """Rotate as logrotate does with `copytruncate`."""
        if self.path.exists():
            self._rotated += 1
            shutil.copyfile(self.path, self.folder / f"alerts.jsonl.{self._rotated}")
            os.truncate(self.path, 0)

    def policy(self, name: str, form: str = "alert") -> str:
        return f"""[destinations.{name}]
kind = "file"
path = "{self.path}"
format = "{form}"
"""

    def environment(self) -> dict[str, str]:
        return {}

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line of every file; one that was torn is none."""
        found = []
        for path in sorted(self.folder.glob("alerts.jsonl*")):
            for line in path.read_bytes().splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def received(self) -> Counter[str]:
        return Counter(str(each["alert_id"]) for each in self.lines())
