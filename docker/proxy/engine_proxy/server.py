"""HTTP in, HTTP out. One request per connection; what goes to the engine is written anew from a decided call."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from engine_proxy.calls import Call, Request, decide
from engine_proxy.policy import OWNER_LABEL, Policy, Refused

BODY_LIMIT: Final = 512 * 1024
CLIENT_SILENCE_S: Final = 30.0
ENGINE_SILENCE_S: Final = 120.0
"""For answers that come at once; logs and wait may be silent for as long as a stage runs."""
CLIENT_STUCK_S: Final = 300.0
"""How long a client may leave its answer unread."""
CHUNK: Final = 64 * 1024
_ID: Final = re.compile(r"[0-9a-f]{64}")


class NoSuchContainer(Exception):
    """The engine knows no container of that name."""


class EngineProxy(ThreadingHTTPServer):
    """Serves one policy in front of one engine."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], policy: Policy, engine: str) -> None:
        """``engine`` is the path of its socket."""
        self.policy = policy
        self.engine = engine
        super().__init__(address, Handler)


class _EngineConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_version = "engine-proxy"
    sys_version = ""
    timeout = CLIENT_SILENCE_S
    server: EngineProxy
    _answered = False

    def _serve(self) -> None:
        self.close_connection = True  # a second request can then never hide in the first
        try:
            call = decide(self.server.policy, Request(self.command, self.path, self._body()))
            container = self._own_container(call.container) if call.container else ""
            if call.image:
                self._demand_image(call.image)
            self._forward(call, container)
        except Refused as refusal:
            self.log_error("%s", f"{self.command} {self.path!r}: {refusal}")
            self._reply(403, {"message": str(refusal)})
        except NoSuchContainer as absence:
            self._reply(404, {"message": f"No such container: {absence}"})
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.log_error("%s", f"{self.command} {self.path!r}: {error!r}")
            if not self._answered:  # otherwise only the broken stream can still say that something is wrong
                self._reply(502, {"message": f"the engine proxy got no answer from the engine: {error}"})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _body(self) -> bytes:
        for name in ("Transfer-Encoding", "Upgrade", "Expect", "Trailer", "Content-Encoding"):
            if name in self.headers:
                raise Refused(f"no header {name}", self.headers[name])
        lengths = self.headers.get_all("Content-Length") or ["0"]
        if len(lengths) != 1 or not re.fullmatch("[0-9]{1,9}", lengths[0]):
            raise Refused("one Content-Length, a number", lengths)
        if int(lengths[0]) > BODY_LIMIT:
            raise Refused(f"a body of at most {BODY_LIMIT} bytes", lengths[0])
        body = self.rfile.read(int(lengths[0]))
        if len(body) != int(lengths[0]):
            raise Refused(f"a body of {lengths[0]} bytes, as announced", len(body))
        return body

    def _own_container(self, name: str) -> str:
        """The full id of a container of ours; what follows is sent for the id, whatever the name means by then."""
        status, content = self._ask(f"/containers/{name}/json")
        if status == 404:
            raise NoSuchContainer(name)
        found = str(content.get("Id", ""))
        labels = content.get("Config", {}).get("Labels") or {}
        if status != 200 or not _ID.fullmatch(found) or labels.get(OWNER_LABEL) != self.server.policy.owner:
            raise Refused(f"the container carries the label {OWNER_LABEL}={self.server.policy.owner}", name)
        return found

    def _demand_image(self, name: str) -> None:
        if self.server.policy.permits_image(name):
            return
        described: dict[str, Any] = {}
        if re.fullmatch("sha256:[0-9a-f]{64}", name):
            _, described = self._ask(f"/images/{name}/json")
        if not self.server.policy.permits_described(described):
            raise Refused(f"the image is one of {', '.join(self.server.policy.images)}", name)

    def _ask(self, target: str) -> tuple[int, dict[str, Any]]:
        connection = _EngineConnection(self.server.engine, ENGINE_SILENCE_S)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _forward(self, call: Call, container: str) -> None:
        connection = _EngineConnection(self.server.engine, None if call.container else ENGINE_SILENCE_S)
        self.connection.settimeout(CLIENT_STUCK_S)
        try:
            connection.request(call.method, call.target(container), body=call.body or None,
                               headers={"Content-Type": "application/json"} if call.body else {})
            answer = connection.getresponse()
            if call.answer is not None and answer.status == 200:
                self._reply(200, call.answer(json.loads(answer.read())))
            else:
                self._pass_on(answer)
        finally:
            connection.close()

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        self._answered = True
        self.send_response(answer.status)
        for name in ("Content-Type", "Api-Version", "Ostype"):
            if value := answer.getheader(name):
                self.send_header(name, value)
        empty = self.command == "HEAD" or answer.status in (204, 304)
        if not empty:
            self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        if empty:
            return
        while chunk := answer.read1(CHUNK):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _reply(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self._answered = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """What changed something; looking is asked for five times a second and would push the rest out of the log."""
        if self.command not in ("GET", "HEAD"):
            super().log_request(code, size)

    def log_message(self, format: str, *values: Any) -> None:
        """One line, without line breaks a client could smuggle in."""
        words = (format % values).encode("unicode_escape").decode("ascii")
        print(f"{self.log_date_time_string()} {self.client_address[0]} {words}", file=sys.stderr, flush=True)
