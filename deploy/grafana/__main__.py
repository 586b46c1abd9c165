"""Writes the dashboards: `make dashboards`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.cross_border import CROSS_BORDER
from deploy.grafana.delivery import DELIVERY
from deploy.grafana.detection import DETECTION
from deploy.grafana.gateway import GATEWAY
from deploy.grafana.overview import OVERVIEW
from deploy.grafana.parts import Sheet, made
from deploy.grafana.pipeline import PIPELINE

FOLDER: Final = Path(__file__).with_name("dashboards")
SHEETS: Final = (OVERVIEW, CROSS_BORDER, DETECTION, PIPELINE, DELIVERY, GATEWAY)


def text(sheet: Sheet) -> str:
    """Return a dashboard as it is committed."""
    return json.dumps(made(sheet), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def files() -> dict[str, str]:
    """Return every file's name with its text."""
    return {f"{sheet.uid.removeprefix('cloverwatch-')}.json": text(sheet) for sheet in SHEETS}


def main() -> None:
    """Write them; what is no dashboard of ours any more goes."""
    FOLDER.mkdir(exist_ok=True)
    wanted = files()
    for old in FOLDER.glob("*.json"):
        if old.name not in wanted:
            old.unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        print(f"{FOLDER.name}/{name}")


if __name__ == "__main__":
    main()
