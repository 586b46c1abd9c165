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
    policy_auditors: Path | None = setting(
        None,
        'File with the auditors\' names and public keys (TOML, `NAME = "key"`): the policy takes force only signed.',
        "Rules and gateways then do not change unseen; a policy that is not signed is refused.",
    )
    policy_auditors_needed: int = setting(
        1, "How many auditors must have signed a policy.", "Two where one alone is not to be trusted.", least=1
    )
