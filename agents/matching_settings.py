"""Settings of `cloverwatch match`."""

from __future__ import annotations

from dataclasses import dataclass

from agents.setting_fields import PORT_MAX, setting


@dataclass(frozen=True, kw_only=True)
class MatchingSettings:
    """What matching needs beside the rest."""

    match_port: int = setting(
        9812,
        "Port of metrics and health of `cloverwatch match`, at `web_host`.",
        "Another than the worker's, so that both run on one machine; 0 takes a free one.",
        least=0,
        most=PORT_MAX,
    )
