"""A look at what is known of somebody is recorded before anything is shown: who looked, at whom, and why.

In a cluster the record goes to `privacy.requests` and names nobody in clear: it has the person's pseudonym where this
machine has the keys of pseudonyms, else the id sealed to the officers. A look into a file goes to a file beside it.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Final

import msgspec

from agents.naming import naming_of
from agents.request_log import Office, step_by, store
from agents.settings import Settings
from alerts.people import officers_of
from alerts.sealing import seal
from alerts.signatures import Signer
from schemas.errors import ConfigurationError
from schemas.request import LOOK, Step

BESIDE: Final = ".looks.jsonl"
"""What a state's name is followed by in the name of the record of looks into it."""


async def record_look(
    settings: Settings, office: Office, signer: Signer, person: str, reason: str, ticket: str
) -> Step:
    """Store that somebody looks at a person; when this returns the brokers have it.

    Raises:
        ConfigurationError: the policy does not let them, or there is no way to say whom it is about but in clear.
        ReferenceUnavailableError: it is not stored.
    """
    own = secrets.token_hex(8)
    subject, sealed = (await naming_of(settings)).subject(person), ""
    if subject is None:
        subject, officers = LOOK + own, officers_of(office.people)
        if not officers:
            raise ConfigurationError(
                "policy: no officers are named in [people], and this machine has no keys of pseudonyms: whom a look is "
                "about would have to be recorded in clear. Name two people with the role officer"
            )
        sealed = b64encode(seal(person, subject, officers)).decode("ascii")
    step = step_by(signer, office, step_id=own, request_id=own, kind="looked", subject=subject, sealed=sealed,
                   reason=reason, ticket=ticket)  # fmt: skip
    await store(settings, office, step)
    return step


def note_look(path: Path, office: Office | None, signer: Signer, person: str, reason: str, ticket: str) -> Step:
    """Append to a file that somebody looks at a person; it is on the disk when this returns.

    Raises:
        ConfigurationError: the policy does not let them, or the file cannot be written.
    """
    step = step_by(signer, office, kind="looked", subject=person, reason=reason, ticket=ticket)
    line = msgspec.json.encode(step) + b"\n"
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(number, line) != len(line):
                raise OSError("not written whole")
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        raise ConfigurationError(
            f"--record: {path} cannot be written: {error.strerror or error}; nothing is shown without a record"
        ) from None
    return step
