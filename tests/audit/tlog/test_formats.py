"""Notes, keys, checkpoints, proofs and paths: the published examples, and strictness."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.audit.tlog import BadLogError, BadNoteError, NoteSigner, Policy, checkpoint, notes, proof, tiles, vkey
from agents.audit.tlog.merkle import EMPTY_ROOT
from agents.audit.tlog.notes import COSIGNATURE, Note

NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
SIGNED = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of Go's golang.org/x/mod/sumdb/note: key, private key, note."""


def test_the_note_that_go_documents() -> None:
    found = notes.parse(SIGNED.encode())
    assert [each.name for each in found.signed_by([vkey(NEUMANN)])] == ["PeterNeumann"]
    signer = NoteSigner.read(PRIVATE, "file")
    assert str(signer.public) == NEUMANN
    assert signer.private() == PRIVATE
    assert bytes(Note(found.text, (signer.sign(found.text),))) == SIGNED.encode()


def test_the_key_of_the_go_checksum_database() -> None:
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(vkey(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a b+c74f20a3+ARpc",
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN + "AA",
        NEUMANN[:-4],
        "+" + NEUMANN,
    ],
)
def test_what_is_no_public_key(text: str) -> None:
    with pytest.raises(BadNoteError):
        vkey(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("answer", "solution"),
        ("\n\n—", "\n—"),
        ("— PeterNeumann", "- PeterNeumann"),
        ("nAM=\n", "nAM="),
        ("nAM=", "nAN="),
        ("nAM=", "nAM"),
        ("problem,", "problem,\t"),
        ("— PeterNeumann x", "— PeterNeumann  x"),
    ],
)
def test_what_is_no_signed_note(old: str, new: str) -> None:
    assert old in SIGNED
    with pytest.raises(BadNoteError):
        notes.parse(SIGNED.replace(old, new).encode()).signed_by([vkey(NEUMANN)])


def test_signatures_of_others_are_left_out_and_one_key_counts_once() -> None:
    found = notes.parse(SIGNED.encode())
    stranger = NoteSigner.new("PeterNeumann")
    twice = Note(found.text, (stranger.sign(found.text), *found.signatures, *found.signatures))
    assert len(twice.signed_by([vkey(NEUMANN)])) == 1
    assert twice.signed_by([NoteSigner.new("other").public]) == ()


def test_a_private_key_does_not_show_itself() -> None:
    signer = NoteSigner.read(PRIVATE, "file")
    assert "AYEK" not in f"{signer!r}{signer}"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    with pytest.raises(BadNoteError) as error:
        NoteSigner.read(PRIVATE.replace("c74f20a3", "c74f20a4"), "file")
    assert "AYEK" not in str(error.value)


def of(size: str, root: str, more: str = "") -> bytes:
    signer = NoteSigner.new("example.com/log")
    text = f"example.com/log\n{size}\n{root}\n{more}"
    return bytes(Note(text, (signer.sign(text),)))


ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_a_checkpoint_with_extensions() -> None:
    assert checkpoint.parse(of("20852163", ROOT, "more\n")).size == 20_852_163


@pytest.mark.parametrize(
    ("size", "root", "more"),
    [
        ("01", ROOT, ""),
        ("-1", ROOT, ""),
        ("+1", ROOT, ""),
        ("1 ", ROOT, ""),
        ("", ROOT, ""),
        ("١", ROOT, ""),
        ("9223372036854775808", ROOT, ""),
        ("1", "", ""),
        ("1", ROOT[:-1], ""),
        ("1", ROOT[:-4], ""),
        ("0", ROOT, ""),
        ("1", ROOT, "\nmore\n"),
    ],
)
def test_what_is_no_checkpoint(size: str, root: str, more: str) -> None:
    with pytest.raises(BadNoteError):
        checkpoint.parse(of(size, root, more))


def test_witnesses_are_counted_by_key() -> None:
    log = NoteSigner.new("example.com/log")
    one, two = (NoteSigner.new(f"witness.example/{n}", COSIGNATURE) for n in (1, 2))
    text = checkpoint.body("example.com/log", 0, EMPTY_ROOT)
    note = Note(text, (log.sign(text), one.sign(text, 1_790_000_000)))
    both = (one.public, two.public)
    found = checkpoint.opened(bytes(note), [log.public], Policy(both, 1))
    assert found.witnesses == {"witness.example/1": 1_790_000_000}
    with pytest.raises(BadNoteError, match="cosigned by 1 witnesses"):
        checkpoint.opened(bytes(note), [log.public], Policy(both, 2))
    with pytest.raises(BadNoteError, match="not signed with any"):
        checkpoint.opened(bytes(note), [NoteSigner.new("example.com/log").public])
    with pytest.raises(BadNoteError, match="is of the log"):
        checkpoint.opened(bytes(note), [log.public], origin="example.com/other")
    with pytest.raises(ValueError, match="twice"):
        Policy((one.public, one.public), 1)
    with pytest.raises(ValueError, match="allowed"):
        Policy(both, 3)
    # A cosignature whose time is changed is none, and the note is refused rather than it left out.
    changed = bytes(note).replace(
        bytes(one.sign(text, 1_790_000_000).line(), "utf-8"),
        bytes(
            notes.Signature(
                "witness.example/1", one.public.key, (5).to_bytes(8) + one.sign(text, 1_790_000_000).raw[8:]
            ).line(),
            "utf-8",
        ),
    )
    with pytest.raises(BadNoteError):
        checkpoint.opened(changed, [log.public], Policy(both, 0))


def test_paths_of_the_specification() -> None:
    assert tiles.tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tiles.tile_path(2, 0, 1) == "tile/2/000.p/1"
    assert tiles.bundle_path(273, 112) == "tile/entries/273.p/112"
    widths = [[tiles.width_of(level, n, 70_000) for n in (0, 16, 17, 272, 273, 274)] for level in range(3)]
    assert widths == [[256, 256, 256, 256, 112, 0], [256, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]] or widths[1][1] == 0
    assert [tiles.edge_width(level, 70_000) for level in range(3)] == [112, 17, 1]
    assert list(tiles.levels(256)) == [0, 1]
    assert list(tiles.levels(255)) == [0]
    assert list(tiles.levels(0)) == []


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=256), st.data())
def test_bundles_hold_what_was_packed_and_nothing_else(entries: list[bytes], data: st.DataObject) -> None:
    packed = tiles.pack(entries)
    assert tiles.whole(packed, len(entries), "b") == entries
    fewer = data.draw(st.integers(1, len(entries)))
    assert tiles.unpack(packed, fewer, "b") == entries[:fewer]
    with pytest.raises(BadLogError):
        tiles.whole(packed[: data.draw(st.integers(0, len(packed) - 1))], len(entries), "b")
    with pytest.raises(BadLogError):
        tiles.whole(packed + b"\x00", len(entries), "b")


def test_proofs_in_files() -> None:
    log = NoteSigner.new("example.com/log")
    from agents.audit.tlog import leaf_hash

    text = checkpoint.body("example.com/log", 1, leaf_hash(b"only"))
    raw = bytes(proof.TlogProof(0, (), bytes(Note(text, (log.sign(text),))), b"\x00more"))
    assert raw.startswith(b"c2sp.org/tlog-proof@v1\nextra AG1vcmU=\nindex 0\n\nexample.com/log\n1\n")
    found = proof.parse(raw)
    assert bytes(found) == raw
    assert found.verify(leaf_hash(b"only"), [log.public]).size == 1
    with pytest.raises(BadLogError):
        found.verify(leaf_hash(b"other"), [log.public])
    for old, new in (
        (b"@v1", b"@v2"),
        (b"index 0", b"index 00"),
        (b"index 0\n", b""),
        (b"AG1v", b"AG!v"),
        (b"\n\n", b"\n"),
    ):
        with pytest.raises(BadNoteError):
            proof.parse(raw.replace(old, new))
