"""OCSF 1.x: Datastore Activity (6005) and API Activity (6003), one record, an array, or one a line, plain or gzip.

Identities: `_ocsf_identity.py`. What is decided here:

- A record that reports a call of an AWS service is read as CloudTrail (`_ocsf_cloudtrail.py`); a 6005 that CloudTrail's
  table does not know is an access all the same, because whoever wrote it says so.
- Of others, every 6005 is an access but for a mere connection, and every 6003 that names a resource: which of an
  unknown product's resources hold data is for the policy's `datasets` to say, and what it does not say is judged as an
  unknown dataset, never passed over.
- Datasets: the `uid` of a bucket, table, database or resource where it is an ARN, else `bucket:<name>`,
  `table:<database>.<table>`, `database:<name>`, `<resource type>:<name>`; a file of a bucket is asked for first.
- `destination`: of an export or a grant, the account, host, name or address of `dst_endpoint` as `accounts` calls it,
  else the country of its location. Of any other activity `dst_endpoint` only hosts the data.
- `device_country`: of `device.location`. That of `src_endpoint` is somebody's table of addresses; ours is asked.
- `outcome`: `status_id`; a failure is `denied` where a control, the HTTP code or the error's code says so.
- `event_id`: `metadata.uid`, else `ocsf-` and a hash of the record. `session_id`: the session's, else the credential's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Literal

from schemas.access import AccessEvent, Action, Outcome
from schemas.countries import normalise
from schemas.errors import BadRecordError
from schemas.fields import TIME_MAX, milliseconds
from schemas.sources import _cloudtrail_calls as calls
from schemas.sources._batch import translated
from schemas.sources._build import DENIED, EVENT_ID_MAX, Said, destination, events_of
from schemas.sources._cloudtrail_record import read_record
from schemas.sources._json import record_digest, table, tables, text, whole
from schemas.sources._ocsf_cloudtrail import is_cloudtrail, put_together
from schemas.sources._ocsf_identity import actor_of
from schemas.sources.addresses import read_address
from schemas.sources.base import SourceMapping, Translated
from schemas.sources.cloudtrail import accesses_of
from schemas.sources.matching import Matchers, matchers

DATASTORE: Final = 6005
API: Final = 6003

Skip = Literal["other_class", "connection", "no_resource"] | calls.Skip

SKIPPED: Final[dict[str, str]] = {
    "other_class": "a class of OCSF that reports no access to data",
    "connection": "a connection to a datastore: what is done over it is judged",
    "no_resource": "an API call that names no resource",
    **{str(word): says for word, says in calls.SKIPPED.items()},
}
"""Why a record is no data access: the closed list, with what each word means."""

_DATASTORE_ACTIONS: Final[dict[int, Action]] = {
    1: "read", 2: "update", 4: "query", 5: "write", 6: "create", 7: "delete", 8: "list", 9: "update", 10: "decrypt",
}  # fmt: skip
"""By `activity_id`. 9 is Encrypt, which rewrites what was there."""

_CONNECT: Final = 3
_API_ACTIONS: Final[dict[int, Action]] = {1: "create", 2: "read", 3: "update", 4: "delete"}

_WORDS: Final[dict[str, Action]] = {
    "export": "export", "unload": "export", "copy": "export", "share": "grant", "grant": "grant", "list": "list",
    "query": "query", "select": "query", "write": "write", "put": "write", "create": "create", "update": "update",
    "delete": "delete", "decrypt": "decrypt", "read": "read", "get": "read",
}  # fmt: skip
"""How the name of an activity that OCSF does not number begins; what begins otherwise counts as a read."""

_FAILURE: Final = 2
_DENIED_BY_CONTROL: Final = 2
_REFUSED: Final = frozenset({401, 403})


class Ocsf:
    """The source of `access.raw.ocsf`."""

    name = "ocsf"

    def translate(self, raw: bytes | None, mapping: SourceMapping) -> Iterator[Translated]:
        """Return what each record is: events (several may share an index), `bad`, or `skipped` of `SKIPPED`."""
        maps = matchers(mapping)
        return translated(raw, lambda record: _one(record, maps))


def _one(record: dict[str, Any], maps: Matchers) -> list[AccessEvent] | Skip:
    kind, activity = _class(record)
    if kind not in {DATASTORE, API}:
        return "other_class"
    at = _time(record)
    if is_cloudtrail(record):
        found = accesses_of(read_record(put_together(record, at)), maps)
        if kind == API or not isinstance(found, str):
            return found
    if kind == DATASTORE and activity == _CONNECT:
        return "connection"
    targets = _datastores(record) if kind == DATASTORE else _resources(record)
    if not targets:
        if kind == API:
            return "no_resource"
        raise BadRecordError("untranslatable", "none of `database`, `databucket` and `table` has a name")
    action = (_DATASTORE_ACTIONS if kind == DATASTORE else _API_ACTIONS).get(activity) or _by_name(record)
    who = actor_of(record, maps)
    actor, source, metadata = table(record, "actor"), table(record, "src_endpoint"), table(record, "metadata")
    said = text(metadata, "uid")
    session = text(table(actor, "session"), "uid", "credential_uid") or text(table(actor, "user"), "credential_uid")
    said_by = text(table(record, "http_request"), "user_agent") or text(actor, "app_name")
    return events_of(
        Said(
            event_id=said if said and len(said) <= EVENT_ID_MAX else f"ocsf-{record_digest(record)}",
            at=at,
            kind=who.kind,
            person=who.id,
            action=action,
            outcome=_outcome(record),
            targets=targets,
            to=_destinations(record, maps) if action in {"export", "grant"} else [],
            source_ip=read_address(text(source, "ip")).ip,
            size=whole(table(record, "query_info").get("bytes")) if action in {"read", "query", "list"} else None,
            session=session,
            behind=who.behind,
            client=said_by,
            device_country=_country(table(record, "device", "location")),
        ),
        maps,
    )


def _class(record: dict[str, Any]) -> tuple[int, int]:
    """Return class and activity; `type_uid` says both where they are left out."""
    kind, activity, both = (whole(record.get(name)) for name in ("class_uid", "activity_id", "type_uid"))
    if kind is None and both is None:
        raise BadRecordError("untranslatable", "neither `class_uid` nor `type_uid`: no OCSF record")
    kind = kind if kind is not None else (both or 0) // 100
    return kind, activity if activity is not None else (both or 0) % 100


def _time(record: dict[str, Any]) -> int:
    said = record.get("time")
    if said is None:
        written = text(record, "time_dt")
        if not written:
            raise BadRecordError("untranslatable", "neither `time` nor `time_dt`")
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise BadRecordError("invalid_value", "`time_dt` is no time") from None
        if moment.tzinfo is None:
            raise BadRecordError("invalid_value", "`time_dt` has no offset")
        said = milliseconds(moment)
    at = whole(said)
    if at is None:
        raise BadRecordError("wrong_type", "`time` is no whole number of milliseconds")
    if at > TIME_MAX:
        raise BadRecordError("invalid_value", "`time` is after 9999: milliseconds are asked for")
    return at


def _named(kind: str, thing: dict[str, Any], within: str = "") -> str:
    uid, name = text(thing, "uid"), text(thing, "name")
    if uid.startswith("arn:") or not (name or uid):
        return uid
    return f"{kind}:{within}{name or uid}"


def _datastores(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """The bucket and its file, the table and its database, or the database."""
    bucket, rows, base = (table(record, name) for name in ("databucket", "table", "database"))
    found: list[tuple[str, ...]] = []
    if holder := _named("bucket", bucket):
        file = text(table(bucket, "file"), "path", "name").lstrip("/")
        found.append((f"{holder}/{file}", holder) if file else (holder,))
    within = text(base, "name")
    if table_name := _named("table", rows, f"{within}." if within else ""):
        found.append((table_name,))
    elif base_name := _named("database", base):
        found.append((base_name,))
    return found


def _resources(record: dict[str, Any]) -> list[tuple[str, ...]]:
    names = (_named(text(each, "type") or "resource", each) for each in tables(record, "resources"))
    return [(name,) for name in names if name]


def _by_name(record: dict[str, Any]) -> Action:
    said = (text(record, "activity_name") or text(table(record, "api"), "operation")).lower()
    return next((action for word, action in _WORDS.items() if said.startswith(word)), "read")


def _destinations(record: dict[str, Any], maps: Matchers) -> list[str]:
    to = table(record, "dst_endpoint")
    owner = text(table(to, "owner", "account"), "uid")
    names = [name for name in (owner, *(text(to, each) for each in ("uid", "hostname", "name", "ip"))) if name]
    if found := maps.accounts.find(*names):
        return [found]
    if country := _country(table(to, "location")):
        return [country]
    return [destination(names[0], maps)] if names else []


def _country(location: dict[str, Any]) -> str:
    said = text(location, "country")
    try:
        return normalise(said) if said else ""
    except ValueError:
        return ""


def _outcome(record: dict[str, Any]) -> Outcome:
    response, control = table(record, "api", "response"), record.get("action_id")
    code = whole(table(record, "http_response").get("code")) or whole(response.get("code"))
    said = [text(response, "error", "error_message"), text(record, "status_code"), text(record, "status_detail")]
    if control == _DENIED_BY_CONTROL:
        return "denied"
    if record.get("status_id") != _FAILURE and text(record, "status").lower() != "failure":
        return "success"
    refused = code in _REFUSED or any(DENIED.search(each) for each in said)
    return "denied" if refused else "error"
