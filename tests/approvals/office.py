"""A company with approvals: people with their keys, a policy, directories, at one broker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from agents.clients import producer_of, started
from agents.publisher import partition_of
from agents.settings import Settings
from alerts.signatures import Signer
from rules.cases import POLICY
from schemas.approval import Approval
from schemas.codec import encode, row_key
from schemas.directory import Row
from schemas.gateway_topics import GATEWAY_APPROVALS
from schemas.topics import ACCESS_EVENTS
from tests.alerts.test_people import signer
from tests.cli.conftest import Said
from tests.cli.test_brokers import PARTITIONS, Tool
from tests.rules.streams import access, badge, dataset, employee, role

HOUR = 3_600_000

EMPLOYEES = {"anna": "e-1", "ben": "e-2", "cleo": "e-3", "dora": "e-4", "emil": "e-5"}
"""By name in the policy. anna asks, ben and dora approve from Ireland, cleo from India, emil from nowhere known."""

APPROVERS = ("ben", "cleo", "dora", "emil")

SIGNERS = {name: signer(name, at) for at, name in enumerate(EMPLOYEES, 1)}

GATEWAY = """
[gateway]
break_glass = { roles = ["reader"], longest = "1h", review_within = "24h" }
"""


def people_section() -> str:
    """`[people]` of the policy."""
    return "".join(
        f'[people.{name}]\nkey = "{each.public}"\nroles = {["approver"] if name in APPROVERS else []}\n'
        f'employee = "{EMPLOYEES[name]}"\n'
        for name, each in SIGNERS.items()
    )


POLICY_TEXT = POLICY + GATEWAY + people_section()


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def rows(now: int) -> list[Row]:
    """Everybody's employment, place and role as of now."""
    recent: dict[str, Any] = {"valid_from": now - HOUR, "recorded_at": now - HOUR}
    made: list[Row] = [dataset("users", **recent)]
    for name, who in EMPLOYEES.items():
        made += [employee(who, **recent), role(who=who, **recent)]
        if name != "emil":
            made.append(badge("IN" if name in {"anna", "cleo"} else "IE", who, **recent))
    return made


class House:
    """The company at a broker whose topics are there; what its people call on the command line."""

    def __init__(self, tool: Tool, folder: Path) -> None:
        self.tool, self.folder = tool, folder
        self.policy = folder / "policy.toml"
        self.policy.write_text(POLICY_TEXT)
        for name, each in SIGNERS.items():
            path = folder / f"{name}.key"
            seed = msgspec.json.encode({"cloverwatch_key": 1, "name": name, "public": each.public, "seed": _seed(each)})
            path.write_bytes(seed)
            path.chmod(0o600)
        said = tool("topics", "--create")
        assert said.code == 0, said.err
        self.send(*((row.topic, row_key(row), encode(row)) for row in rows(now_ms())))

    @property
    def settings(self) -> Settings:
        given = self.tool.settings
        return Settings(
            broker=given.broker, partitions=PARTITIONS, replication_factor=1, policy=self.policy, identities="clear"
        )

    def __call__(self, step: str, *arguments: str, by: str | None = None) -> Said:
        who = ["--by", by, "--key", str(self.folder / f"{by}.key")] if by else []
        return self.tool("approvals", step, *arguments, *who, policy=self.policy)

    def asked(self, *more: str, by: str = "anna", step: str = "request") -> str:
        """Ask for everything about the users; return the id."""
        said = self(step, "--dataset", "users", "--action", "read", "--reason", "restore after incident", *more, by=by)
        assert said.code == 0, said.err
        return said.out.split(":")[0]

    def listed(self) -> dict[str, dict[str, Any]]:
        """Every approval by id, as the command shows it."""
        said = self("list", "--json", "--all")
        assert said.code == 0, said.err
        return {each["approval"]: each for each in said.records}

    def send(self, *records: tuple[str, bytes, bytes | None], partition: int = 0) -> None:
        """Write records as somebody with a client of their own does."""

        async def put() -> None:
            async with started(self.tool.settings, producer_of(self.tool.settings)) as producer:
                for topic, key, value in records:
                    await producer.send_and_wait(topic, key=key, value=value, partition=partition)

        asyncio.run(put())

    def store(self, approval: Approval) -> None:
        """Write an approval past the commands."""
        self.send((GATEWAY_APPROVALS, approval.approval_id.encode(), msgspec.json.encode(approval)))

    def stored(self) -> list[Approval]:
        """Every approval on the topic, in its order."""
        return [msgspec.json.decode(each.value, type=Approval) for each in self.tool.content(GATEWAY_APPROVALS)]

    def access(self, event_id: str, **fields: Any) -> None:
        """Let anna reach the users now."""
        event = access(event_id=event_id, occurred_at=now_ms(), **fields)
        value = msgspec.json.encode({name: each for name, each in event.items() if each is not None})
        self.send((ACCESS_EVENTS, b"e-1", value), partition=partition_of("e-1", PARTITIONS))


def _seed(each: Signer) -> str:
    from base64 import b64encode

    return b64encode(bytes(each.reveal())).decode()
