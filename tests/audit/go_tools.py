"""Programs of the transparency-log community, built from Go modules: Tessera's fsck, the OmniWitness, and a prover of a
hundred lines over their libraries (tests/audit/go)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

TESSERA: Final = "v1.0.4"
WITNESS: Final = "v0.0.0-20260720115447-2e1c6971d19e"
SOURCE: Final = Path(__file__).parent / "go"
PROGRAMS: Final = ("fsck", "omniwitness", "prover")
BUILD_TIMEOUT: Final = 1800.0
"""Seconds for the build: three minutes on two busy cores, with everything to be downloaded and compiled."""

_OF = b"".join(path.read_bytes() for path in sorted(SOURCE.iterdir())) + TESSERA.encode() + WITNESS.encode()
CACHE: Final = (
    Path(__file__).resolve().parents[2] / "build" / f"tlog-tools-{TESSERA}-{hashlib.sha256(_OF).hexdigest()[:12]}"
)


def _go() -> str | None:
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")


def missing() -> str | None:
    """Why they cannot be built here, or None."""
    if all((CACHE / each).exists() for each in PROGRAMS) or _go():
        return None
    return "the transparency-log tools are built with Go, and there is no go on the PATH"


def program(name: str) -> Path:
    """One of them; all are built once and kept in build/ under the name of what they were built from."""
    if not all((CACHE / each).exists() for each in PROGRAMS):
        _build()
    return CACHE / name


def _build() -> None:
    go = _go()
    assert go is not None
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder, (CACHE / "build.log").open("w") as log:
        environment = os.environ | {
            "GOFLAGS": "-trimpath -modcacherw -buildvcs=false",
            "GOMAXPROCS": "1",
            "CGO_ENABLED": "0",
            "GOBIN": folder,
        }

        def run(*arguments: str, where: Path) -> None:
            subprocess.run(
                [go, *arguments],
                cwd=where,
                env=environment,
                stdout=log,
                stderr=log,
                check=True,
                timeout=BUILD_TIMEOUT,
            )

        own = Path(folder)
        run("install", "-p=1", "-ldflags=-s -w", f"github.com/transparency-dev/tessera/cmd/fsck@{TESSERA}", where=own)
        run(
            "install",
            "-p=1",
            "-ldflags=-s -w",
            f"github.com/transparency-dev/witness/cmd/omniwitness@{WITNESS}",
            where=own,
        )
        run("build", "-p=1", "-ldflags=-s -w", "-o", str(own / "prover"), ".", where=SOURCE)
        for each in PROGRAMS:
            (own / each).replace(CACHE / each)
