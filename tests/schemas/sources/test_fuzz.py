"""Mutated bytes of real records into every decoder: an access, a reason, a word of a closed list, and nothing else."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from schemas.codec import ACCESS, ALERT, DIRECTORY, Codec, encode
from schemas.errors import REASONS, BadRecordError
from schemas.sources import SOURCES
from schemas.sources._cloudtrail_calls import SKIPPED
from schemas.sources.documents import documents
from schemas.sources.expand import expand
from schemas.sources.ocsf import SKIPPED as OCSF_SKIPPED
from tests.replay.slice import SETS, records
from tests.schemas.records import ALERT_RECORD, EVENT, ROWS
from tests.schemas.sources.test_ocsf import as_ocsf
from tests.schemas.sources.trail import ACTIVITY, RECORD, mapping

pytestmark = pytest.mark.slow

ROUNDS: Final = 400
"""Mutations a decoder and seed. More are run by giving `SEEDS` more numbers; these take some seconds together."""

SEEDS: Final = (1, 2, 3)

SLOWEST_S: Final = 2.0
"""A message of some KiB takes a millisecond; a machine that is busy elsewhere gets two thousand times as long."""

MAPS: Final = mapping(datasets=[("arn:aws:s3:::*", "b-{1}")], employees=[("*user*", "e-{1}")], accounts=[("1*", "x")])
TOKENS: Final = (
    b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b"null",
    b"true", b"1e999", b"-1", b"9" * 400, b'""', b"{}", b"[[]]", b"*", b"%", b"\n", b"[" * 1200, b'{"a":' * 1200,
    b"\x1f\x8b", b"arn:aws:s3:::", b"1970-01-01T00:00:00+23:59", b"9999-12-31T23:59:59Z", "İ".encode(), b"NaN",
)  # fmt: skip


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four changes: a bit, a token, a cut, a piece twice, two pieces exchanged."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.choices(range(len(data) + 1), k=2))
        match chance.randint(0, 5):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << chance.randint(0, 7)
            case 1:
                data[at:at] = chance.choice(TOKENS)
            case 2:
                data[at : min(to, at + 40)] = b""
            case 3:
                data[at:at] = data[at : min(to, at + 200)]
            case 4:
                data[at : at + chance.randint(1, 30)] = chance.choice(TOKENS)
            case _:
                del data[to:]
    return bytes(data)


def reshaped(value: Any, chance: random.Random) -> Any:
    """The record with one value in a hundred of another type: what mutated bytes seldom reach, being no JSON."""
    if chance.random() < 0.04:
        return chance.choice([None, True, -1, 1e300, "", "*", "\ud800", "\0", [], {}, [{}], {"": [None]}, "x" * 3000])
    if isinstance(value, dict):
        return {name: reshaped(inner, chance) for name, inner in value.items()}
    if isinstance(value, list):
        return [reshaped(inner, chance) for inner in value]
    return value


REAL: Final = [record for name in SETS for record in records(name)]
INTERESTING: Final = REAL[::9] + [each for each in REAL if each["eventName"].startswith(("Modify", "Put", "Update"))]
SEED_RECORDS: Final[dict[str, list[Any]]] = {
    "native": [EVENT],
    "cloudtrail": INTERESTING,
    "ocsf": [as_ocsf(each) for each in INTERESTING[::4]] + [ACTIVITY],
}
FORMS: Final[tuple[Callable[[Any], bytes], ...]] = (
    lambda row: json.dumps(row).encode(),
    lambda row: json.dumps({"Records": [row, row]}, separators=(",", ":")).encode(),
    lambda row: json.dumps(row).encode() + b"\n" + json.dumps(row).encode(),
    lambda row: gzip.compress(json.dumps([row]).encode(), 1),
)


def hold(source: str, raw: bytes) -> None:
    """Translate, and hold what comes out to what every source promises."""
    began = time.perf_counter()
    for found in SOURCES[source].translate(raw, MAPS):
        assert [found.event, found.bad, found.skipped].count(None) == 2
        if found.event is not None:
            assert ACCESS.decode(encode(found.event)) == found.event
        elif found.bad is not None:
            assert isinstance(found.bad, BadRecordError)
            assert found.bad.reason in REASONS
        else:
            assert found.skipped in SKIPPED or found.skipped in OCSF_SKIPPED
    assert time.perf_counter() - began < SLOWEST_S


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("source", SOURCES)
def test_mutated_bytes_are_translated_or_refused(source: str, seed: int) -> None:
    chance = random.Random(f"{source}-{seed}")
    for _ in range(ROUNDS):
        row, form = chance.choice(SEED_RECORDS[source]), chance.choice(FORMS)
        hold(source, mutated(form(row), chance))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("source", SOURCES)
def test_reshaped_records_are_translated_or_refused(source: str, seed: int) -> None:
    chance = random.Random(f"{source}-{seed}")
    for _ in range(ROUNDS):
        hold(source, json.dumps(reshaped(chance.choice(SEED_RECORDS[source]), chance)).encode())


CODECS: Final[list[tuple[Codec[Any], Any]]] = [
    (ACCESS, EVENT),
    (ALERT, ALERT_RECORD),
    *((DIRECTORY[topic], row) for topic, row in ROWS.items()),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_codec_decodes_or_refuses(seed: int) -> None:
    chance = random.Random(seed)
    for codec, row in CODECS:
        raw = json.dumps(row).encode()
        for _ in range(ROUNDS // 6):
            try:
                codec.decode(mutated(raw, chance))
            except BadRecordError as error:
                assert error.reason in REASONS  # noqa: PT017 - most are refused, some are not


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_and_gzip_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    raw = gzip.compress(json.dumps({"Records": SEED_RECORDS["cloudtrail"][:5]}).encode(), 1)
    for _ in range(ROUNDS // 3):
        try:
            for each in documents(expand(mutated(raw, chance))):
                assert not isinstance(each, BadRecordError) or each.reason in REASONS
        except BadRecordError as error:
            assert error.reason in REASONS  # noqa: PT017 - most are refused, some are not


ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    2.5,
    1e300,
    "",
    "x",
    "*",
    "\0",
    [],
    ["x"],
    [[]],
    [{}],
    {},
    {"": None},
    {"x": ["y"]},
)


def with_each_value_replaced(value: Any) -> Iterator[Any]:
    """The record once for each value in it and each odd one in its place."""
    yield from ODD
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        for other in with_each_value_replaced(inner):
            yield {**value, key: other} if isinstance(value, dict) else [*value[:key], other, *value[key + 1 :]]


CALLED: Final = (
    "GetObject",
    "ModifySnapshotAttribute",
    "PutBucketPolicy",
    "GetSecretValue",
    "DeleteFlowLogs",
    "LeaveOrganization",
)
SHAPES: Final[list[tuple[str, Any]]] = [
    ("native", EVENT),
    ("ocsf", ACTIVITY | {"device": {"location": {"country": "IE"}}, "http_response": {"code": 403}, "status_id": 2}),
    ("ocsf", as_ocsf(RECORD)),
    *(("cloudtrail", next(each for each in REAL if each["eventName"] == name)) for name in CALLED),
]


@pytest.mark.parametrize("at", range(len(SHAPES)), ids=lambda at: f"{SHAPES[at][0]}-{at}")
def test_no_value_of_another_type_breaks_a_record(at: int) -> None:
    source, row = SHAPES[at]
    rows = [each for each in with_each_value_replaced(row) if isinstance(each, dict)]
    for each in rows:
        hold(source, json.dumps(each).encode())
    assert len(rows) > 50
