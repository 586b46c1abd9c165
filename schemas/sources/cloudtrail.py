"""AWS CloudTrail: delivered files (`{"Records": [...]}`), one record a line or a message, plain or gzip.

Identities: `_cloudtrail_identity.py`. Calls: `_cloudtrail_calls.py`. What is decided here:

- `event_id` is `eventID`, else `ct-` and a hash of the record. One record becomes one event for each pair of dataset
  and destination (`_build.py`).
- `destination` is what `accounts` of the policy says of an account, else `aws:<account>`; `public`, `federated:<name>`,
  `canonical:<id>` and `unknown` (an unreadable policy) stand as they are. The record's own account is none.
- `outcome`: `denied` for the codes of `DENIED`, `error` for any other code.
- `source_ip`: an address or nothing; a service's host name means that a service called for somebody.
- `client`: the first 128 characters of the user agent. `session_id`: the id of the access key, which is no secret.
- `record_count`: how many things a call names; of one that asks for whatever matches, how many it may hand out.
- `service_account`: the ARN of the role that was used on an employee's behalf, else the service that called for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from schemas.access import AccessEvent, Action, Outcome
from schemas.errors import BadRecordError
from schemas.fields import TIME_MAX, milliseconds
from schemas.sources._batch import translated
from schemas.sources._build import DENIED, EVENT_ID_MAX, Said, destination, events_of
from schemas.sources._cloudtrail_calls import CALLS, READS, SHELLS, SIGN_INS, Skip
from schemas.sources._cloudtrail_identity import Identity, identify
from schemas.sources._cloudtrail_record import Record, read_record
from schemas.sources._json import record_digest, table, text, texts, whole
from schemas.sources.addresses import read_address
from schemas.sources.base import SourceMapping, Translated
from schemas.sources.matching import Matchers, matchers

WRAPPINGS: Final = ("event", "detail")
"""Fields that hold a record where something stands around it: collections of records (`src`, `path`, `event`), and
EventBridge (`detail-type`, `detail`)."""

_EVENT_TYPES: Final = frozenset({"AwsApiCall", "AwsConsoleAction", ""})
_DATA_STORES: Final = frozenset(
    {"s3", "dynamodb", "rds-data", "s3express", "s3-outposts", "timestream", "kinesis", "qldb"}
)
"""Services whose data events are accesses even where `CALLS` does not know the call yet."""


class CloudTrail:
    """The source of `access.raw.cloudtrail`."""

    name = "cloudtrail"

    def translate(self, raw: bytes | None, mapping: SourceMapping) -> Iterator[Translated]:
        """Return what each record is: events (several may share an index), `bad`, or `skipped` of `SKIPPED`."""
        maps = matchers(mapping)
        return translated(raw, lambda document: _one(document, maps))


def _one(document: dict[str, Any], maps: Matchers) -> list[AccessEvent] | Skip:
    if "eventName" not in document:
        document = next((table(document, name) for name in WRAPPINGS if table(document, name)), document)
    record = read_record(document)
    if not record.name or not text(document, "eventSource"):
        raise BadRecordError("untranslatable", "neither `eventName` nor `eventSource`: no CloudTrail record")
    return accesses_of(record, maps)


def accesses_of(record: Record, maps: Matchers) -> list[AccessEvent] | Skip:
    """Return the accesses that a record reports, or why it reports none.

    Raises:
        BadRecordError: it lacks what an access needs.
    """
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
    page = call.page(record) if call.page else None
    return _build(record, identify(record, maps), call.action, call.targets(record), to, maps, page)


def _unlisted(record: Record, maps: Matchers) -> list[AccessEvent] | Skip:
    """Return what a call that the table does not know is: the data event of a data store counts all the same."""
    if text(record.raw, "eventCategory") != "Data" or record.service not in _DATA_STORES:
        return _uninteresting(record)
    holders = record.resources()
    action: Action = "read" if record.raw.get("readOnly") is True else "write"
    named = record.service != "s3"  # a bucket's ARN has neither region nor account
    targets = [tuple(holders) or (record.arn(record.service, "*", regional=named, owned=named),)]
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
    return list(dict.fromkeys(destination(name, maps) for name in named if name not in own))


def _build(
    record: Record,
    who: Identity,
    action: Action,
    targets: list[tuple[str, ...]],
    to: list[str],
    maps: Matchers,
    page: int | None = None,
) -> list[AccessEvent]:
    raw = record.raw
    address = read_address(text(raw, "sourceIPAddress"))
    invoked_by = text(record.identity, "invokedBy") or (text(raw, "sourceIPAddress") if address.is_service else "")
    said = text(raw, "eventID")
    return events_of(
        Said(
            event_id=said if said and len(said) <= EVENT_ID_MAX else f"ct-{record_digest(raw)}",
            at=_time(raw),
            kind=who.kind,
            person=who.id,
            action=action,
            outcome=_outcome(raw),
            targets=targets,
            to=to,
            source_ip=address.ip,
            size=whole(table(raw, "additionalEventData").get(_SIZE[action])) if action in _SIZE else None,
            session=text(record.identity, "accessKeyId"),
            behind=(who.role or invoked_by) if who.kind == "employee" else "",
            client=text(raw, "userAgent").strip("[]"),
            records=page,
        ),
        maps,
    )


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
    # CloudTrail's times are UTC; what copies its records (Athena, lakes) writes them with a space and no offset.
    at = milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not 0 <= at <= TIME_MAX:
        raise BadRecordError("invalid_value", "`eventTime` is before 1970")
    return at


def _outcome(raw: dict[str, Any]) -> Outcome:
    codes = texts(raw.get("errorCode"))
    if not codes:
        return "success"
    return "denied" if DENIED.search(codes[0]) else "error"
