"""The registry that the metrics of a process stand in, with what each process says of itself."""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector


def registry_of(version: str) -> CollectorRegistry:
    """Return a registry with the process's own metrics and the version of the program."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    labels = ["version", "python"]
    build = Gauge("cloverwatch_build_info", "Version of the program; always 1.", labels, registry=registry)
    build.labels(version, platform.python_version()).set(1)
    return registry
