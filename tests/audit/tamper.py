"""Tampering with a log and with exported topics, at random places: a script that knows nothing of the verifier.

    python -m tests.audit.tamper ATTACK --log LOG --topics EXPORT --seed N

prints what it did and where, as JSON. `ATTACKS` lists what it can do. It reads and writes the files by itself, from the
formats' descriptions (C2SP tlog-tiles); only an attacker who holds the operator's key uses the operator's own program
to build a log anew.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

Did = dict[str, Any]
"""What was done: `what`, and as far as it has one `index`, `topic`, `partition`, `offset`, `file`."""


class Disk:
    """The files in the attacker's hands."""

    def __init__(self, log: Path, topics: Path, seed: int, key: bytes | None = None, name: str = "") -> None:
        self.log, self.topics, self.key, self.name = log, topics, key, name
        self.rng = random.Random(seed)

    # --- the log, as files

    @property
    def size(self) -> int:
        """How many entries the checkpoint speaks of."""
        return int((self.log / "checkpoint").read_text(encoding="utf-8").split("\n")[1])

    def bundles(self) -> list[Path]:
        """The entry bundles, in order; of a partial one the widest."""
        found: dict[int, tuple[int, Path]] = {}
        root = self.log / "tile" / "entries"
        for path in root.rglob("*"):
            if path.is_file():
                parts = path.relative_to(root).parts
                partial = parts[-2].endswith(".p") if len(parts) > 1 else False
                names = parts[:-1] if partial else parts
                number = int("".join(name.removeprefix("x").removesuffix(".p") for name in names))
                width = int(parts[-1]) if partial else 256
                if number not in found or found[number][0] < width:
                    found[number] = width, path
        return [path for _, (_, path) in sorted(found.items())]

    def entries(self) -> list[bytes]:
        """All entries."""
        return [entry for path in self.bundles() for entry in unpack(path.read_bytes())]

    def records(self) -> list[dict[str, Any]]:
        """All entries, read."""
        return [json.loads(entry) for entry in self.entries()]

    def pick(self, wanted: Callable[[dict[str, Any]], bool]) -> int:
        """The index of some entry like that."""
        return self.rng.choice([at for at, entry in enumerate(self.records()) if wanted(entry)])

    def put(self, index: int, *entries: bytes) -> str:
        """Put entries in the place of one, in its bundle only; return the file."""
        path = self.bundles()[index // 256]
        held = unpack(path.read_bytes())
        held[index % 256 : index % 256 + 1] = entries
        path.write_bytes(pack(held))
        return str(path.relative_to(self.log))

    def rebuild(self, records: Iterable[dict[str, Any]]) -> None:
        """Build the whole log anew from other entries, consistent, and sign it with the operator's key."""
        from agents.audit.tlog import Log, NoteSigner

        assert self.key is not None
        shutil.rmtree(self.log)
        with Log(self.log, NoteSigner(self.name, self.key), lambda: 1_772_500_000.0) as log:
            log.append([dump(record) for record in records])

    # --- topics, as files

    def topic(self, topic: str, partition: int) -> list[dict[str, Any]]:
        """The records of an exported partition."""
        with gzip.open(self.topics / topic / f"{partition}.jsonl.gz") as lines:
            return [json.loads(line) for line in lines]

    def put_topic(self, topic: str, partition: int, records: Iterable[dict[str, Any]]) -> None:
        """Write them."""
        with gzip.open(self.topics / topic / f"{partition}.jsonl.gz", "wb") as file:
            file.writelines(dump(record) + b"\n" for record in records)


def unpack(bundle: bytes) -> list[bytes]:
    """Entries of a bundle."""
    found = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        found.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return found


def pack(entries: Iterable[bytes]) -> bytes:
    """A bundle of entries."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def dump(record: Any) -> bytes:
    """JSON as the monitor writes it."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def place(record: dict[str, Any], index: int) -> Did:
    """Where an entry is, and what it is about."""
    found: Did = {"index": index}
    for name in ("topic", "partition", "offset"):
        found[name] = record.get(name, 0 if name != "topic" else "")
    return found


def is_range(entry: dict[str, Any]) -> bool:
    """Whether an entry tells of a range that was judged."""
    return bool(entry["kind"] == "coverage" and entry["about"]["type"] == "judged")


def is_range_with_alerts(entry: dict[str, Any]) -> bool:
    """Whether it gave alerts."""
    return is_range(entry) and bool(entry["about"]["alerts"])


# --- whoever has the files, and no key


def edited_entry(disk: Disk) -> Did:
    """Some byte of some entry is another."""
    index = disk.rng.randrange(disk.size)
    entry = bytearray(disk.entries()[index])
    entry[disk.rng.randrange(len(entry))] ^= 1 << disk.rng.randrange(8)
    return {"index": index, "file": disk.put(index, bytes(entry))}


def edited_verdict(disk: Disk) -> Did:
    """A range counts other findings."""
    index = disk.pick(is_range_with_alerts)
    entry = disk.records()[index]
    rule = disk.rng.choice(sorted(entry["about"]["verdicts"]))
    entry["about"]["verdicts"][rule] += disk.rng.choice((-1, 1, 5))
    disk.put(index, dump(entry))
    return place(entry, index)


def dropped_alert(disk: Disk) -> Did:
    """An alert's entry is cut out of its bundle."""
    index = disk.pick(lambda entry: entry["kind"] == "alert")
    return {"index": index, "file": disk.put(index)}


def removed_receipt(disk: Disk) -> Did:
    """A receipt's entry is cut out, and its neighbour is put there twice, so that the count is right."""
    index = disk.pick(lambda entry: entry["kind"] == "receipt")
    neighbour = disk.entries()[index - 1]
    return {"index": index, "file": disk.put(index, neighbour)}


def reordered(disk: Disk) -> Did:
    """Two entries of a bundle change places."""
    number = disk.rng.randrange(len(disk.bundles()))
    path = disk.bundles()[number]
    held = unpack(path.read_bytes())
    one, two = sorted(disk.rng.sample(range(len(held)), 2))
    held[one], held[two] = held[two], held[one]
    path.write_bytes(pack(held))
    return {"index": number * 256 + one, "also": number * 256 + two}


def edited_tile(disk: Disk) -> Did:
    """Some bit of some tile that the tree needs is another."""
    needed = [path for path in (disk.log / "tile").rglob("*") if path.is_file() and "entries" not in path.parts]
    size, current = disk.size, []
    for path in needed:
        level, *names = path.relative_to(disk.log / "tile").parts
        partial = len(names) > 1 and names[-2].endswith(".p")
        if not partial or int(names[-1]) == (size >> (8 * int(level))) % 256:
            current.append(path)
    path = disk.rng.choice(sorted(current))
    raw = bytearray(path.read_bytes())
    raw[disk.rng.randrange(len(raw))] ^= 1 << disk.rng.randrange(8)
    path.write_bytes(bytes(raw))
    return {"file": str(path.relative_to(disk.log))}


def lost_bundle(disk: Disk) -> Did:
    """A bundle is gone."""
    number = disk.rng.randrange(len(disk.bundles()))
    path = disk.bundles()[number]
    path.unlink()
    return {"index": number * 256, "file": str(path.relative_to(disk.log))}


def forged_checkpoint(disk: Disk) -> Did:
    """Another size or root under the old signature."""
    path = disk.log / "checkpoint"
    lines = path.read_text(encoding="utf-8").split("\n")
    if disk.rng.random() < 0.5:
        lines[1] = str(int(lines[1]) - disk.rng.randrange(1, 200))
    else:
        root = bytearray(b64decode(lines[2]))
        root[disk.rng.randrange(32)] ^= 1
        lines[2] = b64encode(bytes(root)).decode()
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"file": "checkpoint"}


def forged_signature(disk: Disk) -> Did:
    """A checkpoint that somebody else signed, under the operator's name and key id."""
    path = disk.log / "checkpoint"
    text, _, below = path.read_text(encoding="utf-8").partition("\n\n")
    dash, name, encoded = below.rstrip("\n").split("\n")[0].split(" ")
    forger = SigningKey(disk.rng.randbytes(32))
    signature = b64decode(encoded)[:4] + forger.sign(text.encode() + b"\n").signature
    path.write_text(f"{text}\n\n{dash} {name} {b64encode(signature).decode()}\n", encoding="utf-8")
    return {"file": "checkpoint"}


def half_rolled_back(disk: Disk) -> Did:
    """A disk that was put back to an earlier state, but for the checkpoint."""
    kept = disk.bundles()[: disk.rng.randrange(1, len(disk.bundles()))]
    for path in disk.bundles()[len(kept) :]:
        path.unlink()
    return {"index": len(kept) * 256}


# --- the operator, who has the key and builds the log anew


def operator_drops_alert(disk: Disk) -> Did:
    """An alert and whatever is about it is left out; the offsets behind it close up."""
    index = disk.pick(lambda entry: entry["kind"] == "alert")
    entries = disk.records()
    gone = entries[index]
    closed = _without_alert(entries, index)
    disk.rebuild(closed)
    named = next(
        at for at, entry in enumerate(closed) if is_range(entry) and _name(gone) in entry["about"]["alerts_of"]
    )
    return place(closed[named], named) | {"alert": _name(gone)}


def operator_hides_alert(disk: Disk) -> Did:
    """As above, and the range that gave it says nothing of it: right in itself."""
    index = disk.pick(lambda entry: entry["kind"] == "alert")
    entries = disk.records()
    gone = entries[index]
    closed = _without_alert(entries, index)
    _unname(closed, _name(gone))
    disk.rebuild(closed)
    return place(gone, index) | {"alert": _name(gone)}


def operator_edits_verdict(disk: Disk) -> Did:
    """A range counts other findings, and its hash is made to fit."""
    index = disk.pick(is_range_with_alerts)
    entries = disk.records()
    about = entries[index]["about"]
    about["verdicts"] = {}
    entries[index]["sha256"] = sha256(dump(about)).hexdigest()
    disk.rebuild(entries)
    return place(entries[index], index) | {"range": about["first"]}


def operator_edits_alert(disk: Disk) -> Did:
    """An alert's entry has another hash: the alert itself was edited."""
    index = disk.pick(lambda entry: entry["kind"] == "alert")
    entries = disk.records()
    entries[index]["sha256"] = disk.rng.randbytes(32).hex()
    disk.rebuild(entries)
    return place(entries[index], index) | {"alert": _name(entries[index])}


def operator_skips_range(disk: Disk) -> Did:
    """A range that was not judged: its record is left out, and the offsets of records behind it close up."""
    entries = disk.records()
    followed = [
        at
        for at, entry in enumerate(entries)
        if is_range(entry)
        and any(is_range(later) and _place(later) == _place(entry) for later in entries[at + 1 :])
        and not entry["about"]["alerts_of"]
    ]
    index = disk.rng.choice(followed)
    gone = entries.pop(index)
    for entry in entries[index:]:
        if entry["kind"] == "coverage":
            entry["offset"] -= 1
    disk.rebuild(entries)
    about = gone["about"]
    return {"topic": about["topic"], "partition": about["partition"], "offset": about["first"], "last": about["last"]}


def operator_skips_tail(disk: Disk) -> Did:
    """From some point on a partition was not judged: all that workers say of it since is left out, or never was."""
    entries = disk.records()
    begin, (topic, partition) = _half(disk, entries)
    kept = entries[:begin]
    for entry in entries[begin:]:
        if entry["kind"] != "coverage":
            kept.append(entry)
            continue
        about = entry["about"]
        if about["type"] == "holding":
            about["held"][topic] = [place for place in about["held"].get(topic, ()) if place[0] != partition]
        elif about["type"] != "in_force" and _place(entry) == (topic, partition):
            continue
        kept.append(entry)
    disk.rebuild(_closed(kept))
    return {"topic": topic, "partition": partition, "offset": _judged_to(kept, topic, partition)}


def operator_stops_judging(disk: Disk) -> Did:
    """As above, but the worker goes on to say that it holds the partition, and where its log ends."""
    entries = disk.records()
    begin, (topic, partition) = _half(disk, entries)
    kept = entries[:begin] + [
        entry for entry in entries[begin:] if not is_range(entry) or _place(entry) != (topic, partition)
    ]
    following = _judged_to(kept, topic, partition)
    for entry in kept[begin:]:
        if entry["kind"] == "coverage" and entry["about"]["type"] in {"started", "stopped"}:
            if _place(entry) == (topic, partition):
                entry["about"]["offset"] = following
        elif entry["kind"] == "coverage" and entry["about"]["type"] == "holding":
            for place in entry["about"]["held"].get(topic, ()):
                place[1] = following if place[0] == partition else place[1]
    disk.rebuild(_closed(kept))
    return {"topic": topic, "partition": partition, "offset": following}


def operator_calls_it_idle(disk: Disk) -> Did:
    """As above, and the worker says that nothing came any more: right in itself, but for alerts that no range gave."""
    did = operator_stops_judging(disk)
    entries = disk.records()
    for entry in entries:
        if entry["kind"] == "coverage" and entry["about"]["type"] == "holding":
            for place in entry["about"]["held"].get(did["topic"], ()):
                place[2] = min(place[2], did["offset"]) if place[0] == did["partition"] else place[2]
    named = {name for entry in entries if is_range(entry) for name in entry["about"]["alerts_of"]}
    for gone in [entry for entry in entries if entry["kind"] == "alert" and _name(entry) not in named]:
        entries = _without_alert(entries, entries.index(gone))
    disk.rebuild(_closed(entries))
    return did


def operator_invents_alert(disk: Disk) -> Did:
    """An alert about an access that no worker gave is put among the others."""
    index = disk.pick(lambda entry: entry["kind"] == "alert")
    entries = disk.records()
    like = entries[index]
    made = json.loads(dump(like))
    made["about"]["alert_id"] = made["about"]["alert_id"][0] + disk.rng.randbytes(16).hex()[1:]
    made["sha256"] = disk.rng.randbytes(32).hex()
    for entry in entries:
        if entry["kind"] == "receipt" and entry["about"]["partition"] == like.get("partition", 0):
            entry["about"]["offset"] += entry["about"]["offset"] > like.get("offset", 0)
    entries.insert(index + 1, made)
    disk.rebuild(_closed(entries))
    return {"alert": _name(made)}


def operator_disowns_alert(disk: Disk) -> Did:
    """An alert stays, and the range that gave it says nothing of it."""
    index = disk.pick(lambda entry: entry["kind"] == "alert")
    entries = disk.records()
    name = _name(entries[index])
    _unname(entries, name)
    disk.rebuild(entries)
    return place(entries[index], index) | {"alert": name}


def operator_leaves_out(disk: Disk) -> Did:
    """Some record of some topic is not logged."""
    entries = disk.records()
    last = {_where(entry): at for at, entry in enumerate(entries) if entry.get("topic")}
    inner = [
        at for at, entry in enumerate(entries)
        if entry.get("offset", 0) > 0 and at not in last.values() and entry["kind"] != "hole"
    ]  # fmt: skip
    index = disk.rng.choice(inner)
    gone = entries.pop(index)
    disk.rebuild(entries)
    return {name: gone.get(name, 0) for name in ("topic", "partition", "offset")}


def operator_removes_receipt(disk: Disk) -> Did:
    """A receipt is left out, and the offsets behind it close up."""
    entries = disk.records()
    index = _inner_receipt(disk, entries)
    gone = entries.pop(index)
    for entry in entries[index:]:
        if entry["kind"] == "receipt" and entry.get("partition", 0) == gone.get("partition", 0):
            entry["offset"] -= 1
    disk.rebuild(entries)
    about = gone["about"]
    return {"topic": "alerts", "partition": about["partition"], "offset": about["offset"], "alert": about["alert_id"]}


def operator_silences_destination(disk: Disk) -> Did:
    """All receipts of one destination are left out, and the offsets close up: as if there were none."""
    return _silence(disk, disk.records())


def operator_unnames_destination(disk: Disk) -> Did:
    """As above, and no policy in force names it: right in itself."""
    entries = disk.records()
    did = _silence(disk, entries)
    entries = disk.records()
    named = [at for at, entry in enumerate(entries) if _names_destinations(entry)]
    for at in named:
        about = entries[at]["about"]
        about["destinations"].remove(did["destination"])
        entries[at]["sha256"] = sha256(dump(about)).hexdigest()
    disk.rebuild(entries)
    return place(entries[named[0]], named[0])


def operator_reorders(disk: Disk) -> Did:
    """Two neighbours of one partition change places."""
    entries = disk.records()
    pairs = []
    before: dict[tuple[str, int], int] = {}
    for at, entry in enumerate(entries):
        if entry.get("topic"):
            if _where(entry) in before:
                pairs.append((before[_where(entry)], at))
            before[_where(entry)] = at
    one, two = disk.rng.choice(pairs)
    entries[one], entries[two] = entries[two], entries[one]
    disk.rebuild(entries)
    return place(entries[one], one) | {"offset": entries[two].get("offset", 0)}


def operator_rewrites(disk: Disk) -> Did:
    """Another history that is right in itself: a decision that was a refusal was none."""
    index = disk.pick(lambda entry: entry["kind"] == "decision" and entry["about"]["effect"] == "deny")
    entries = disk.records()
    entries[index]["about"]["effect"] = "allow"
    disk.rebuild(entries)
    return place(entries[index], index)


def operator_rolls_back(disk: Disk) -> Did:
    """The whole disk is put back to an earlier state, with the checkpoint of then."""
    size = disk.rng.randrange(disk.size // 2, disk.size - 60)
    disk.rebuild(disk.records()[:size])
    return {"index": size}


def operator_forks(disk: Disk) -> Did:
    """Somebody is shown another log of the same name: the same beginning, another end."""
    entries = disk.records()
    size = disk.rng.randrange(disk.size // 2, disk.size - 60)
    following = [entry for entry in entries[size:] if entry["kind"] != "decision"]
    other = [*entries[:size], *following, *(entry for entry in entries[size:] if entry["kind"] == "decision")]
    disk.rebuild(other)
    return {"index": next(at for at, (one, two) in enumerate(zip(entries, other, strict=True)) if one != two)}


# --- whoever writes the topics


def topic_without_alert(disk: Disk) -> Did:
    """An alert that the log speaks of is gone from the topic."""
    partition, records = _some_partition(disk, "alerts")
    gone = records.pop(disk.rng.randrange(len(records)))
    disk.put_topic("alerts", partition, records)
    return {"topic": "alerts", "partition": partition, "offset": gone["offset"]}


def topic_with_edited_alert(disk: Disk) -> Did:
    """An alert in the topic is milder than it was."""
    partition, records = _some_partition(disk, "alerts")
    record = disk.rng.choice(records)
    value = json.loads(record["value"])
    value["severity"] = "informational"
    record["value"] = dump(value).decode()
    disk.put_topic("alerts", partition, records)
    return {"topic": "alerts", "partition": partition, "offset": record["offset"]}


ATTACKS: dict[str, Callable[[Disk], Did]] = {
    each.__name__: each
    for each in (
        edited_entry, edited_verdict, dropped_alert, removed_receipt, reordered, edited_tile, lost_bundle,
        forged_checkpoint, forged_signature, half_rolled_back,
        operator_drops_alert, operator_hides_alert, operator_edits_verdict, operator_edits_alert, operator_skips_range,
        operator_skips_tail, operator_stops_judging, operator_calls_it_idle, operator_invents_alert,
        operator_disowns_alert, operator_leaves_out, operator_removes_receipt, operator_silences_destination,
        operator_unnames_destination, operator_reorders, operator_rewrites, operator_rolls_back, operator_forks,
        topic_without_alert, topic_with_edited_alert,
    )
}  # fmt: skip


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['about']['alert_id']}|{entry['about']['revision']}"


def _unname(entries: list[dict[str, Any]], name: str) -> None:
    """Let the range that gave an alert say nothing of it; its counts of rules may stay: they need be no fewer."""
    for entry in entries:
        if is_range(entry) and name in entry["about"]["alerts_of"]:
            about = entry["about"]
            about["alerts_of"].remove(name)
            about["alerts"] -= 1
            marks = [
                f"{other}|{each['sha256']}\n"
                for other in about["alerts_of"]
                for each in entries
                if each["kind"] == "alert" and _name(each) == other
            ]
            about["alerts_hash"] = sha256("".join(sorted(marks)).encode()).hexdigest()
            entry["sha256"] = sha256(dump(about)).hexdigest()


def _half(disk: Disk, entries: list[dict[str, Any]]) -> tuple[int, tuple[str, int]]:
    """Some point in the first half behind a quarter, and a partition that is judged before and after it."""
    begin = disk.rng.randrange(len(entries) // 4, len(entries) // 2)
    before = {_place(entry) for entry in entries[:begin] if is_range(entry)}
    return begin, disk.rng.choice(sorted(before & {_place(entry) for entry in entries[begin:] if is_range(entry)}))


def _judged_to(entries: list[dict[str, Any]], topic: str, partition: int) -> int:
    """The first offset that no range holds."""
    return 1 + max(
        int(entry["about"]["last"]) for entry in entries if is_range(entry) and _place(entry) == (topic, partition)
    )


def _closed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Close up the offsets of coverage and alerts, and make the hashes of coverage fit."""
    following: dict[tuple[str, int], int] = {}
    for entry in entries:
        if entry["kind"] in {"coverage", "alert"}:
            offset = following.get(_where(entry), 0)
            following[_where(entry)], entry["offset"] = offset + 1, offset
        if entry["kind"] == "coverage":
            entry["sha256"] = sha256(dump(entry["about"])).hexdigest()
    return entries


def _place(entry: dict[str, Any]) -> tuple[str, int]:
    return entry["about"]["topic"], entry["about"]["partition"]


def _where(entry: dict[str, Any]) -> tuple[str, int]:
    return entry["topic"], entry.get("partition", 0)


def _names_destinations(entry: dict[str, Any]) -> bool:
    return bool(entry["kind"] == "coverage" and entry["about"]["type"] == "in_force")


def _silence(disk: Disk, entries: list[dict[str, Any]]) -> Did:
    """Leave out all receipts of some destination; say of which alert one was."""
    of = disk.rng.choice(sorted({entry["about"]["destination"] for entry in entries if entry["kind"] == "receipt"}))
    gone = [entry for entry in entries if entry["kind"] == "receipt" and entry["about"]["destination"] == of]
    kept = [entry for entry in entries if entry["kind"] != "receipt" or entry["about"]["destination"] != of]
    _close_up(kept, {"receipt"})
    disk.rebuild(kept)
    about = disk.rng.choice(gone)["about"]
    where = {"topic": "alerts", "partition": about["partition"], "offset": about["offset"]}
    return where | {"alert": about["alert_id"], "destination": of}


def _close_up(entries: list[dict[str, Any]], kinds: set[str]) -> None:
    """Number the records of these kinds anew, without a gap."""
    following: dict[tuple[str, int], int] = {}
    for entry in entries:
        if entry["kind"] in kinds:
            offset = following.get(_where(entry), 0)
            following[_where(entry)] = offset + 1
            if offset != entry.get("offset", 0):
                entry["offset"] = offset


def _without_alert(entries: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    """Leave out an alert, its receipts and its actions; offsets close up, and receipts follow."""
    gone = entries[index]
    alert_id, partition = gone["about"]["alert_id"], gone.get("partition", 0)
    kept = [
        entry
        for entry in entries
        if not (entry["kind"] in {"alert", "receipt", "action"} and entry["about"].get("alert_id") == alert_id)
    ]
    _close_up(kept, {"alert", "receipt", "action"})
    for entry in kept:
        if entry["kind"] == "receipt" and entry["about"]["partition"] == partition:
            entry["about"]["offset"] -= entry["about"]["offset"] > gone.get("offset", 0)
    return kept


def _inner_receipt(disk: Disk, entries: list[dict[str, Any]]) -> int:
    """Some receipt that is not of the first or last alert of its partition."""
    spans: dict[int, list[int]] = {}
    for entry in entries:
        if entry["kind"] == "receipt":
            spans.setdefault(entry["about"]["partition"], []).append(entry["about"]["offset"])
    inner = [
        at
        for at, entry in enumerate(entries)
        if entry["kind"] == "receipt"
        and min(spans[entry["about"]["partition"]]) < entry["about"]["offset"] < max(spans[entry["about"]["partition"]])
    ]
    return disk.rng.choice(inner)


def _some_partition(disk: Disk, topic: str) -> tuple[int, list[dict[str, Any]]]:
    partition = disk.rng.choice(sorted(int(path.name.split(".")[0]) for path in (disk.topics / topic).glob("*.gz")))
    return partition, disk.topic(topic, partition)


def main() -> int:
    """Do one thing; say what."""
    parser = argparse.ArgumentParser(description="Tampers with a log and with exported topics.")
    parser.add_argument("attack", choices=sorted(ATTACKS))
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--topics", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--key", default="", help="the operator's private key, 32 bytes in hex")
    parser.add_argument("--name", default="", help="the operator's name")
    given = parser.parse_args()
    disk = Disk(given.log, given.topics, given.seed, bytes.fromhex(given.key) or None, given.name)
    print(json.dumps(ATTACKS[given.attack](disk) | {"attack": given.attack}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
