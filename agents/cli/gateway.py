"""Decide for gateways who may reach which data, over HTTP (AuthZEN), each decision recorded."""

import argparse
import logging

from agents.logs import configure
from agents.settings import Settings

NAME = "gateway"
EXAMPLES = """\
examples:
  cloverwatch gateway --new-token db-proxy      a token for a caller, and the line for the file of tokens
  CLOVERWATCH_POLICY=policy.toml CLOVERWATCH_GATEWAY_TOKENS=tokens.toml cloverwatch gateway

endpoints, headers, errors, nginx and Envoy: docs/gateway-api.md
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--new-token", metavar="CALLER", help="print a new token of that caller, and end")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Decide, or make a token."""
    if given.new_token is not None:
        from agents.gateway.callers import new_token

        token, line = new_token(given.new_token)
        print(f"for the caller, shown this once:\n{token}\n\nfor the file of CLOVERWATCH_GATEWAY_TOKENS (mode 0600):")
        print(line)
        return 0
    from agents.gateway.process import serve

    configure(settings.log_level, settings.log_format)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return serve(settings)
