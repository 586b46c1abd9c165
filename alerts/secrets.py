"""Secrets of destinations: the policy says where they are, never what they are."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from schemas.errors import ConfigurationError
from schemas.secret import Secret

SECRET_MAX = 64 * 1024
"""Bytes of a secret's file: a token, a key or a chain of certificates."""


class SecretRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a secret is: `{ file = "/run/secrets/token" }` or `{ env = "TOKEN" }`."""

    file: str | None = None
    env: str | None = None

    def wrong(self) -> str | None:
        """Return why it leads to no secret, whatever a machine holds; None where it leads to one place."""
        named = self.file if self.env is None else self.env
        if named is None or (self.file is not None and self.env is not None):
            return 'one of file and env is to be named, as in { file = "/run/secrets/x" }'
        if not named.strip() or "\0" in named:
            return f"{named!r}: neither a file nor a variable is called so"
        return None

    def read(self, what: str) -> Secret:
        """Return the secret, without the line's end.

        Args:
            what: the key in the policy, for the error.

        Raises:
            ConfigurationError: it is not there, or empty; or both or neither of file and env are named.
        """
        if wrong := self.wrong():
            raise ConfigurationError(f"{what}: {wrong}")
        if self.env is not None:
            text = os.environ.get(self.env, "")
            where = f"the environment variable {self.env}"
        else:
            where = f"the file {self.file}"
            try:
                raw = Path(str(self.file)).read_bytes()
            except OSError as error:
                raise ConfigurationError(f"{what}: {where} cannot be read: {error.strerror}") from None
            if len(raw) > SECRET_MAX:
                raise ConfigurationError(f"{what}: {where} is longer than {SECRET_MAX} bytes: no secret")
            text = raw.decode("utf-8", "replace")
        if not text.strip():
            raise ConfigurationError(f"{what}: {where} is empty or not there")
        return Secret(text.strip())
