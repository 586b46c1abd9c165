"""AWS CloudTrail: delivered files (`{"Records": [...]}`), one record a line or a message, plain or gzip.

Identities: `_cloudtrail_identity.py`. Calls: `_cloudtrail_calls.py`. What is decided here:

- `event_id` is `eventID`, else `ct-` and a hash of the record. One record becomes one event for each pair of dataset
  and destination: the first keeps the id, a further one adds `#` and 12 hex digits of a hash of dataset and
  destination, so that neither order nor repetition changes ids.
- `destination` is what `accounts` of the policy says of an account, else `aws:<account>`; `public`, `federated:<name>`,
  `canonical:<id>` and `unknown` (an unreadable policy) stand as they are. The record's own account is none.
- `outcome`: `denied` for the codes of `DENIED`, `error` for any other code.
- `source_ip`: an address or nothing; a service's host name means that a service called for somebody.
- `client`: the first 128 characters of the user agent. `session_id`: the id of the access key, which is no secret.
- `service_account`: the ARN of the role that was used on an employee's behalf, else the service that called for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET

from schemas.access import AccessEvent, Action, Outcome
from schemas.errors import BadRecordError
from schemas.fields import ID_MAX, TIME_MAX, milliseconds
from schemas.sources._cloudtrail_calls import CALLS, READS, SHELLS, SIGN_INS, Skip
from schemas.sources._cloudtrail_identity import Identity, identify
from schemas.sources._cloudtrail_record import Record, read_record
from schemas.sources._json import bounded, digest, record_digest, refuse_unsound, table, text, texts, whole
from schemas.sources.addresses import read_address
from schemas.sources.base import SourceMapping, Translated
from schemas.sources.documents import documents
from schemas.sources.expand import expand
from schemas.sources.matching import Matchers, matchers

CLIENT_MAX: Final = 128
"""Characters of a user agent that are kept: the tool and its version stand at its beginning."""

MAX_EVENTS: Final = 1000
"""Events of one record: the accounts that a snapshot may be shared with at once. More is no call of AWS."""

MAX_BAD: Final = 1000
"""Bad records of one message that are told apart. With more of them it is no log of this system, and the last one
stands for the rest, whose bytes are the message's."""

DENIED: Final = re.compile(
    r"access\s?denied|unauthorized|not\s?authorized|forbidden|accessdeniedexception|accountaccessdenied", re.IGNORECASE
)
"""Codes of a refusal: `AccessDenied`, `Client.UnauthorizedOperation`, `AccessDeniedException` and their kin."""

_EVENT_TYPES: Final = frozenset({"AwsApiCall", "AwsConsoleAction", ""})
_DATA_STORES: Final = frozenset(
    {"s3", "dynamodb", "rds-data", "s3express", "s3-outposts", "timestream", "kinesis", "qldb"}
)
"""Services whose data events are accesses even where `CALLS` does not know the call yet."""


class CloudTrail:
    """The source of `access.raw.cloudtrail`."""

    name = "cloudtrail"

    def translate(self, raw: bytes | None, mapping: SourceMapping) -> Iterator[Translated]:
        """Yield what each record is: events (several may share an index), `bad`, or `skipped` of `SKIPPED`."""
        maps = matchers(mapping)
        try:
            data = expand(raw)
        except BadRecordError as error:
            yield Translated(index=0, bad=error)
            return
        bad = 0
        for index, document in enumerate(documents(data)):
            try:
                found = self._one(document, maps)
            except BadRecordError as error:
                yield Translated(index=index, bad=error)
                bad += 1
                if bad >= MAX_BAD:
                    return
                continue
            if isinstance(found, str):
                yield Translated(index=index, skipped=found)
            else:
                for event in found:
                    yield Translated(index=index, event=event)

    def _one(self, document: Any, maps: Matchers) -> list[AccessEvent] | Skip:
        if isinstance(document, BadRecordError):
            raise document
        if not isinstance(document, dict):
            raise BadRecordError("wrong_type", "a record is no object")
        if "eventName" not in document and isinstance(document.get("event"), dict):
            document = document["event"]  # the shared data sets wrap a record in {src, path, event}
        record = read_record(document)
        if not record.name or not text(document, "eventSource"):
            raise BadRecordError("untranslatable", "neither `eventName` nor `eventSource`: no CloudTrail record")
        return _events(record, maps)


def _events(record: Record, maps: Matchers) -> list[AccessEvent] | Skip:
    kind = text(record.raw, "eventType")
    if kind == "AwsServiceEvent":
        return "service_event"
    if kind == "AwsConsoleSignIn":
        return "sign_in"
    if kind not in _EVENT_TYPES:
        return "other_event"
    call = CALLS.get((record.service, record.name))
    if call is None or (call.when is not None and not call.when(record)):
        return _unlisted(record, maps) if call is None else _uninteresting(record)
    to = _destinations(record, call.to(record) if call.to else [], maps)
    if call.only_outside and not to:
        return "service_call" if record.service == "sts" and _by_service(record) else _uninteresting(record)
    return _build(record, identify(record, maps), call.action, call.targets(record), to, maps)


def _unlisted(record: Record, maps: Matchers) -> list[AccessEvent] | Skip:
    """Return what a call that the table does not know is: the data event of a data store counts all the same."""
    if text(record.raw, "eventCategory") != "Data" or record.service not in _DATA_STORES:
        return _uninteresting(record)
    holders = record.resources()
    action: Action = "read" if record.raw.get("readOnly") is True else "write"
    targets = [tuple(holders) or (record.arn(record.service, "*"),)]
    return _build(record, identify(record, maps), action, targets, [], maps)


def _uninteresting(record: Record) -> Skip:
    if record.service in SIGN_INS:
        return "sign_in" if not record.name.startswith(READS) else "metadata_read"
    if (record.service, record.name) in SHELLS:
        return "remote_shell"
    if record.raw.get("readOnly") is True or record.name.startswith(READS):
        return "metadata_read"
    return "control_call"


def _by_service(record: Record) -> bool:
    return text(record.identity, "type") == "AWSService" or bool(text(record.identity, "invokedBy"))


def _destinations(record: Record, named: list[str], maps: Matchers) -> list[str]:
    own = {record.account, text(record.identity, "accountId")}
    if record.service == "sts":
        own = {record.account}
    found = []
    for name in named:
        if name in own:
            continue
        found.append(maps.accounts.find(name) or (f"aws:{name}" if name.isdigit() else name))
    return list(dict.fromkeys(bounded(name) for name in found))


def _build(
    record: Record,
    who: Identity,
    action: Action,
    targets: list[tuple[str, ...]],
    to: list[str],
    maps: Matchers,
) -> list[AccessEvent]:
    raw = record.raw
    at = _time(raw)
    address = read_address(text(raw, "sourceIPAddress"))
    agent = text(raw, "userAgent").strip("[]")[:CLIENT_MAX]
    key = text(record.identity, "accessKeyId")
    invoked_by = text(record.identity, "invokedBy") or (text(raw, "sourceIPAddress") if address.is_service else "")
    behind = (who.role or invoked_by) if who.kind == "employee" else ""
    said = text(raw, "eventID")
    event_id = said if said and len(said) <= ID_MAX // 2 else f"ct-{record_digest(raw)}"
    size = whole(table(raw, "additionalEventData").get(_SIZE[action])) if action in _SIZE else None
    datasets: dict[str, int] = {}
    for candidates in targets:
        dataset = next(filter(None, map(maps.datasets.find, candidates)), candidates[-1])
        datasets[bounded(dataset)] = datasets.get(bounded(dataset), 0) + 1
    pairs = [(dataset, place) for dataset in datasets for place in to or [""]]
    if len(pairs) > MAX_EVENTS:
        raise BadRecordError("too_large", f"more than {MAX_EVENTS} datasets and destinations in one record")
    person = bounded(who.id)
    refuse_unsound(event_id, person, agent, key, behind, *datasets, *to)
    return [
        AccessEvent(
            event_id=event_id if at_pair == 0 else f"{event_id}#{_pair_digest(dataset, place)}",
            occurred_at=at,
            employee_id=person if who.kind == "employee" else UNSET,
            principal_type=UNSET if who.kind == "employee" else who.kind,
            principal_id=UNSET if who.kind == "employee" else person,
            dataset_id=dataset,
            action=action,
            outcome=_outcome(raw),
            source_ip=address.ip or UNSET,
            record_count=datasets[dataset] if datasets[dataset] > 1 else UNSET,
            bytes=UNSET if size is None else size,
            destination=place or UNSET,
            session_id=bounded(key) if key else UNSET,
            service_account=bounded(behind) if behind else UNSET,
            client=agent or UNSET,
        )
        for at_pair, (dataset, place) in enumerate(pairs)
    ]


def _pair_digest(dataset: str, place: str) -> str:
    return digest(f"{dataset}\n{place}")[:12]


_SIZE: Final[dict[Action, str]] = {
    "read": "bytesTransferredOut",
    "list": "bytesTransferredOut",
    "query": "bytesTransferredOut",
    "write": "bytesTransferredIn",
}


def _time(raw: dict[str, Any]) -> int:
    said = text(raw, "eventTime") or text(raw, "@timestamp")
    if not said:
        raise BadRecordError("untranslatable", "neither `eventTime` nor `@timestamp`")
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise BadRecordError("invalid_value", "`eventTime` is no time") from None
    if moment.tzinfo is None:
        raise BadRecordError("invalid_value", "`eventTime` has no offset")
    at = milliseconds(moment)
    if not 0 <= at <= TIME_MAX:
        raise BadRecordError("invalid_value", "`eventTime` is before 1970")
    return at


def _outcome(raw: dict[str, Any]) -> Outcome:
    codes = texts(raw.get("errorCode"))
    if not codes:
        return "success"
    return "denied" if DENIED.search(codes[0]) else "error"
