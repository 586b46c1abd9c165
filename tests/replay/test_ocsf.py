"""The real records, sent as OCSF, give the alerts that they give as CloudTrail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.replay.slice import SETS, alerts_of, found, records, replayed, session
from tests.schemas.sources.test_ocsf import as_ocsf


@pytest.mark.parametrize("name", SETS[1:])  # the largest is compared access by access, beside the source
def test_the_same_records_as_ocsf_give_the_same_alerts(name: str, tmp_path: Path) -> None:
    path = tmp_path / "lake.jsonl"
    path.write_text("\n".join(json.dumps(as_ocsf(record)) for record in records(name)))
    lake, reading, _ = replayed(path, session(), "ocsf")
    trail = alerts_of(name)
    assert not reading.bad
    assert found(lake) == found(trail)
    assert [alert.alert_id for alert in lake] == [alert.alert_id for alert in trail]
