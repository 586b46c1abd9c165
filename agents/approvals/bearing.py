"""What of a policy approvals rest on: where that stays, nothing is verified anew."""

from __future__ import annotations

import json
import tomllib
from typing import Final

NO_MATTER: Final = frozenset(
    {
        "rules",
        "severity",
        "exemptions",
        "thresholds",
        "behaviour",
        "sources",
        "purposes",
        "destinations",
        "routes",
        "silences",
    }
)
"""Sections that say nothing of who may approve, from where, or for how long. Verifying an approval costs some 300 µs,
and while all of them are verified a gateway knows them less and less freshly: a threshold must not make it deny."""


def bearing(content: bytes) -> str:
    """Return what of a policy file bears upon approvals, in one form."""
    sections = tomllib.loads(content.decode("utf-8"))
    return json.dumps(
        {name: each for name, each in sections.items() if name not in NO_MATTER}, default=str, sort_keys=True
    )
