"""Roots and proofs beside RFC 6962 word for word; and that nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.audit.tlog import BadProofError, leaf_hash, merkle, verify_consistency, verify_inclusion
from tests.audit.tlog import naive

ENTRIES = [f"entry {n}".encode() for n in range(600)]


def nodes(level: int, index: int) -> bytes:
    return naive.root(ENTRIES[index << level : (index + 1) << level])


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    new = draw(st.integers(1, len(ENTRIES)))
    return draw(st.integers(0, new)), new


@given(sizes())
@settings(deadline=None)
def test_roots_and_consistency_proofs_are_those_of_the_rfc(drawn: tuple[int, int]) -> None:
    old, new = drawn
    assert merkle.root(new, nodes) == naive.root(ENTRIES[:new])
    proof = merkle.consistency_proof(old, new, nodes)
    assert proof == (naive.proof(old, ENTRIES[:new]) if old else [])
    verify_consistency(old, naive.root(ENTRIES[:old]), new, naive.root(ENTRIES[:new]), proof)


@given(sizes())
@settings(deadline=None)
def test_inclusion_proofs_are_those_of_the_rfc(drawn: tuple[int, int]) -> None:
    index, size = min(drawn[0], drawn[1] - 1), drawn[1]
    proof = merkle.inclusion_proof(index, size, nodes)
    assert proof == naive.path(index, ENTRIES[:size])
    verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, naive.root(ENTRIES[:size]))


def altered(proof: list[bytes], at: int, how: int) -> list[bytes]:
    """The proof with a hash changed, left out, or one more."""
    at %= len(proof) + 1
    if how == 0 and at < len(proof):
        return [*proof[:at], bytes((proof[at][0] ^ 1,)) + proof[at][1:], *proof[at + 1 :]]
    if how == 1 and at < len(proof):
        return proof[:at] + proof[at + 1 :]
    return [*proof[:at], bytes(32), *proof[at:]]


@given(sizes(), st.integers(0, 20), st.integers(0, 2))
@settings(deadline=None)
def test_an_altered_proof_shows_nothing(drawn: tuple[int, int], at: int, how: int) -> None:
    old, new = drawn
    index = min(old, new - 1)
    proof = altered(merkle.inclusion_proof(index, new, nodes), at, how)
    with pytest.raises(BadProofError):
        verify_inclusion(leaf_hash(ENTRIES[index]), index, new, proof, naive.root(ENTRIES[:new]))
    proof = altered(merkle.consistency_proof(old, new, nodes), at, how)
    with pytest.raises(BadProofError):
        verify_consistency(old, naive.root(ENTRIES[:old]), new, naive.root(ENTRIES[:new]), proof)


@given(sizes(), sizes())
@settings(deadline=None)
def test_a_proof_shows_nothing_else(drawn: tuple[int, int], other: tuple[int, int]) -> None:
    """Not another entry, not another place, not another old tree."""
    index, size = min(drawn[0], drawn[1] - 1), drawn[1]
    proof, root = merkle.inclusion_proof(index, size, nodes), naive.root(ENTRIES[:size])
    wrong = other[0] % size
    if wrong != index:
        with pytest.raises(BadProofError):
            verify_inclusion(leaf_hash(ENTRIES[wrong]), index, size, proof, root)
        with pytest.raises(BadProofError):
            verify_inclusion(leaf_hash(ENTRIES[index]), wrong, size, proof, root)
    old, new = drawn
    forked = [*ENTRIES[: old - 1], b"another"]
    if old > 0:
        with pytest.raises(BadProofError):
            verify_consistency(old, naive.root(forked), new, root, merkle.consistency_proof(old, new, nodes))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="allowed"):
        merkle.inclusion_proof(index, size, nodes)
    with pytest.raises(BadProofError):
        verify_inclusion(leaf_hash(ENTRIES[0]), index, size, [], naive.root(ENTRIES[:size]))


def test_the_empty_tree_is_a_beginning_of_each_but_no_other_root_is() -> None:
    verify_consistency(0, merkle.EMPTY_ROOT, 5, naive.root(ENTRIES[:5]), [])
    with pytest.raises(BadProofError):
        verify_consistency(0, bytes(32), 5, naive.root(ENTRIES[:5]), [])
    with pytest.raises(BadProofError):
        verify_consistency(5, naive.root(ENTRIES[:5]), 4, naive.root(ENTRIES[:4]), [])
