"""Settings of a process: from a file and from the environment (`CLOVERWATCH_*`), which wins.

Each setting has its help, its unit and its reason in one place; `cloverwatch settings` prints them and writes
`docs/settings.md`. A password comes from a file or the environment, never from the command line, and is never shown.
"""

from __future__ import annotations

import dataclasses
import difflib
import ssl
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from schemas.errors import ConfigurationError

PREFIX: Final = "CLOVERWATCH_"


class Secret(str):
    """A string that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the secret itself."""
        return str.__str__(self[:])


def setting(default: Any, help_text: str, *, allowed: tuple[str, ...] = (), least: float | None = None) -> Any:
    """Declare one setting: its default, what it means and why, and what is allowed."""
    return field(default=default, metadata={"help": help_text, "allowed": allowed, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that may differ from one deployment to the next. Times in seconds where the name ends in `_s`."""

    broker: str = setting("127.0.0.1:9092", "Brokers to begin with, `host:port`, separated by commas.")
    group: str = setting("cloverwatch", "Consumer group of the workers; also the prefix of the tools' groups.")
    policy: Path | None = setting(None, "The policy file (TOML). A worker needs one.")
    partitions: int = setting(32, "Partitions of `access.events`: the bound of scale-out, fixed at creation.", least=1)
    replication_factor: int = setting(
        3, "Replicas of each topic that `cloverwatch topics --create` makes; 1 where there is one broker.", least=1
    )
    web_host: str = setting("127.0.0.1", "Where metrics and health listen. Loopback unless told: it has no login.")
    web_port: int = setting(9808, "Port of metrics and health; 0 takes a free one.", least=0)
    geo_mmdb: Path | None = setting(None, "A table of addresses in MaxMind's format in place of the packaged one.")
    legal_table: Path | None = setting(None, "A table of adequacy decisions in place of the shipped one (CSV).")
    security_protocol: str = setting(
        "PLAINTEXT",
        "How brokers are reached. A password without TLS would travel in clear, so there is no SASL_PLAINTEXT.",
        allowed=("PLAINTEXT", "SSL", "SASL_SSL"),
    )
    ssl_cafile: Path | None = setting(None, "Certificates that brokers are verified by; else the system's.")
    ssl_certfile: Path | None = setting(None, "Certificate of this client, for mutual TLS.")
    ssl_keyfile: Path | None = setting(None, "Key of this client, for mutual TLS.")
    sasl_mechanism: str = setting(
        "SCRAM-SHA-512", "How the password is shown.", allowed=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    )
    sasl_username: str | None = setting(None, "User at the brokers, with SASL_SSL.")
    sasl_password: Secret | None = setting(None, "Password at the brokers. Better in a file: `sasl_password_file`.")
    sasl_password_file: Path | None = setting(None, "File with the password at the brokers.")
    start_timeout_s: float = setting(
        10.0, "How long an absent broker is waited for at the start before the process gives up (exit 1).", least=0.1
    )
    session_timeout_s: float = setting(
        10.0, "How long a dead worker's partitions stay unread. Below 6 a paused machine is taken for dead.", least=1
    )
    commit_interval_s: float = setting(
        1.0, "How often offsets are committed: what a kill makes read again.", least=0.05
    )
    max_poll_records: int = setting(
        2000, "Records of one batch at most. More adds latency behind a batch, fewer cost speed.", least=1
    )
    stuck_after_s: float = setting(
        120.0, "How long a batch may stay unfinished while the broker answers before the worker crashes.", least=1
    )
    policy_check_s: float = setting(1.0, "How often the policy file is looked at.", least=0.05)
    data_dir: Path = setting(
        Path(tempfile.gettempdir()) / "cloverwatch", "A writable directory. Nothing of worth is kept there."
    )
    log_level: str = setting("INFO", "Least severe log line.", allowed=("DEBUG", "INFO", "WARNING", "ERROR"))
    log_format: str = setting("text", "Form of log lines.", allowed=("text", "json"))

    def __post_init__(self) -> None:
        if self.security_protocol == "SASL_SSL" and not (self.sasl_username and self.password):
            raise ConfigurationError(
                "security_protocol: SASL_SSL needs sasl_username and sasl_password_file (or sasl_password)"
            )

    @property
    def password(self) -> str | None:
        """The password at the brokers, from its file or the environment.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        if self.sasl_password_file is not None:
            try:
                return self.sasl_password_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigurationError(
                    f"sasl_password_file: {self.sasl_password_file} cannot be read: {error.strerror}"
                ) from None
        return None if self.sasl_password is None else self.sasl_password.reveal()

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS context for the brokers, verifying them; None for plaintext.

        Raises:
            ConfigurationError: a certificate cannot be read.
        """
        if self.security_protocol == "PLAINTEXT":
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
            if self.ssl_certfile is not None:
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"ssl_cafile, ssl_certfile, ssl_keyfile: cannot be used: {error}") from None
        return context


def load(environment: Mapping[str, str], file: Path | None = None, **given: Any) -> Settings:
    """Return the settings: defaults, then the file, then the environment, then what is `given`.

    `CLOVERWATCH_SETTINGS` names the file where `file` does not.

    Raises:
        ConfigurationError: names the key, the value and what is allowed.
    """
    values: dict[str, Any] = {}
    if file is None and environment.get(f"{PREFIX}SETTINGS"):
        file = Path(environment[f"{PREFIX}SETTINGS"])
    if file is not None:
        values.update(_from_file(file))
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != f"{PREFIX}SETTINGS":
            key = name[len(PREFIX) :].lower()
            values[key] = _convert(key, text, name)
    values.update({key: value for key, value in given.items() if value is not None})
    return Settings(**values)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"settings: {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    return {key: _convert(key, value, f"{path}: {key}") for key, value in data.items()}


def _convert(key: str, value: Any, where: str) -> Any:
    fields = {each.name: each for each in dataclasses.fields(Settings)}
    if key not in fields:
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigurationError(f"{where}: unknown setting; {hint}`cloverwatch settings` lists them")
    hint_type = get_type_hints(Settings)[key]
    kind = next((each for each in get_args(hint_type) if each is not type(None)), hint_type)
    meta = fields[key].metadata
    shown = "***" if kind is Secret else repr(value)
    try:
        converted = kind(value) if kind is not int else int(str(value))
    except (TypeError, ValueError):
        raise ConfigurationError(f"{where}: {shown} is no {_NAMES.get(kind, kind.__name__)}") from None
    if meta["allowed"] and converted not in meta["allowed"]:
        raise ConfigurationError(f"{where}: {shown}; allowed: {', '.join(meta['allowed'])}")
    if meta["least"] is not None and not converted >= meta["least"]:
        raise ConfigurationError(f"{where}: {shown}; at least {meta['least']:g} is allowed")
    return converted


_NAMES: Final = {int: "whole number", float: "number", str: "text", Path: "path"}
