"""Every topic of other systems has its source, and every word that a source may say is explained."""

from __future__ import annotations

from typing import get_args

from schemas.sources import SOURCES, cloudtrail, ocsf
from schemas.sources._cloudtrail_calls import SKIPPED, Skip
from schemas.sources.base import SourceMapping
from schemas.topics import RAW_TOPICS


def test_each_topic_of_another_system_has_a_source_of_its_name() -> None:
    assert set(SOURCES) == {"native", *(topic.rpartition(".")[2] for topic in RAW_TOPICS)}
    assert all(source.name == name for name, source in SOURCES.items())


def test_every_reason_to_skip_a_record_says_what_it_means() -> None:
    assert set(get_args(Skip)) == set(SKIPPED)
    assert {word for part in get_args(ocsf.Skip) for word in (get_args(part) or (part,))} == set(ocsf.SKIPPED)
    assert all(SKIPPED.values())
    assert all(ocsf.SKIPPED.values())


def test_nothing_is_read_before_the_first_record_is_asked_for() -> None:
    """A message is translated as it is taken: what is not taken costs nothing."""
    for source in (cloudtrail.CloudTrail(), ocsf.Ocsf()):
        assert next(source.translate(b"[7, 8", SourceMapping())).bad is not None
