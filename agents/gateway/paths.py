"""The paths of the decision point, and the document that tells them."""

from __future__ import annotations

from typing import Final

from agents.gateway.deciding import Kind

EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
SEARCH: Final[dict[str, Kind]] = {
    "/access/v1/search/subject": "subject",
    "/access/v1/search/resource": "resource",
    "/access/v1/search/action": "action",
}
METADATA: Final = "/.well-known/authzen-configuration"
AUTHORIZE: Final = "/authorize"
"""Envoy adds the path of what it asks about, so that whatever begins so belongs to it."""


def metadata(url: str) -> dict[str, str]:
    """Return the decision point's metadata (AuthZEN 1.0, "Policy Decision Point Metadata")."""
    return {
        "policy_decision_point": url,
        "access_evaluation_endpoint": url + EVALUATION,
        "access_evaluations_endpoint": url + EVALUATIONS,
        **{f"search_{kind}_endpoint": url + path for path, kind in SEARCH.items()},
    }
