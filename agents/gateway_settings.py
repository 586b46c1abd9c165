"""Settings of `cloverwatch gateway`: where it listens, who may ask, and how much of everything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents.setting_fields import PORT_MAX, setting


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """The decision point's part of the settings. Times in seconds where the name ends in `_s`."""

    gateway_host: str = setting(
        "127.0.0.1",
        "Where the decision point listens.",
        "Without `gateway_tls_cert` only a loopback address is allowed: decisions name people.",
    )
    gateway_port: int = setting(
        9820, "Port of the decision point.", "0 takes a free one: for tests.", least=0, most=PORT_MAX
    )
    gateway_web_port: int = setting(
        9821,
        "Port of metrics and health of `cloverwatch gateway`, at `web_host`.",
        "Another than the decision point's: who looks at metrics may not ask for decisions.",
        least=0,
        most=PORT_MAX,
    )
    gateway_url: str | None = setting(
        None,
        "The decision point's own address (`https://pdp.example`), as its metadata tells it; else where it listens.",
        "Callers compare it with the address that they asked. At a wildcard such as 0.0.0.0 it must be said.",
    )
    gateway_tls_cert: Path | None = setting(
        None, "Certificate of the decision point, with its chain (PEM).", "Read again when it changes."
    )
    gateway_tls_key: Path | None = setting(None, "Its key (PEM).", "Only its owner may read it (mode 0600).")
    gateway_client_ca: Path | None = setting(
        None,
        "Certificates by which callers' certificates are verified (PEM).",
        "A caller is named by its certificate; with `gateway_tokens` beside it a token will do instead.",
    )
    gateway_client_crl: Path | None = setting(
        None,
        "Lists of callers' certificates that are revoked (PEM, one by each authority); read again when it changes.",
        "A key that leaked must be shut out at once. A list that is missing or out of date shuts out its authority's.",
    )
    gateway_tokens: Path | None = setting(
        None,
        "File with the hashes of the callers' bearer tokens, by caller (TOML).",
        "Hashes: who reads the file can ask nothing. Mode 0600; read again when it changes.",
    )
    gateway_record_within_s: float = setting(
        2.0,
        "Within which brokers must have stored a decision; else it is answered as the policy's `unrecorded` says.",
        "Longer than an election of a partition's leader usually takes, shorter than people and proxies wait.",
        unit="s",
        least=0.01,
    )
    gateway_known_within_s: float = setting(
        5.0,
        "Within which directories and approvals must be known to be read to their end; else decisions are answered as "
        "the policy's `stale` says.",
        "Changes take effect within a second, and brokers are asked each second; an election of a leader may take "
        "three more without anybody being refused.",
        unit="s",
        least=2.0,
    )
    gateway_body_bytes: int = setting(
        65_536,
        "Bytes of a request's body at most.",
        "A batch of 100 evaluations with their properties fits; what is larger is no question.",
        unit="bytes",
        least=256,
    )
    gateway_evaluations: int = setting(
        100,
        "Evaluations of one batch at most.",
        "Each costs up to a millisecond of the only processor that decides.",
        least=1,
    )
    gateway_results: int = setting(
        1_000, "Results of one page of a search at most.", "More are had page by page.", least=1
    )
    gateway_rate: int = setting(
        2_000,
        "Evaluations a second of each caller.",
        "One caller that runs wild must leave something for the others; twice what one process is measured at.",
        unit="/s",
        least=1,
    )
    gateway_search_rate: float = setting(
        5.0,
        "Searches a second of each caller; ten seconds' worth at once.",
        "One takes up to 50 ms of CPU, in pieces of 2 that decisions wait for: a quarter of it for one caller at most.",
        unit="/s",
        least=0.001,
    )
    gateway_concurrent: int = setting(
        2_000,
        "Requests that are being answered at once; more are told to come again (503).",
        "While brokers are slow each waits for `gateway_record_within_s`: a bound on memory.",
        least=1,
    )
    gateway_connections: int = setting(
        4_000, "Connections at once; more are closed.", "Each has a descriptor and its buffers.", least=1
    )
    gateway_read_within_s: float = setting(
        5.0,
        "Within which a request must have arrived, and a TLS handshake be done.",
        "Who sends a byte now and then must not hold connections open for ever.",
        unit="s",
        least=0.1,
    )
