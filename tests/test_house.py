"""The rules of the house that a machine can keep: who imports whom, what is registered, what is written nowhere."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from agents.reference_docs import settings_markdown
from agents.settings import PREFIX, Settings
from rules.catalogue import RULES

ROOT = Path(__file__).resolve().parent.parent
OURS = ("schemas", "rules", "alerts", "agents", "demo", "benchmarks")
"""The packages of the distribution; `alerts` and others come with their own issues."""

LINES_MAX = 300
"""Lines of a module: what a reader keeps in mind."""

LONGER: dict[str, tuple[int, str]] = {
    "demo/incidents.py": (380, "one function an incident, side by side"),
    "schemas/countries.py": (310, "a table"),
    "rules/networks.py": (370, "one algorithm with its kinds"),
    "agents/worker.py": (380, "the composition root"),
    "rules/policy.py": (415, "the types of the file and its reading"),
    "agents/delivering/runner.py": (325, "one destination's whole way, in the order in which it is gone"),
    "rules/session.py": (420, "the hot path"),
    "deploy/grafana/gateway.py": (370, "one dashboard, its panels side by side"),
}
"""Modules that are longer, how long they may be, and why. They may shrink."""


@cache
def modules(package: str) -> tuple[Path, ...]:
    """The modules of a package, those of a folder that is not there yet being none."""
    return tuple(sorted((ROOT / package).rglob("*.py")))


@cache
def imported(path: Path) -> tuple[str, ...]:
    """All that a module imports, by full name."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    """Whatever a module imports, anywhere in it, by its full name; also what is imported for types alone."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in {"import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def reaching(paths: tuple[Path, ...], *forbidden: str) -> list[str]:
    """A sentence for each import of something that is not to be imported there."""
    return sorted(
        {
            f"{path.relative_to(ROOT)} imports {name}"
            for path in paths
            for name in imported(path)
            if any(name == each or name.startswith(each + ".") for each in forbidden)
        }
    )


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("schemas", ("rules", "alerts", "agents", "demo", "benchmarks", "tests")),
        ("rules", ("alerts", "agents", "demo", "benchmarks", "tests")),
        ("alerts", ("rules", "agents", "demo", "benchmarks", "tests")),
        ("agents", ("benchmarks", "tests")),
        ("demo", ("benchmarks", "tests")),
    ],
)
def test_arrows_point_one_way(package: str, forbidden: tuple[str, ...]) -> None:
    assert reaching(modules(package), *forbidden) == []


def test_the_worker_does_not_need_the_demo() -> None:
    """But for the command that starts it, which imports it when it runs."""
    paths = tuple(path for path in modules("agents") if path != ROOT / "agents/cli/demo.py")
    assert reaching(paths, "demo") == []


STREAMING = ("faust", "mode", "aiokafka", "kafka")
KNOWS_KAFKA = {ROOT / f"demo/{name}.py" for name in ("run", "store", "enclave")}
"""What starts a real worker and fills its topics needs a client, beside agents, benchmarks and tests."""


def test_only_agents_know_faust_and_kafka() -> None:
    paths = tuple(
        path
        for package in ("schemas", "rules", "alerts", "demo")
        for path in modules(package)
        if path not in KNOWS_KAFKA
    )
    assert reaching(paths, *STREAMING) == []


@pytest.mark.parametrize("package", ["schemas", "rules"])
def test_what_is_pure_reads_no_clock_socket_or_environment(package: str) -> None:
    impure = ("time", "socket", "asyncio", "random", "os", "subprocess", "threading", "logging", "aiohttp", "requests")
    assert reaching(modules(package), *impure) == []
    calls = re.compile(r"\b(datetime\.now|datetime\.utcnow|date\.today|time\.time|open|print)\(")
    found = [
        f"{path.relative_to(ROOT)}: {hit}"
        for path in modules(package)
        for hit in calls.findall(path.read_text(encoding="utf-8"))
    ]
    assert found == []


GENERATORS = (
    "organisation",
    "accesses",
    "life",
    "incidents",
    "conduct",
    "look_alikes",
    "files",
    "registers",
    "planting",
    "gateways",
)
"""Of the demo and of the evaluation; the others are imported by these."""


@pytest.mark.parametrize("name", GENERATORS)
def test_the_generator_of_the_demo_knows_nothing_of_what_judges_it(name: str) -> None:
    """Nor does anything of ours that it imports: it cannot plant what the rules happen to find."""
    todo, seen = [ROOT / f"demo/{name}.py"], set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        assert reaching((path,), "rules", "agents", "alerts") == []
        todo += [
            found
            for each in imported(path)
            if each.split(".")[0] in OURS and (found := (ROOT / each.replace(".", "/")).with_suffix(".py")).is_file()
        ]


def test_every_file_of_the_catalogue_is_a_rule_that_is_registered() -> None:
    files = {path.stem for path in modules("rules/catalogue") if path.stem != "__init__"}
    registered = [rule.check.__module__.rsplit(".", 1)[1] for rule in RULES]
    assert sorted(registered) == sorted(files)
    for rule in RULES:
        words = set(re.split(r"[._]", rule.id))
        assert words & set(rule.check.__module__.rsplit(".", 1)[1].split("_")), f"{rule.id} is in a file of that name"


def test_every_setting_is_in_the_reference() -> None:
    text = settings_markdown()
    for field in dataclasses.fields(Settings):
        assert f"| `{field.name}` | `{PREFIX}{field.name.upper()}` |" in text
        assert field.metadata["help"] in text
        assert field.metadata["help"].endswith(".")
        assert field.metadata["why"]


def test_no_module_is_longer_than_a_reader_keeps_in_mind() -> None:
    for package in (*OURS, "deploy"):
        for path in modules(package):
            name = str(path.relative_to(ROOT))
            lines = len(path.read_text(encoding="utf-8").splitlines())
            most, _ = LONGER.get(name, (LINES_MAX, ""))
            assert lines <= most, f"{name} has {lines} lines: split it by what it is about"
    assert all((ROOT / name).is_file() for name in LONGER)


def test_the_distribution_holds_our_packages_and_no_other() -> None:
    """Their names are common ones: nothing else of that name may be found first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name.rstrip("*") for name in packages} == set(OURS)
    for name in OURS:
        if modules(name):
            spec = find_spec(name)
            assert spec is not None
            where = [str(each) for each in spec.submodule_search_locations or ()]
            assert where == [str(ROOT / name)], f"{name} is found at {where}"


# What is written nowhere.

UNWRITTEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.$}~])/(?:home|Users|root|work)/[A-Za-z0-9_.-]+"),
    "something to be done later": re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"),
    "a conflict of a merge": re.compile(r"^(?:<<<<<<<|>>>>>>>)", re.MULTILINE),
}
FOREIGN = ("tests/data/", "tests/deploy/compose-spec.json", "rules/provider_ranges.csv")
"""What others wrote."""


def _tree() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:  # an unpacked archive, not a clone
        return [path for package in (*OURS, "tests", "docs", "deploy") for path in (ROOT / package).rglob("*.*")]
    return [ROOT / name for name in listed.stdout.splitlines() if not name.startswith(FOREIGN)]


@pytest.mark.parametrize("what", UNWRITTEN)
def test_nothing_of_a_machine_or_of_another_day_is_in_the_tree(what: str) -> None:
    found = []
    for path in _tree():
        if path == Path(__file__).resolve() or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a compressed file of a test
        found += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in UNWRITTEN[what].finditer(text)]
    assert found == []
