"""The log's side of C2SP tlog-witness: asking witnesses to cosign a checkpoint, and what each said."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from agents.audit.tlog.checkpoint import Checkpoint, Policy, decimal
from agents.audit.tlog.errors import BadNoteError
from agents.audit.tlog.notes import Signature, VKey, signature_line, vkey
from agents.audit.tlog.tree import Tree
from schemas.errors import ConfigurationError

SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of a 409 that says which size the witness has cosigned."""

ANSWER_MAX: Final = 65_536
"""Bytes of a witness's answer that are read: a few signature lines."""

TIMEOUT: Final = 5.0
"""Seconds for one question to a witness. One that hangs must not keep the others' cosignatures from being published
for longer; it is asked again with the next checkpoint."""

TRIES: Final = 3
"""Questions to a witness for one checkpoint: the first may only tell which size it has, and that may move once."""

AHEAD_MAX: Final = 300
"""Seconds by which a witness's clock may be ahead of ours. A cosignature says when the checkpoint was the newest."""

Post = Callable[[bytes], tuple[int, str, bytes]]
"""Sends the body of an add-checkpoint; returns status, content type, body. Raises OSError where there is no answer."""


Prove = Callable[[int], Sequence[bytes]]
"""Returns the proof that the checkpoint's tree begins with that of a size."""


def silent(_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Told:
    """What asking one witness came to."""

    witness: str
    """Its name."""
    size: int
    """Of the checkpoint that it was asked to cosign."""
    cosigned: bool
    what: str = ""
    """Where it did not: why, as a sentence."""
    forked: bool = False
    """It has cosigned another history than the log's, or a longer one: the log must not go on."""


class WitnessClient:
    """One witness.

    Args:
        url: its submission prefix, http or https.
        key: its public key; of a note key (0x01) the cosigning form is taken.
        timeout: seconds for one question.
        post: for tests without a network; by default over HTTP.
    """

    def __init__(self, url: str, key: VKey, *, timeout: float = TIMEOUT, post: Post | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username or parts.query or parts.fragment:
            raise ConfigurationError(
                f"the URL of witness {key.name!r}: allowed: http://HOST/PATH or https://HOST/PATH, no user, no query"
            )
        self.key = key.cosigning()
        self._url, self._timeout = f"{url.rstrip('/')}/add-checkpoint", timeout
        self._post = self._over_http if post is None else post
        self._has = 0
        """Size that it has cosigned, as far as it is known."""

    @classmethod
    def read(cls, line: str, timeout: float = TIMEOUT) -> WitnessClient:
        """Return the witness in `VKEY URL`.

        Raises:
            ConfigurationError: it is none.
        """
        key, _, url = line.strip().partition(" ")
        try:
            return cls(url.strip(), vkey(key, "witness"), timeout=timeout)
        except BadNoteError as error:
            raise ConfigurationError(f"{error}; a witness is its public key, a space and its URL") from None

    def ask(self, checkpoint: Checkpoint, prove: Prove, now: float) -> tuple[Told, Signature | None]:
        """Ask it to cosign; never raises for what it answers or does not."""
        name, size = self.key.name, checkpoint.size
        for _ in range(TRIES):
            try:
                status, kind, body = self._post(request(self._has, prove(self._has), checkpoint))
            except (OSError, HTTPException) as error:
                return Told(name, size, cosigned=False, what=f"no answer: {type(error).__name__}"), None
            if status == 409 and kind == SIZE_TYPE:
                try:
                    has = decimal(body.decode("ascii", "replace").removesuffix("\n"), "its answer")
                except BadNoteError as error:
                    return Told(name, size, cosigned=False, what=str(error)), None
                if has > size:
                    said = f"witness {name} has cosigned {has} entries, the log has {size}: it was put back"
                    return Told(name, size, cosigned=False, what=said, forked=True), None
                if has != self._has:
                    self._has = has
                    continue
            if size and status in {409, 422}:
                said = f"witness {name} has cosigned another history of the log at {self._has} entries ({status})"
                return Told(name, size, cosigned=False, what=said, forked=True), None
            if status != 200:
                return Told(name, size, cosigned=False, what=REFUSALS.get(status, f"answers {status}")), None
            return self._taken(checkpoint, body, now)
        return Told(name, size, cosigned=False, what="its size moves: somebody else submits this log too"), None

    def _taken(self, checkpoint: Checkpoint, body: bytes, now: float) -> tuple[Told, Signature | None]:
        name, size = self.key.name, checkpoint.size
        for line in body.decode("utf-8", "replace").split("\n")[:-1]:
            try:
                found = signature_line(line, "its answer")
            except BadNoteError:
                continue
            if self.key.is_of(found) and self.key.verifies(checkpoint.note.text, found):
                if found.time > now + AHEAD_MAX:
                    return Told(name, size, cosigned=False, what="its clock is ahead of ours"), None
                self._has = size
                return Told(name, size, cosigned=True), found
        return Told(name, size, cosigned=False, what="its answer holds no cosignature that is its own"), None

    def _over_http(self, body: bytes) -> tuple[int, str, bytes]:
        asked = Request(self._url, data=body, headers={"Content-Type": "text/plain; charset=utf-8"})  # noqa: S310
        try:
            with urlopen(asked, timeout=self._timeout) as answer:  # noqa: S310 - http or https, looked at above
                return answer.status, answer.headers.get_content_type(), answer.read(ANSWER_MAX)
        except HTTPError as error:
            with error:
                return error.code, error.headers.get("Content-Type", ""), error.read(ANSWER_MAX)


REFUSALS: Final = {
    400: "takes the question for malformed (400)",
    403: "does not know the log's key (403)",
    404: "does not cosign for this log (404)",
    429: "is asked too often (429)",
}


def request(old: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> bytes:
    """Return the body of an add-checkpoint."""
    lines = "".join(f"{b64encode(each).decode('ascii')}\n" for each in proof)
    return f"old {old}\n{lines}\n".encode() + bytes(checkpoint)


class Witnesses:
    """Those that are asked, and how many cosignatures make a checkpoint witnessed.

    Args:
        clients: the witnesses, each with a key of its own.
        needed: how many of them.
        observe: told what each said, each time: for metrics. Called in the thread that asks.
    """

    def __init__(
        self, clients: Sequence[WitnessClient] = (), needed: int = 0, observe: Callable[[Told], None] = silent
    ) -> None:
        self.clients = tuple(clients)
        self.policy = Policy(tuple(each.key for each in clients), needed)
        self._observe = observe

    def ask(self, checkpoint: Checkpoint, tree: Tree, now: float) -> tuple[list[Told], list[Signature]]:
        """Ask all of them at once; return what each said, and the cosignatures."""
        one = threading.Lock()

        def prove(old: int) -> list[bytes]:
            with one:  # what a tree has read it keeps: it is not for several threads
                return tree.consistency_proof(old)

        with ThreadPoolExecutor(max(1, len(self.clients)), "witness") as threads:
            answers = list(threads.map(lambda each: each.ask(checkpoint, prove, now), self.clients))
        for told, _ in answers:
            self._observe(told)
        return [told for told, _ in answers], [found for _, found in answers if found is not None]
