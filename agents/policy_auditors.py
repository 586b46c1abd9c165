"""The policy takes force only when auditors have signed it: what every process asks that reads the policy in force.

`main` says once what the settings require (`require`); `agents.policy_watch.read_policy` asks it about the file that
the settings name, and about no other: a proposal is checked and replayed before anybody has signed it.

What stands in force moves forwards only: a file counts when its change follows, step by step, from the policy that
this process has in force, and was signed later. At its start a process has none; it takes the file as it stands, where
that is the last one that `policy adopt` put there; what runs on asks the topic too (`agents.policy_adopted`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from agents.policy_changes import agreed
from agents.settings import Settings
from alerts.people import is_name
from alerts.signatures import BadKeyError, public_key
from schemas.errors import ConfigurationError
from schemas.policy_change import PolicyChange, decode
from schemas.toml_file import TomlFile

SIG_MAX: Final = 256 * 1024
"""Bytes of a change beside its file at most: sentences and signatures are a tenth of it."""

HISTORY_MAX: Final = 64 * 1024 * 1024
"""Bytes of the changes that were put in place that are read at most: thousands of them."""


class UnsignedPolicyError(ConfigurationError):
    """The policy is not signed by whom it must be, or is an older one."""


@dataclass(slots=True)
class Auditors:
    """Who must agree to the policy at `path`, and what this process has in force."""

    path: Path
    keys: Mapping[str, str]
    """Public keys, base64, by name."""
    needed: int
    in_force: PolicyChange | None = field(default=None)
    """The change that this process took last; None at its start."""

    def about(self, path: Path) -> bool:
        """Whether it is this file that must be signed."""
        return path.resolve() == self.path.resolve()

    def accepted(self, path: Path, content: bytes) -> PolicyChange:
        """Return the change that allows these bytes to take force.

        Raises:
            UnsignedPolicyError: there is none: it says why.
        """
        sha256 = PolicyChange.hash_of(content)
        history = read_history(path)
        beside = _read(sig_of(path), missing=True)
        about = [each for each in (*history, beside) if each is not None and each.sha256 == sha256]
        if not about:
            found = "no signatures" if beside is None else f"signatures of {beside.sha256[:16]}"
            raise self._refused(path, content, f"{sig_of(path)} has {found}")
        signers = [(change, self.agreed(change)) for change in about]
        good = [change for change, names in signers if len(names) >= self.needed]
        if not good:
            names = ", ".join(sorted({name for _, each in signers for name in each})) or "none"
            who = ", ".join(sorted(self.keys))
            raise self._refused(path, content, f"signed by {names}; needed: {self.needed} of {who}, not its proposer")
        change = max(good, key=self.signed_at)
        if self.in_force is None:
            if history and history[-1].sha256 != sha256:
                raise self._refused(
                    path, content, f"{history[-1].sha256[:16]} was adopted after it: an older policy is not put back"
                )
        elif self.in_force.sha256 != sha256 and not self._follows(change, history):
            raise self._refused(
                path,
                content,
                f"it was signed to replace {change.before[:16] or 'no policy'}, in force is {self.in_force.version}; "
                "propose it against that",
            )
        return change

    def agreed(self, change: PolicyChange) -> Mapping[str, int]:
        """Return which of these auditors agreed, and when."""
        return agreed(change, self.keys)

    def signed_at(self, change: PolicyChange) -> int:
        """Return when the last of these auditors agreed; 0 where none did."""
        return max(self.agreed(change).values(), default=0)

    def _follows(self, change: PolicyChange, history: list[PolicyChange]) -> bool:
        """Whether signed changes lead from the policy in force to this one, each signed later than the one before."""
        assert self.in_force is not None  # noqa: S101  # as `accepted` asks
        since = self.signed_at(self.in_force)
        at = self.signed_at(change)
        wanted = change.before
        for each in (*reversed(history), None):
            if at <= since:
                return False
            if wanted == self.in_force.sha256:
                return True
            if each is not None and each.sha256 == wanted and len(self.agreed(each)) >= self.needed:
                if self.signed_at(each) >= at:
                    continue  # of another time
                at, wanted = self.signed_at(each), each.before
        return False

    @staticmethod
    def _refused(path: Path, content: bytes, why: str) -> UnsignedPolicyError:
        return UnsignedPolicyError(
            f"policy: {path} ({PolicyChange.hash_of(content)[:16]}) is not signed by the auditors: {why}; see "
            "`cloverwatch policy propose`, `sign` and `adopt`"
        )


class _Required:
    """What this process requires. Of the process, not of a task or a thread: no reader may be without it."""

    auditors: Auditors | None = None


def require(settings: Settings) -> None:
    """Let the policy that the settings name be read only as they say, from now on, in this process.

    Raises:
        ConfigurationError: the auditors cannot be read.
    """
    found = None
    if settings.policy_auditors is not None and settings.policy is not None:
        found = auditors_of(settings, settings.policy)
    _Required.auditors = found


def required(path: Path) -> Auditors | None:
    """Return who must agree to this file; None where nobody must."""
    found = _Required.auditors
    return found if found is not None and found.about(path) else None


def auditors_of(settings: Settings, policy: Path) -> Auditors:
    """Return who must agree to a policy.

    Raises:
        ConfigurationError: the setting is not there, the file cannot be read, a key is none or that of two, or fewer
            auditors are named than must sign.
    """
    path = settings.policy_auditors
    if path is None:
        raise ConfigurationError("policy_auditors: not set; name the file with CLOVERWATCH_POLICY_AUDITORS")
    keys = keys_in(path, "policy_auditors")
    if len(keys) < settings.policy_auditors_needed:
        raise ConfigurationError(
            f"policy_auditors_needed: {settings.policy_auditors_needed}; {path} names {len(keys)} auditors"
        )
    return Auditors(policy, keys, settings.policy_auditors_needed)


def keys_in(path: Path, what: str) -> dict[str, str]:
    """Return the auditors' public keys, by name, in a file; `what` names the setting or option that is wrong.

    Raises:
        ConfigurationError: the file cannot be read, a key is none or that of two.
    """
    try:
        file = TomlFile(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigurationError(f"{what}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{what}: {path} is not UTF-8 at byte {error.start}") from None
    keys: dict[str, str] = {}
    for name, key in file.data.items():
        if not is_name(name) or not isinstance(key, str):
            raise file.fail((name,), 'allowed: NAME = "key", as `cloverwatch keys new NAME` prints it')
        try:
            public_key(key)
        except BadKeyError as error:
            raise file.fail((name,), f"{key!r}: {error}") from None
        if key in keys.values():
            raise file.fail((name,), "is the key of another auditor too; each needs a key of their own")
        keys[name] = key
    return keys


# --- files beside the policy


def sig_of(path: Path) -> Path:
    """Return where the change of a policy file is."""
    return path.with_name(path.name + ".sig")


def history_of(path: Path) -> Path:
    """Return where the changes are that were put in a policy's place, one a line."""
    return path.with_name(path.name + ".history")


def read_change(path: Path) -> PolicyChange:
    """Return the change beside a policy file.

    Raises:
        ConfigurationError: there is none, or it is malformed.
    """
    found = _read(sig_of(path), missing=False)
    assert found is not None  # noqa: S101  # as `missing` says
    return found


def _read(path: Path, *, missing: bool) -> PolicyChange | None:
    try:
        with path.open("rb") as file:
            content = file.read(SIG_MAX + 1)
    except FileNotFoundError:
        if missing:
            return None
        raise ConfigurationError(f"{path} is not there; `cloverwatch policy propose` writes it") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > SIG_MAX:
        raise ConfigurationError(f"{path} has more than {SIG_MAX:,} bytes: it is no change of a policy")
    try:
        return decode.decode(content)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigurationError(f"{path} is no change of a policy: {error}") from None


def read_history(path: Path) -> list[PolicyChange]:
    """Return the changes that were put in a policy's place, in their order; none where there is no history.

    Raises:
        ConfigurationError: it cannot be read, or is malformed.
    """
    file = history_of(path)
    return [change for _, change in changes_in(file)] if file.exists() else []


def changes_in(file: Path) -> list[tuple[bytes, PolicyChange]]:
    """Return the changes in a history, each with its line: the bytes of its record in `policy.changes`.

    Raises:
        ConfigurationError: it cannot be read, or is malformed.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(HISTORY_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > HISTORY_MAX:
        raise ConfigurationError(f"{file} has more than {HISTORY_MAX:,} bytes")
    try:
        return [(line, decode.decode(line)) for line in content.splitlines() if line]
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigurationError(f"{file} is no history of a policy: {error}") from None


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, durably, with the mode of the one that it replaces (0644 of a new one).

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
