"""Keys of people on this machine: making a file, reading it, and the options by which a command is told whose it is."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Final

from alerts import key_files
from alerts.secrets import SecretRef
from alerts.signatures import Signer
from schemas.errors import ConfigurationError
from schemas.secret import Secret

OTHERS: Final = 0o077
"""Bits of a file's mode by which somebody else than its owner may read or change it."""


def key_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--by`, `--key` and where a passphrase is."""
    parser.add_argument(
        "--by", required=True, metavar="NAME", help="who you are, by your name in the policy's [people]"
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="your private key (`keys new` made it)")
    passphrase_options(parser)


def passphrase_options(parser: argparse.ArgumentParser) -> None:
    """Declare where the passphrase of a key is; a passphrase itself is never an argument, which others can list."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--passphrase-file", metavar="FILE", help="file with the key's passphrase; else it is asked for")
    where.add_argument("--passphrase-env", metavar="NAME", help="environment variable with the key's passphrase")


def passphrase_of(given: argparse.Namespace) -> Secret | None:
    """Return the passphrase that the options lead to; None where they name none.

    Raises:
        ConfigurationError: it is not there.
    """
    if given.passphrase_file is None and given.passphrase_env is None:
        return None
    return SecretRef(file=given.passphrase_file, env=given.passphrase_env).read("passphrase")


def signer_of(given: argparse.Namespace) -> Signer:
    """Return the key of `--key`, which must be that of `--by`; asks for a passphrase on a terminal.

    Raises:
        ConfigurationError: it cannot be read, is somebody else's, or others may read the file.
    """
    content = private_file(given.key)
    passphrase = passphrase_of(given)
    if passphrase is None and sys.stdin.isatty() and key_files.is_sealed(content, str(given.key)):
        passphrase = Secret(getpass(f"Passphrase of {given.key}: "))
    signer = key_files.read(content, str(given.key), passphrase)
    if signer.name != given.by:
        raise ConfigurationError(f"--key: {given.key} is the key of {signer.name!r}, --by says {given.by!r}")
    return signer


def private_file(path: Path, option: str = "--key") -> bytes:
    """Return what a file holds that only its owner may read.

    Raises:
        ConfigurationError: it cannot be read, or others may.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(key_files.FILE_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{option}: {path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and mode & OTHERS:
        raise ConfigurationError(
            f"{option}: {path} may be read or changed by others (mode {mode & 0o777:04o}); do chmod 600 {path}"
        )
    return content


def create(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, whole or not at all.

    Raises:
        ConfigurationError: there is a file already, or it cannot be written.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(
            f"--out: {path} is there already and is not written over: a key that is lost cannot be made again"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"--out: {path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise ConfigurationError(f"--out: {path} cannot be written: {error.strerror}") from None
