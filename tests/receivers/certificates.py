"""An authority of the test's own, and the certificates that it issued: a receiver's and ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

OURS = "cloverwatch.example"
"""The name in our certificate, which receivers ask for."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def certificates(folder: Path, *names: str) -> Certificates:
    """Issue certificates in a folder; those that are there already are kept.

    Args:
        folder: where they go.
        names: of the receiver; `127.0.0.1` where none is given.
    """
    made = Certificates(
        **{
            name: folder / f"{name.replace('_', '-')}.pem"
            for name in ("ca", "server", "server_key", "client", "client_key")
        }
    )
    if not made.ca.exists():
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(made.ca)
        for names_of, chain, key in (
            (names or ("127.0.0.1",), made.server, made.server_key),
            ((OURS,), made.client, made.client_key),
        ):
            issued = authority.issue_cert(*names_of, common_name=names_of[0])
            chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
            issued.private_key_pem.write_to_path(key)
            key.chmod(0o600)
    return made
