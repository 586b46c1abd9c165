"""Whether all that topics held was judged: their ends, as an export has them, against those of what workers judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.audit.verifying.exported import Manifest, Reached
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.judgement import Judgement
from schemas.fields import iso
from schemas.topics import ACCESS_EVENTS, RAW_TOPICS

JUDGED: Final = (ACCESS_EVENTS, *RAW_TOPICS)
"""Topics of accesses: all that is in them is to be judged."""


def name_unjudged(
    judged: Mapping[tuple[str, int], Judgement], manifest: Manifest, settled: int, findings: Findings
) -> int:
    """Name what a topic held before `settled` (milliseconds) and no range holds; return how many ends were compared."""
    compared = 0
    for (topic, partition), of in sorted(judged.items()):
        if topic not in JUDGED:
            continue
        reached = list(manifest.judged.get(topic, {}).get(str(partition), ()))
        span = manifest.topics.get(topic, {}).get(str(partition))
        if span is not None:
            reached.append(Reached(manifest.at, span.following))
        old = [each for each in reached if each.at <= settled]
        compared += bool(old)
        last = max(old, key=lambda each: each.offset, default=None)
        if last is not None and last.offset > of.following:
            findings.add(
                "not_covered",
                f"the topic held offsets {of.following} to {last.offset - 1} by {iso(last.at)}, and no range holds "
                "them: they were not judged, or what was said of them was left out",
                topic=topic, partition=partition, offset=of.following,
            )  # fmt: skip
    return compared
