"""Private keys of logs and witnesses on this machine."""

from __future__ import annotations

from pathlib import Path

from agents.audit.tlog.errors import BadNoteError
from agents.audit.tlog.notes import ED25519, NoteSigner
from agents.signing import private_file
from schemas.errors import ConfigurationError


def note_signer(path: Path, kind: int = ED25519, option: str = "--key") -> NoteSigner:
    """Return the key in a file that `audit keys new` made.

    Args:
        path: the file.
        kind: what it signs: `ED25519` a log's checkpoints, `COSIGNATURE` those of others.
        option: what an error names.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or it holds no such key.
    """
    content = private_file(path, option)
    try:
        return NoteSigner.read(content.decode("ascii"), str(path), kind)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option}: {path}: no private key; `cloverwatch audit keys new` makes one") from None
    except BadNoteError as error:
        raise ConfigurationError(f"{option}: {error}") from None
