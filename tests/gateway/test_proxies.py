"""Real proxies let through and refuse by our answers, whatever their clients claim in headers of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.settings import Settings
from tests.conftest import require
from tests.gateway.conftest import FIXTURE
from tests.gateway.proxies import CONTENT, Employees, Envoy, Nginx, Proxy, Store
from tests.gateway.running import Gateway, recorded

pytestmark = [pytest.mark.broker, pytest.mark.slow]


OBLIGATIONS = """
[[gateway.obligations]]
row_limit = 100
pseudonymised = true
"""


@pytest.fixture(scope="module")
def deciding(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A decision point on loopback, whose callers are the proxies."""
    folder = tmp_path_factory.mktemp("gateway")
    text = (FIXTURE / "policy.toml").read_text()
    text = text.replace('resource_types = ["record"]', 'resource_types = ["record", "dataset"]')
    text = text.replace("[gateway.gateways.certification]", "[gateway.gateways.Nginx]\n[gateway.gateways.Envoy]")
    text += OBLIGATIONS
    policy = folder / "policy.toml"
    policy.write_text(text)
    with Gateway(prepared, folder, policy, callers=("Nginx", "Envoy")) as process:
        yield process


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store() as found:
        yield found


@pytest.fixture(scope="module", params=[Nginx, Envoy], ids=lambda kind: kind.__name__)
def proxy(
    request: pytest.FixtureRequest, deciding: Gateway, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    kind: type[Nginx] | type[Envoy] = request.param
    require(kind.missing())
    folder = tmp_path_factory.mktemp(kind.__name__)
    employees = Employees(folder / "tls", "alice", "bob", "mallory")
    with kind(folder, employees, deciding.port, store.port, deciding.tokens[kind.__name__]) as found:
        yield found


@pytest.fixture
def asked(store: Store) -> Callable[[], list[tuple[str, str, dict[str, str]]]]:
    """What the store was asked since the test began."""
    before = len(store.asked)
    return lambda: store.asked[before:]


Asked = Callable[[], list[tuple[str, str, dict[str, str]]]]


def test_an_allowed_access_goes_through_under_its_decision(proxy: Proxy, asked: Asked, prepared: Settings) -> None:
    answered = proxy.ask("alice", "/record-1/a?b=c")
    assert (answered.status, answered.body) == (200, CONTENT)
    ((method, path, headers),) = asked()
    assert (method, path) == ("GET", "/record-1/a?b=c")
    (decision,) = [each for each in recorded(prepared) if each.decision_id == headers["x-cloverwatch-decision-id"]]
    assert (decision.effect, decision.person, decision.action, decision.dataset_id, decision.gateway_id) == (
        "allow", "alice", "read", "record-1", type(proxy).__name__,
    )  # fmt: skip
    assert decision.source_ip == "127.0.0.1"
    assert (decision.purpose, decision.ticket) == ("", "")


def test_the_store_learns_under_which_obligations(proxy: Proxy, asked: Asked, prepared: Settings) -> None:
    assert proxy.ask("alice", "/record-1/a").status == 200
    ((_, _, headers),) = asked()
    assert sorted(headers["x-cloverwatch-obligations"].split(",")) == ["pseudonymised", "row_limit=100"]
    (decision,) = [each for each in recorded(prepared) if each.decision_id == headers["x-cloverwatch-decision-id"]]
    assert (decision.obligations.pseudonymised, decision.obligations.row_limit) == (True, 100)


def test_what_for_and_under_which_ticket_are_decided_on_and_told_the_store(
    proxy: Proxy, asked: Asked, prepared: Settings
) -> None:
    said = {"X-Purpose": "support", "X-Ticket": "T-1", "X-Cloverwatch-Session": "mine", "X-Session": "mine"}
    assert proxy.ask("alice", "/record-1/a", headers=said).status == 200
    ((_, _, headers),) = asked()
    (decision,) = [each for each in recorded(prepared) if each.decision_id == headers["x-cloverwatch-decision-id"]]
    assert (decision.purpose, decision.ticket, decision.session_id) == ("support", "T-1", "")
    assert (headers["x-cloverwatch-purpose"], headers["x-cloverwatch-ticket"]) == ("support", "T-1")
    assert not headers.get("x-cloverwatch-session")


def test_a_refused_access_never_reaches_the_store(proxy: Proxy, asked: Asked, prepared: Settings) -> None:
    """Bob may read and not write: the same path, another method."""
    assert proxy.ask("bob", "/record-1/a").status == 200
    answered = proxy.ask("bob", "/record-1/a", "POST", body=b"changed")
    assert (answered.status, answered.body == CONTENT) == (403, False)
    assert [method for method, _, _ in asked()] == ["GET"]
    (decision,) = [
        each for each in recorded(prepared) if each.decision_id == answered.headers["X-Cloverwatch-Decision-Id"]
    ]
    assert (decision.effect, decision.person, decision.action) == ("deny", "bob", "write")


@pytest.mark.parametrize(
    "claimed",
    [
        {"X-Cloverwatch-Subject": "alice"},
        {"x-cloverwatch-subject": "alice", "X-Cloverwatch-Action": "read"},
        {"X-Cloverwatch-Method": "GET"},
        {"X-Cloverwatch-Subject-Type": "service"},
        {"Authorization": "Bearer mine"},
        {"X-Original-Method": "GET", "X-HTTP-Method-Override": "GET"},
    ],
    ids="+".join,
)
def test_a_client_cannot_claim_to_be_somebody_or_to_do_something_else(
    proxy: Proxy, asked: Asked, claimed: dict[str, str]
) -> None:
    assert proxy.ask("bob", "/record-1/a", "POST", claimed, b"changed").status == 403
    assert asked() == []


def test_nothing_that_a_client_claims_reaches_the_store(proxy: Proxy, asked: Asked) -> None:
    claimed = {f"X-Cloverwatch-{name}": "claimed" for name in ("Decision-Id", "Obligations", "Purpose", "Unrecorded")}
    assert proxy.ask("alice", "/record-1/a", headers=claimed).status == 200
    ((_, _, headers),) = asked()
    assert "claimed" not in {value for name, value in headers.items() if name.startswith("x-cloverwatch")}


def test_whoever_is_unknown_and_whatever_has_no_dataset_is_refused(proxy: Proxy, asked: Asked) -> None:
    assert proxy.ask("mallory", "/record-1/a").status == 403
    assert proxy.ask("alice", "/elsewhere").status == 404
    assert proxy.ask("alice", "/record-1/../elsewhere").status == 404
    assert asked() == []


def test_without_a_decision_point_nothing_goes_through(
    store: Store, asked: Asked, tmp_path: Path, proxy: Proxy
) -> None:
    """Another proxy of the same kind, whose decision point does not answer."""
    kind = type(proxy)
    assert kind in {Nginx, Envoy}
    with kind(tmp_path, proxy.employees, 9, store.port, "none") as alone:
        assert alone.ask("alice", "/record-1/a").status in {403, 500}
    assert asked() == []
