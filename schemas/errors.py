"""The errors of the house: one base, one class a domain, each saying where and what to do."""

from __future__ import annotations


class CloverwatchError(Exception):
    """Base of every error that cloverwatch raises on purpose."""


class BadRecordError(CloverwatchError):
    """One record of the input cannot be used: it is dead-lettered with `reason` and the stream goes on.

    `reason` is one of `REASONS` (bounded: it is a metric label); `detail` is for a person and never quotes values
    of the record, which may be personal data.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ConfigurationError(CloverwatchError):
    """Settings, policy, topics or files are not usable: exit 2. Names the key, the value and what is allowed."""


class ReferenceUnavailableError(CloverwatchError):
    """Something that is needed is not there yet (broker, topic, table): wait or exit 1 after a bounded time."""


class InvariantError(CloverwatchError):
    """Something happened that cannot: the process exits with 1 and the restart reads again from the commit."""


REASONS: dict[str, str] = {
    "null_value": "a message without a value on a topic that has no tombstones",
    "too_large": "longer than the contract allows, or expanding beyond the bound",
    "not_utf8": "bytes that are not UTF-8",
    "not_json": "not a JSON document",
    "nested_too_deep": "nested deeper than any record is",
    "duplicate_key": "the same key twice in one object: two readers may see two different records",
    "nul_byte": "a NUL character in a string",
    "missing_field": "a required field is absent",
    "wrong_type": "a field of another type than the contract says, or out of its range",
    "invalid_value": "a field of the right type whose value means nothing (a country that is none)",
    "contradiction": "fields that exclude each other (`valid_until` before `valid_from`)",
    "bad_key": "a message key from which the row that a tombstone withdraws cannot be told",
    "not_compressed_right": "a compressed message that does not expand",
    "not_allowed": "a signed step that its signer did not or may not take, or that does not fit what came before it",
    "misdated_old_form": "an approval in one record, of before each step had its own: too little bears it out",
    "untranslatable": "a record of another system that lacks what an access needs",
}
"""Every reason for a dead letter, with what it means. The set is closed: it bounds a metric label."""
