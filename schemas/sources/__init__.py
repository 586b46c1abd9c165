"""Sources: what other systems write, translated to `AccessEvent`. One file a source, registered here."""

from __future__ import annotations

from typing import Final

from schemas.sources.base import Source
from schemas.sources.cloudtrail import CloudTrail
from schemas.sources.native import Native
from schemas.sources.ocsf import Ocsf

SOURCES: Final[dict[str, Source]] = {source.name: source for source in (Native(), CloudTrail(), Ocsf())}
"""By name, every source that there is."""
