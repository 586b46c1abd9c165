"""rsyslog over mutual TLS, from Debian: each message becomes one JSON line of a file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from demo.broker import end, free_port, wait_for_port
from tests.receivers.certificates import OURS, certificates

START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
ALERT_ID = re.compile(r'alertId="([^"]*)"')


class Rsyslog:
    """One rsyslogd that takes RFC 5424 over TLS from whoever has a certificate of ours."""

    exact = False

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.certificates = certificates(folder / "certificates")
        self.received_file = folder / "received.jsonl"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rsyslog.conf").write_text(self._configuration())

    @staticmethod
    def missing() -> str | None:
        if shutil.which("rsyslogd", path="/usr/sbin:/usr/bin") is None:
            return "rsyslog is not installed (Debian: rsyslog)"
        if not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
            return "rsyslog cannot do TLS (Debian: rsyslog-gnutls)"
        return None

    def _configuration(self) -> str:
        has = self.certificates
        return f"""global(
  workDirectory="{self.folder}"
  maxMessageSize="64k"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{has.ca}"
  defaultNetstreamDriverCertFile="{has.server}"
  defaultNetstreamDriverKeyFile="{has.server_key}"
)
module(
  load="imtcp"
  streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["{OURS}"]
)
template(name="line" type="list") {{
  constant(value="{{")
  property(outname="pri" name="pri" format="jsonf") constant(value=",")
  property(outname="timestamp" name="timereported" dateFormat="rfc3339" format="jsonf") constant(value=",")
  property(outname="host" name="hostname" format="jsonf") constant(value=",")
  property(outname="app" name="app-name" format="jsonf") constant(value=",")
  property(outname="procid" name="procid" format="jsonf") constant(value=",")
  property(outname="msgid" name="msgid" format="jsonf") constant(value=",")
  property(outname="sd" name="structured-data" format="jsonf") constant(value=",")
  property(outname="msg" name="msg" format="jsonf")
  constant(value="}}\\n")
}}
input(type="imtcp" port="{self.port}" address="127.0.0.1" ruleset="received")
ruleset(name="received") {{
  action(type="omfile" file="{self.received_file}" template="line" fileCreateMode="0600")
}}
"""

    def start(self) -> None:
        with (self.folder / "rsyslog.log").open("ab") as log:
            (self.folder / "rsyslog.pid").unlink(missing_ok=True)
            self._process = subprocess.Popen(
                [
                    "/usr/sbin/rsyslogd",
                    "-n",
                    "-f",
                    self.folder / "rsyslog.conf",
                    "-i",
                    self.folder / "rsyslog.pid",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for_port(self.port, self._process, START_TIMEOUT)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process, STOP_TIMEOUT)

    def policy(self, name: str, message: str = "text") -> str:
        has = self.certificates
        return f"""[destinations.{name}]
kind = "syslog"
host = "127.0.0.1"
port = {self.port}
tls = {{ ca = "{has.ca}", cert = "{has.client}", key = "{has.client_key}" }}
message = "{message}"
"""

    def environment(self) -> dict[str, str]:
        return {}

    def messages(self) -> list[dict[str, Any]]:
        """What it wrote, parsed; a line that a kill cut is left out, as whoever reads such a file must."""
        if not self.received_file.exists():
            return []
        found = []
        for line in self.received_file.read_bytes().split(b"\n")[:-1]:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def received(self) -> Counter[str]:
        return Counter(found[1] for each in self.messages() if (found := ALERT_ID.search(each["sd"])))
