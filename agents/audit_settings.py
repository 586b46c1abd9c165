"""Settings of the audit: where the log is, who signs and cosigns it, and who must agree to a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents.setting_fields import PORT_MAX, setting


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The group `audit_*`, and `policy_auditors`."""

    audit_log: Path | None = setting(
        None,
        "Folder of the audit log, which `cloverwatch audit log` writes.",
        "One process writes it; whoever audits needs nothing but its files and public keys.",
    )
    audit_state: Path | None = setting(
        None,
        "Folder in which the newest signed tree is remembered; else within the log's.",
        "On another disk it tells that the log's was put back to an earlier state.",
    )
    audit_origin: str | None = setting(
        None,
        "Name of the audit log in its checkpoints; else that of its key.",
        "It stays while keys change, and no two logs have the same.",
    )
    audit_continues: Path | None = setting(
        None,
        "Folder of a log that has ended, which a log without entries goes on from.",
        "A year's log begins where that of the year before ends; it is not looked at again.",
    )
    audit_key: Path | None = setting(
        None,
        "File with the private key that signs the audit log, as `cloverwatch audit keys` makes it.",
        "Nobody but its owner may read it (mode 0600).",
    )
    audit_witnesses: Path | None = setting(
        None,
        "File with the witnesses who cosign: a line `VKEY URL` each.",
        "Without a witness the operator could show two histories.",
    )
    audit_witnesses_needed: int = setting(
        1,
        "How many witnesses must cosign a checkpoint before it counts as witnessed.",
        "With several, one that is away holds nothing up.",
        least=0,
    )
    audit_interval_s: float = setting(
        1.0,
        "How often the audit log is appended to and its checkpoint signed; where 5,000 records wait, at once.",
        "Each append flushes a few files to disk; a second of entries costs no more than one.",
        unit="s",
        least=0.01,
    )
    audit_witness_interval_s: float = setting(
        10.0,
        "How often witnesses are asked to cosign the newest checkpoint.",
        "What is cosigned cannot be rewritten unseen: this long is the most that could.",
        unit="s",
        least=0.1,
    )
    audit_port: int = setting(
        9813,
        "Port of metrics and health of `cloverwatch audit log`, at `web_host`.",
        "Another than the worker's, so that both run on one machine; 0 takes a free one.",
        least=0,
        most=PORT_MAX,
    )
    audit_witness_logs: int = setting(
        1_000,
        "Logs that `cloverwatch audit witness` cosigns at most; with more it does not start.",
        "Each has a checkpoint of up to 20 KB and, where it contradicts itself, a hundred more on the witness' disk.",
        least=1,
    )
    audit_witness_body_bytes: int = setting(
        65_536,
        "Bytes of a request to the witness at most; larger ones are answered 413.",
        "63 hashes are 3 KB, a checkpoint with a hundred signatures 20 KB.",
        unit="bytes",
        least=1_024,
        most=1_048_576,
    )
    audit_witness_rate: float = setting(
        5.0,
        "Requests a second to the witness from each address (of IPv6 from each /64), ten seconds' worth at once; then "
        "429.",
        "A log asks every `audit_witness_interval_s`, twice where it does not know what was cosigned last.",
        unit="/s",
        least=0.01,
    )
    audit_witness_rate_all: float = setting(
        100.0,
        "Requests a second to the witness from everybody, ten seconds' worth at once; then 429.",
        "Each verifies signatures and flushes a file to disk before it is answered: some 5 ms.",
        unit="/s",
        least=0.01,
    )
    audit_witness_concurrent: int = setting(
        50,
        "Requests that the witness answers at once; more are told to come again (503).",
        "While its disk is slow each waits in memory with its body.",
        least=1,
    )
    audit_witness_connections: int = setting(
        200,
        "Connections to the witness at once; more are answered 503 and closed.",
        "Logs keep theirs open; each has a descriptor and its buffers.",
        least=1,
    )
    audit_witness_within_s: float = setting(
        5.0,
        "Within which a request to the witness must have arrived; a body that has not is answered 408.",
        "Who sends a byte now and then must not hold connections open for ever.",
        unit="s",
        least=0.1,
    )
    audit_serve_rate: float = setting(
        200.0,
        "Requests a second to `cloverwatch audit serve` from each address (of IPv6 from each /64), ten seconds' worth "
        "at once; then 429.",
        "A mirror of 50,000 entries asks for some 400 files; a larger one takes its time.",
        unit="/s",
        least=0.01,
    )
    audit_serve_rate_all: float = setting(
        1_000.0,
        "Requests a second to `cloverwatch audit serve` from everybody, ten seconds' worth at once; then 429.",
        "About what one core reads and sends.",
        unit="/s",
        least=0.01,
    )
    audit_serve_connections: int = setting(
        200,
        "Connections to `cloverwatch audit serve` at once; more are answered 503 and closed.",
        "Auditors and mirrors are few; each that reads slowly holds a file of up to 16 MB in memory.",
        least=1,
    )
    audit_serve_within_s: float = setting(
        5.0,
        "Within which a request to `cloverwatch audit serve` must have arrived.",
        "Who sends a byte now and then must not hold connections open for ever.",
        unit="s",
        least=0.1,
    )
    audit_serve_answer_within_s: float = setting(
        60.0,
        "Within which an answer of `cloverwatch audit serve` must have been taken; else the connection is closed.",
        "The largest file, 16 MB, at 280 KB a second; who reads slower must not hold it in memory for ever.",
        unit="s",
        least=0.1,
    )
    policy_auditors: Path | None = setting(
        None,
        'File with the auditors\' names and public keys (TOML, `NAME = "key"`): the policy takes force only signed.',
        "Rules and gateways then do not change unseen; a policy that is not signed is refused.",
    )
    policy_auditors_needed: int = setting(
        1, "How many auditors must have signed a policy.", "Two where one alone is not to be trusted.", least=1
    )
