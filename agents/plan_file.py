"""The part of the policy file that says who is told, for whoever delivers."""

from __future__ import annotations

from pathlib import Path

from agents.alert_names import alert_names
from agents.policy_watch import read_policy
from agents.watching import wall_clock
from alerts import KINDS
from alerts.plan import Plan
from alerts.reading import read_plan


def read_plan_of(path: Path) -> tuple[bytes, Plan]:
    """Return a policy file's bytes and the plan in them; the rest of the file must be right too.

    Raises:
        ConfigurationError: it cannot be read, or is wrong; names file, line, key, value and what is allowed.
    """
    content, _ = read_policy(path)
    names = alert_names()
    text = content.decode("utf-8")
    plan = read_plan(text, str(path), KINDS, wall_clock(), families=names.families, rule_ids=names.rule_ids)
    return content, plan
