"""Merkle trees as in RFC 6962: hashes, roots, inclusion and consistency proofs, made and verified.

Pure. Whoever makes a proof passes a function that knows the hashes of the tree's complete subtrees; the tiles are one.
Source: RFC 6962, section 2.1; the verification is that of RFC 9162, sections 2.1.3.2 and 2.1.4.2, which is the same
tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

from agents.audit.tlog.errors import BadProofError

HASH_BYTES: Final = 32
"""Length of a SHA-256."""

EMPTY_ROOT: Final = sha256(b"").digest()
"""Root of the tree without entries."""

PROOF_MAX: Final = 63
"""Hashes of a proof at most, in a tree of less than 2^63 entries (C2SP tlog-witness, add-checkpoint)."""

SIZE_MAX: Final = (1 << 63) - 1
"""Entries of a tree at most."""

LEAF: Final = b"\x00"
NODE: Final = b"\x01"

Nodes = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree over the entries index * 2^level to (index + 1) * 2^level."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry."""
    return sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return sha256(NODE + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root over a power of two of hashes, one after the other."""
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            [sha256(NODE + hashes[at : at + 2 * HASH_BYTES]).digest() for at in range(0, len(hashes), 2 * HASH_BYTES)]
        )
    return hashes


def rows(hashes: bytes) -> tuple[bytes, ...]:
    """Return up to 2^n hashes in a row, those of their pairs, of pairs of these, up to the last pair."""
    found = [hashes]
    while len(hashes) > HASH_BYTES:
        step = 2 * HASH_BYTES
        end = len(hashes) // step * step
        hashes = b"".join([sha256(NODE + hashes[at : at + step]).digest() for at in range(0, end, step)])
        found.append(hashes)
    return tuple(found)


def split(size: int) -> int:
    """Return the largest power of two smaller than `size` (at least 2)."""
    return 1 << (size - 1).bit_length() - 1


def subtrees(size: int) -> Iterator[tuple[int, int]]:
    """Yield (level, index) of the complete subtrees of which a tree is made, the largest (leftmost) first."""
    begin = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            yield level, begin >> level
            begin += 1 << level


def join(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a tree from its complete subtrees, the leftmost first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for each in reversed(hashes[:-1]):
        root = node_hash(each, root)
    return root


def root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the tree with the first `size` entries."""
    return join([nodes(level, index) for level, index in subtrees(size)])


def _range(begin: int, end: int, nodes: Nodes) -> bytes:
    """Hash of the entries from `begin` to `end`, a subtree of some tree."""
    width = end - begin
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return nodes(level, begin >> level)
    at = begin + split(width)
    return node_hash(_range(begin, at, nodes), _range(at, end, nodes))


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return the hashes that lead from entry `index` to the root of the tree of `size`, from the leaf's sibling up.

    Raises:
        ValueError: there is no such entry in that tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} of a tree of {size}; allowed: 0 to {size - 1}")
    proof: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        at = begin + split(end - begin)
        if index < at:
            proof.append(_range(at, end, nodes))
            end = at
        else:
            proof.append(_range(begin, at, nodes))
            begin = at
    proof.reverse()
    return proof


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return the hashes that show that the tree of `old` is a beginning of that of `new`; none where either says all.

    Raises:
        ValueError: `old` is not in 0 to `new`.
    """
    if not 0 <= old <= new:
        raise ValueError(f"sizes {old} and {new}; allowed: the old one from 0 to the new one")
    if old in {0, new}:
        return []
    proof: list[bytes] = []
    begin, end = 0, new
    while end != old:
        at = begin + split(end - begin)
        if old <= at:
            proof.append(_range(at, end, nodes))
            end = at
        else:
            proof.append(_range(begin, at, nodes))
            begin = at
    if begin:  # else the old tree is a subtree whose hash the verifier has
        proof.append(_range(begin, end, nodes))
    proof.reverse()
    return proof


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Check that an entry with hash `leaf` is number `index` of the tree with root `expected`.

    Raises:
        BadProofError: that is not shown.
    """
    about = f"inclusion of entry {index} in the tree of {size}"
    if not 0 <= index < size:
        raise BadProofError(about, "there is no such entry")
    at, last, found = index, size - 1, leaf
    for each in proof:
        if len(each) != HASH_BYTES:
            raise BadProofError(about, f"a hash of {len(each)} bytes; allowed: {HASH_BYTES}")
        if last == 0:
            raise BadProofError(about, "the proof is longer than the tree is high")
        if at & 1 or at == last:
            found = node_hash(each, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, each)
        at, last = at >> 1, last >> 1
    if last:
        raise BadProofError(about, "the proof ends before the root")
    if found != expected:
        raise BadProofError(about, f"leads to root {found.hex()}, not {expected.hex()}")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (`old`, `old_root`) is a beginning of the tree (`new`, `new_root`).

    Raises:
        BadProofError: that is not shown.
    """
    about = f"consistency of the tree of {old} with that of {new}"
    if not 0 <= old <= new:
        raise BadProofError(about, "the old tree is larger than the new one")
    if any(len(each) != HASH_BYTES for each in proof):
        raise BadProofError(about, f"a hash that is not of {HASH_BYTES} bytes")
    if old in {0, new}:
        if proof:
            raise BadProofError(about, "a proof where there is nothing to prove")
        if old == 0 and old_root != EMPTY_ROOT:
            raise BadProofError(about, "the old root is not that of the empty tree")
        if new == 0 and new_root != EMPTY_ROOT:
            raise BadProofError(about, "the new root is not that of the empty tree")
        if old == new and old_root != new_root:
            raise BadProofError(about, f"two roots of one size: {old_root.hex()} and {new_root.hex()}")
        return
    rest = list(proof) if old & (old - 1) else [old_root, *proof]
    if not rest:
        raise BadProofError(about, "no proof")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = rest[0]
    for each in rest[1:]:
        if last == 0:
            raise BadProofError(about, "the proof is longer than the tree is high")
        if at & 1 or at == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, each)
        at, last = at >> 1, last >> 1
    if last:
        raise BadProofError(about, "the proof ends before the root")
    if first != old_root:
        raise BadProofError(about, f"leads to old root {first.hex()}, not {old_root.hex()}")
    if second != new_root:
        raise BadProofError(about, f"leads to new root {second.hex()}, not {new_root.hex()}")
