"""Who signed: the log's key, the witnesses, and whoever signed the checkpoints that were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agents.audit.verifying.findings import Findings
from agents.audit.verifying.log_files import read_file
from agents.audit.verifying.notes import Checkpoint, NoteError, checkpoint
from schemas.fields import TIME_MAX, iso

if TYPE_CHECKING:
    from agents.audit.verifying.verify import Asked, Outcome

WITNESSED: Final = "checkpoint.witnessed"
"""File beside `checkpoint`: the newest one that had enough cosignatures."""


def signatures(asked: Asked, outcome: Outcome) -> None:
    """Note who signed and cosigned; a checkpoint that none of the keys signed is a finding."""
    signed, add = outcome.signed, outcome.findings.add
    names = {key.name for key in asked.keys}
    outcome.signers = [key.name for key in asked.keys if signed.signed_by(key) is not None]
    if not outcome.signers:
        there = ", ".join(sorted({name for name, _, _ in signed.signatures}))
        add(
            "checkpoint",
            f"not signed by {' or '.join(sorted(names))} (signatures there: {there}): it is forged, or "
            "damaged, or the key is another",
            file="checkpoint",
        )
    if asked.witnesses:
        _cosignatures(asked, outcome)


def origin(asked: Asked, signed: Checkpoint, findings: Findings) -> None:
    """A log is named as its key: with one key for two names an operator would show two histories, each in order."""
    names = [asked.origin] if asked.origin else sorted({key.name for key in asked.keys})
    if signed.origin not in names:
        said = f"is of the log {signed.origin!r}; expected: {' or '.join(map(repr, names))}"
        findings.add("checkpoint", said, file="checkpoint")


def stale(asked: Asked, outcome: Outcome) -> None:
    """Say where the last checkpoint that had enough cosignatures is an old one: what was written since, nobody saw.

    The witnesses' clocks say when; an operator who stops showing them the log must not go on with a beginning that
    they signed.
    """
    if outcome.beside is None or not asked.needed or outcome.beside.size >= outcome.signed.size:
        return
    times = sorted((at * 1_000 for _, at, _ in outcome.witnessed), reverse=True)
    seen = times[asked.needed - 1]
    if seen and seen + asked.grace < outcome.until:
        outcome.findings.add(
            "witness",
            f"{asked.needed} witnesses signed last at {iso(min(seen, TIME_MAX))}, and the log goes on to "
            f"{iso(min(outcome.until, TIME_MAX))}: entries {outcome.beside.size} to {outcome.signed.size - 1} were "
            "shown to none of them in all that time",
            file=WITNESSED,
        )


def _cosignatures(asked: Asked, outcome: Outcome) -> None:
    """Look for cosignatures on the checkpoint, then on the last one that had enough (the file beside it)."""
    signed = outcome.signed
    outcome.witnessed = _cosigned(asked, signed)
    if len(outcome.witnessed) >= asked.needed:
        return
    beside = asked.folder / WITNESSED
    if beside.is_file():
        try:
            before = checkpoint(read_file(beside))
        except NoteError as error:
            outcome.findings.add("checkpoint", f"is no checkpoint: {error}", file=WITNESSED)
            return
        outcome.witnessed = _cosigned(asked, before)
        if before.origin == signed.origin and len(outcome.witnessed) >= asked.needed:
            outcome.beside = before
            return
    missing = sorted({key.name for key in asked.witnesses} - {name for name, _, _ in outcome.witnessed})
    outcome.findings.add(
        "witness",
        f"{len(outcome.witnessed)} of {len(asked.witnesses)} witnesses signed, {asked.needed} are needed; "
        f"no signature of: {', '.join(missing)}",
        file="checkpoint",
    )


def _cosigned(asked: Asked, signed: Checkpoint) -> list[tuple[str, int, int]]:
    found = [(key.name, signed.signed_by(key)) for key in asked.witnesses]
    return [(name, at, signed.size) for name, at in found if at is not None]


def earlier(asked: Asked, outcome: Outcome) -> list[tuple[str, Checkpoint]]:
    """Return the checkpoints that were kept, as far as they are of this log and signed by it, or by a witness."""
    found = [] if outcome.beside is None else [(WITNESSED, outcome.beside)]
    for path in asked.earlier:
        try:
            kept = checkpoint(read_file(path))
        except NoteError as error:
            outcome.findings.add("checkpoint", f"is no checkpoint: {error}", file=str(path))
            continue
        if kept.origin != outcome.signed.origin:
            said = f"is of the log {kept.origin!r}, and this one is {outcome.signed.origin!r}: it proves nothing here"
            outcome.findings.add("checkpoint", said, file=str(path))
            continue
        if all(kept.signed_by(key) is None for key in (*asked.keys, *asked.witnesses)):
            outcome.findings.add(
                "checkpoint", "is signed by no key that was given: it is forged, or damaged", file=str(path)
            )
            continue
        outcome.kept.append((str(path), kept.size))
        found.append((str(path), kept))
    return found
