"""The Kubernetes API over HTTP, as much of it as the runner uses; what lies behind it is a stand-in's affair."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

PATH = re.compile(r"/api(?:s/batch)?/v1(?:/namespaces/[^/]+)?/(?P<kind>pods|jobs|nodes|secrets)"
                  r"(?:/(?P<name>[^/]+)(?P<log>/log)?)?$")
Answer = tuple[int, Any]
"""HTTP status and content."""


class Behind(Protocol):
    """What answers; kinds are pods, jobs, nodes and secrets."""

    def get(self, kind: str, name: str) -> Answer: ...

    def items(self, kind: str, selector: str) -> Answer: ...

    def create(self, kind: str, described: dict[str, Any], *, dry_run: bool) -> Answer: ...

    def remove(self, kind: str, name: str, grace_s: int) -> Answer: ...

    def log(self, name: str, query: dict[str, str]) -> Iterator[bytes]:
        """Lines with their timestamps, as they come."""


@contextmanager
def serving(behind: Behind) -> Iterator[int]:
    """Serve until the block ends; yields the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(behind))
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def kubeconfig(path: Path, port: int) -> Path:
    """Write the settings of a client for a server on this machine."""
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]}), encoding="utf-8")
    return path


def status(message: str) -> dict[str, Any]:
    """What a refusal says."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}


def items(found: list[dict[str, Any]], selector: str) -> Answer:
    """A list of those that have all labels of ``selector``."""
    wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
    return 200, {"apiVersion": "v1", "metadata": {}, "items": [
        item for item in found if wanted.items() <= item["metadata"].get("labels", {}).items()]}


def _handler(behind: Behind) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, query = self._asked()
            if path["log"]:
                self._stream(behind.log(path["name"], query))
            elif path["name"]:
                self._answer(*behind.get(path["kind"], path["name"]))
            else:
                self._answer(*behind.items(path["kind"], query.get("labelSelector", "")))

        def do_POST(self) -> None:
            path, query = self._asked()
            self._answer(*behind.create(path["kind"], self._body(), dry_run=query.get("dryRun") == "All"))

        def do_DELETE(self) -> None:
            path, query = self._asked()
            self._body()
            self._answer(*behind.remove(path["kind"], path["name"], int(query.get("gracePeriodSeconds", "30"))))

        def _asked(self) -> tuple[dict[str, str], dict[str, str]]:
            parts = urlsplit(self.path)
            match = PATH.match(unquote(parts.path))
            assert match, self.path
            return match.groupdict(), {name: values[0] for name, values in parse_qs(parts.query).items()}

        def _body(self) -> Any:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return json.loads(content) if content else None

        def _answer(self, code: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, lines: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for line in lines:
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:  # nobody listens any more
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
