"""Identities sealed to officers: any two open, nobody alone, and nothing is moved or changed unnoticed."""

from __future__ import annotations

from itertools import combinations, permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from nacl.exceptions import CryptoError
from nacl.public import SealedBox

from alerts.sealing import BLOCK, Envelope, Sealer, SealingError, key_id, open_inner, open_outer, read, seal, sealed_to
from alerts.signatures import Signer
from tests.alerts.test_people import signer

TOKEN = "7:q5lYb0Vj3c2RkQ"
EVERY = [signer(f"o{at}", at) for at in range(1, 9)]
STRANGER = signer("stranger", 99)


def keys(officers: list[Signer]) -> dict[str, str]:
    return {each.name: each.public for each in officers}


def opened(sealed: bytes, approver: Signer, requester: Signer, token: str = TOKEN) -> str:
    """As two officers do it, each at a machine of their own."""
    return open_inner(sealed, open_outer(sealed, token, approver, requester.public), token, requester)


@settings(max_examples=25, deadline=None)
@given(identity=st.text(max_size=200), token=st.text(min_size=1, max_size=60), count=st.integers(2, 8))
def test_any_two_officers_open_it_in_either_role(identity: str, token: str, count: int) -> None:
    officers = EVERY[:count]
    sealed = seal(identity, token, keys(officers))
    for approver, requester in permutations(officers, 2):
        assert opened(sealed, approver, requester, token) == identity


@settings(max_examples=25, deadline=None)
@given(identity=st.text(max_size=40), count=st.integers(2, 8), data=st.data())
def test_no_officer_alone_and_no_stranger_opens_anything_that_helps(
    identity: str, count: int, data: st.DataObject
) -> None:
    """One key is tried on every box there is, and again on all that comes out, until nothing more does."""
    officers = EVERY[:count]
    sealed = seal(identity, TOKEN, keys(officers))
    envelope = read(sealed)
    alone = data.draw(st.sampled_from([*officers, STRANGER]))
    with pytest.raises(SealingError, match="not sealed to these two officers"):
        open_outer(sealed, TOKEN, alone, alone.public)
    with pytest.raises(SealingError):
        open_outer(sealed, TOKEN, STRANGER, officers[0].public)
    key = SealedBox(alone.reveal().to_curve25519_private_key())
    boxes = [envelope.box, *envelope.shares]
    found = []
    while boxes:
        box = boxes.pop()
        try:
            plain = key.decrypt(box)
        except (CryptoError, ValueError):
            continue
        # Whatever stands in front, a box inside begins somewhere: all places are tried.
        found.append(plain)
        boxes += [plain[at:] for at in range(33)]
    assert len(found) == (0 if alone is STRANGER else count - 1), "the outer layers for the others, no more"
    for plain in found:
        with pytest.raises(SealingError):
            open_inner(sealed, plain[16:], TOKEN, alone)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), flip=st.integers(1, 255))
def test_a_changed_byte_is_found_wherever_it_is(data: st.DataObject, flip: int) -> None:
    """Whoever opens gets the identity that was sealed, or an error, never another one."""
    officers = EVERY[:3]
    sealed = seal("e-0042", TOKEN, keys(officers))
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :]
    refused = 0
    for approver, requester in permutations(officers, 2):
        try:
            assert opened(changed, approver, requester) == "e-0042"
        except SealingError:
            refused += 1
    assert refused, "a byte that nobody's opening depends on"


def test_every_part_is_checked() -> None:
    anna, ben, cleo = officers = EVERY[:3]
    sealed = seal("e-0042", TOKEN, keys(officers))
    envelope = read(sealed)
    inner = open_outer(sealed, TOKEN, anna, ben.public)
    for changed in (inner[:-1], inner + b"x", b"", bytes([inner[0] ^ 1]) + inner[1:]):
        with pytest.raises(SealingError, match="not sealed to this key, or was changed"):
            open_inner(sealed, changed, TOKEN, ben)
    with pytest.raises(SealingError, match="not sealed to this key"):
        open_inner(sealed, inner, TOKEN, cleo)
    other = seal("e-0042", TOKEN, keys(officers))
    with pytest.raises(SealingError, match="of another envelope"):
        open_inner(other, inner, TOKEN, ben)
    for wrong in (
        b"",
        b"\xc1",
        sealed[:-1],
        b"x" * 70_000,
        msgspec.msgpack.encode(replace(envelope, shares=envelope.shares[1:])),
        msgspec.msgpack.encode(replace(envelope, officers=(envelope.officers[0],) * 3)),
        msgspec.msgpack.encode(Envelope(1, b"", (), ())),
    ):
        with pytest.raises(SealingError, match="this is no envelope of an identity"):
            open_outer(wrong, TOKEN, anna, ben.public)
    with pytest.raises(SealingError, match="an envelope of version 2; this program opens version 1"):
        read(msgspec.msgpack.encode(replace(envelope, version=2)))


def test_an_envelope_under_another_pseudonym_is_refused_by_the_first_who_opens_it() -> None:
    """Or one officer could have the other approve one request and read the identity of another with it."""
    anna, ben = officers = EVERY[:2]
    sealed = seal("e-0042", TOKEN, keys(officers))
    with pytest.raises(SealingError, match="belongs to another pseudonym"):
        open_outer(sealed, "7:another", anna, ben.public)
    inner = open_outer(sealed, TOKEN, anna, ben.public)
    with pytest.raises(SealingError, match="belongs to another pseudonym"):
        open_inner(sealed, inner, "7:another", ben)
    # The box of the identity alone, beside shares that are of the other pseudonym.
    mixed = replace(read(seal("e-7", "7:another", keys(officers))), box=read(sealed).box)
    moved = msgspec.msgpack.encode(mixed)
    with pytest.raises(SealingError, match="of another envelope"):
        opened(moved, anna, ben, "7:another")


def test_officers_named_later_cannot_open_what_was_sealed_before() -> None:
    anna, ben, late = EVERY[:3]
    sealed = seal("e-0042", TOKEN, keys([anna, ben]))
    for approver, requester in ((anna, late), (late, ben)):
        with pytest.raises(SealingError, match="they were named after it was sealed"):
            opened(sealed, approver, requester)
    assert sealed_to(sealed, keys([ben, anna]))
    assert not sealed_to(sealed, keys([anna, ben, late]))
    assert opened(seal("e-0042", TOKEN, keys([anna, ben, late])), late, ben) == "e-0042"


def test_a_worker_seals_for_the_officers_of_its_policy_and_sees_when_they_changed() -> None:
    anna, ben, late = EVERY[:3]
    before, after = Sealer(keys([anna, ben])), Sealer(keys([anna, ben, late]))
    sealed = before.seal("e-0042", TOKEN)
    assert sealed is not None
    assert opened(sealed, anna, ben) == "e-0042"
    assert before.is_current(sealed)
    assert not after.is_current(sealed)
    assert not before.is_current(b"no envelope")
    assert Sealer({}).seal("e-0042", TOKEN) is None
    assert Sealer({}).is_current(sealed), "there is nobody to seal it anew for"


def test_who_may_not_be_sealed_to() -> None:
    for officers in ([], EVERY[:1], [*EVERY, STRANGER]):
        with pytest.raises(SealingError, match="allowed: 2 to 8, a key each"):
            seal("e-0042", TOKEN, keys(officers))
    with pytest.raises(SealingError, match="2 officers with 1 keys"):
        seal("e-0042", TOKEN, {"anna": EVERY[0].public, "again": EVERY[0].public})


def test_nothing_of_the_identity_shows() -> None:
    """Not its letters, not its length, and not that it is sealed a second time."""
    officers = keys(EVERY[:3])
    sealed = [seal(name, TOKEN, officers) for name in ("e-1", "e-1", "e-1234567890123456789012345")]
    assert len({len(each) for each in sealed}) == 1
    assert b"e-1" not in sealed[0]
    assert TOKEN.encode() not in sealed[0]
    first, second = read(sealed[0]), read(sealed[1])
    assert first.officers == second.officers == tuple(key_id(officers[name]) for name in sorted(officers))
    for one, other in combinations([first.box, second.box, *first.shares, *second.shares], 2):
        assert one != other
    assert len(first.box) == BLOCK + 40


@pytest.mark.parametrize(("count", "size"), [(2, 454), (3, 1_112), (5, 3_402), (8, 9_264)])
def test_sizes_are_as_stated(count: int, size: int) -> None:
    assert len(seal("e-0042", TOKEN, keys(EVERY[:count]))) == size
