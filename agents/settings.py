"""Settings of a process: from a file and from the environment (`CLOVERWATCH_*`), which wins.

Each setting has its help, its unit and its reason in one place; `cloverwatch settings` prints them and `cloverwatch
docs` writes `docs/settings.md`. A password comes from a file or the environment, never from the command line, and is
never shown.
"""

from __future__ import annotations

import dataclasses
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

from agents.audit_settings import AuditSettings
from agents.gateway_settings import GatewaySettings
from agents.matching_settings import MatchingSettings
from agents.setting_fields import PORT_MAX, bounds, convert, kind_of, setting
from schemas.errors import ConfigurationError
from schemas.secret import Secret
from schemas.toml_file import TomlFile, nearest

PREFIX: Final = "CLOVERWATCH_"
FILE_VARIABLE: Final = PREFIX + "SETTINGS"
"""The variable that names the settings file, where `--settings` does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(AuditSettings, GatewaySettings, MatchingSettings):
    """Everything that may differ from one deployment to the next. Times in seconds where the name ends in `_s`."""

    broker: str = setting(
        "127.0.0.1:9092",
        "Brokers to begin with, `host:port`, separated by commas.",
        "One that answers tells of the others; two or three survive the loss of one.",
    )
    group: str = setting(
        "cloverwatch",
        "Consumer group of the workers; also the prefix of the tools' groups.",
        "Another group judges everything a second time: give a trial one of its own.",
    )
    policy: Path | None = setting(
        None, "The policy file (TOML). A worker needs one.", "What is allowed is the company's to say."
    )
    identities: str = setting(
        "pseudonyms",
        "Whether alerts name people by `pseudonyms` or in `clear`.",
        "The monitor must not become a second pile of personal data; a worker without keys does not start.",
        allowed=("pseudonyms", "clear"),
    )
    pseudonym_keys: Path | None = setting(
        None,
        "File with the keys of pseudonyms, as `cloverwatch privacy keys --new` makes it.",
        "The same one for all workers; nobody but its owner may read it (mode 0600).",
    )
    pseudonym_keys_command: str | None = setting(
        None,
        "A command that prints the keys, in place of the file: words as in a shell, no shell.",
        "For secret stores that hand out nothing but an answer, or mount files that a group may read.",
    )
    partitions: int = setting(
        32,
        "Partitions of `access.events`.",
        "The bound of scale-out, fixed at creation: another number would put a person's records elsewhere.",
        least=1,
    )
    replication_factor: int = setting(
        3,
        "Replicas of each topic that `cloverwatch topics --create` makes.",
        "Three keep every record through the loss of a broker while another is in maintenance; 1 where there is one.",
        least=1,
    )
    web_host: str = setting(
        "127.0.0.1", "Where metrics and health listen.", "Loopback unless told: they have no login."
    )
    web_port: int = setting(
        9808, "Port of metrics and health.", "0 takes a free one: for tests.", least=0, most=PORT_MAX
    )
    deliver_port: int = setting(
        9809,
        "Port of metrics and health of `cloverwatch deliver`, at `web_host`.",
        "Another than the worker's, so that both run on one machine; 0 takes a free one.",
        least=0,
        most=PORT_MAX,
    )
    geo_mmdb: Path | None = setting(
        None,
        "A table of addresses in MaxMind's format, in place of the packaged one.",
        "The packaged table says to whom a registry gave an address; a vendor's says where it is used.",
    )
    legal_table: Path | None = setting(
        None,
        "A table of adequacy decisions (CSV) in place of the shipped one.",
        "Law changes between releases, and a company's counsel may read it otherwise.",
    )
    security_protocol: str = setting(
        "PLAINTEXT",
        "How brokers are reached.",
        "A password without TLS would travel in clear, so there is no SASL_PLAINTEXT.",
        allowed=("PLAINTEXT", "SSL", "SASL_SSL"),
    )
    ssl_cafile: Path | None = setting(
        None, "Certificates by which brokers are verified; else the system's.", "There is no way not to verify them."
    )
    ssl_certfile: Path | None = setting(
        None, "Certificate of this client.", "For mutual TLS, with its key in `ssl_keyfile` or in the same file."
    )
    ssl_keyfile: Path | None = setting(None, "Key of this client.", "For mutual TLS.")
    sasl_mechanism: str = setting(
        "SCRAM-SHA-512",
        "How the password is proved.",
        "With SCRAM the broker never sees it.",
        allowed=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    )
    sasl_username: str | None = setting(None, "User at the brokers.", "With SASL_SSL.")
    sasl_password: Secret | None = setting(
        None, "Password at the brokers.", "Better in a file: an environment is inherited by every child process."
    )
    sasl_password_file: Path | None = setting(
        None, "File with the password at the brokers.", "What secret stores mount; wins over `sasl_password`."
    )
    start_timeout_s: float = setting(
        10.0,
        "How long an absent broker is waited for at the start before the process gives up (exit 1).",
        "Long enough for a broker that restarts beside us, short enough that a wrong address is noticed.",
        unit="s",
        least=0.1,
    )
    session_timeout_s: float = setting(
        10.0,
        "How long a dead worker's partitions stay unread.",
        "Below 6 a machine that pauses for a moment is taken for dead, and everybody rebalances.",
        unit="s",
        least=1,
    )
    commit_interval_s: float = setting(
        1.0,
        "How often offsets are committed.",
        "What a kill makes read again: a second's worth; more often costs the broker a write each time.",
        unit="s",
        least=0.05,
    )
    state_interval_s: float = setting(
        10.0,
        "How often people's habits are written, and offsets with them, where the policy judges behaviour.",
        "A kill makes so many seconds of events be read again; each write costs a snapshot of everybody active since.",
        unit="s",
        least=0.05,
    )
    max_poll_records: int = setting(
        5000,
        "Records of one batch at most.",
        "More adds latency behind a backlog (5,000 are some 50 ms), fewer cost speed: each batch has its price.",
        unit="records",
        least=1,
    )
    stuck_after_s: float = setting(
        120.0,
        "How long a batch may stay unfinished while the broker answers before the worker crashes.",
        "It bounds the longest honest batch: 30 s for its alerts to be stored, with several retries.",
        unit="s",
        least=1,
    )
    policy_check_s: float = setting(
        1.0,
        "How often the policy file is looked at.",
        "Reading a small file costs nothing; a change takes force within about this time.",
        unit="s",
        least=0.05,
    )
    data_dir: Path = setting(
        Path(tempfile.gettempdir()) / "cloverwatch",
        "A writable directory.",
        "The stream library wants one; nothing of worth is kept there.",
    )
    log_level: str = setting(
        "INFO",
        "Least severe log line.",
        "DEBUG writes a line for every fetch.",
        allowed=("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    log_format: str = setting(
        "text", "Form of log lines.", "`json` is for machines that collect them.", allowed=("text", "json")
    )

    def __post_init__(self) -> None:
        """Refuse what does not go together: what the operator thinks is on must be on."""
        if self.security_protocol == "SASL_SSL":
            if not (self.sasl_username and self.password):
                raise ConfigurationError(
                    "security_protocol: SASL_SSL needs sasl_username and sasl_password_file (or sasl_password)"
                )
        elif self.sasl_username or self.sasl_password or self.sasl_password_file:
            raise ConfigurationError(
                f"security_protocol: {self.security_protocol} would not use the sasl_* settings; allowed with them: "
                "SASL_SSL (a password without TLS would travel in clear)"
            )
        if self.security_protocol == "PLAINTEXT" and (self.ssl_cafile or self.ssl_certfile or self.ssl_keyfile):
            raise ConfigurationError(
                "security_protocol: PLAINTEXT would not use the ssl_* settings; allowed with them: SSL, SASL_SSL"
            )
        if self.pseudonym_keys and self.pseudonym_keys_command:
            raise ConfigurationError("pseudonym_keys: also pseudonym_keys_command is set; allowed: one of the two")
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ConfigurationError("ssl_keyfile: a key without ssl_certfile")

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
    """Return the settings: defaults, then the file, then the environment, then what is `given` and not None.

    `CLOVERWATCH_SETTINGS` names the file where `file` does not.

    Raises:
        ConfigurationError: names the key, the value, what is allowed, and in a file the line.
    """
    values: dict[str, Any] = {}
    if file is None and environment.get(FILE_VARIABLE):
        file = Path(environment[FILE_VARIABLE])
    if file is not None:
        values.update(_from_file(file))
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != FILE_VARIABLE:
            key = name[len(PREFIX) :].lower()
            try:
                values[key] = _convert(key, text)
            except ConfigurationError as error:
                raise ConfigurationError(f"{name}: {error}") from None
    values.update({key: value for key, value in given.items() if value is not None})
    return Settings(**values)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        file = TomlFile(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigurationError(f"settings: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"settings: {path} is not UTF-8 at byte {error.start}") from None
    values = {}
    for key, value in file.data.items():
        try:
            values[key] = _convert(key, value)
        except ConfigurationError as error:
            raise file.fail((key,), str(error)) from None
    return values


_FIELDS: Final = {each.name: each for each in dataclasses.fields(Settings)}
_KINDS: Final = {name: kind_of(hint) for name, hint in get_type_hints(Settings).items()}


def _convert(key: str, value: Any) -> Any:
    if key not in _FIELDS:
        raise ConfigurationError(f"unknown setting; {nearest(key, list(_FIELDS))}")
    if value == "SASL_PLAINTEXT":
        raise ConfigurationError(f"{value!r}: a password without TLS would travel in clear; use SASL_SSL")
    return convert(value, _KINDS[key], _FIELDS[key].metadata)


def allowed(name: str) -> str:
    """Return what a setting may hold, for the reference."""
    meta = _FIELDS[name].metadata
    return ", ".join(meta["allowed"]) or bounds(_KINDS[name], meta)
