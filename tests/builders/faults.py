"""A wire with faults: stands between a client and an HTTP server and breaks chosen answers, as networks do.

Requests are passed on as they came, Host included, so signatures still hold; what comes back is the server's own
answer up to where the fault begins.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Literal
from urllib.parse import urlsplit

Kind = Literal["refuse", "reset", "close", "shorten", "flip"]
OWN_HEADERS = ("connection", "transfer-encoding", "date", "server")


@dataclass(frozen=True)
class Fault:
    """What happens to one answer.

    refuse: the server is not asked; ``status`` and ``code`` come back. reset: a TCP reset after ``at`` bytes of the
    body. close: an orderly end there, before the promised length. shorten: as close, with the length made to fit.
    flip: the byte at ``at`` has another value.
    """

    kind: Kind
    at: int = 0
    status: int = 503
    code: str = "SlowDown"


@dataclass
class Wire:
    """The faults to come, and the requests that came."""

    upstream: str
    port: int = 0
    faults: list[tuple[str, str, Fault]] = field(default_factory=list)
    """Method, part of the path or of the range, and what happens."""
    requests: list[str] = field(default_factory=list)
    """``GET /bucket/key bytes=0-99`` and so on."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_next(self, fault: Fault, *, times: int = 1, method: str = "GET", of: str = "") -> None:
        """Let the next answers to requests of this method fail, where ``of`` is part of the path or range."""
        self.faults += [(method, of, fault)] * times

    def fault_for(self, method: str, asked: str) -> Fault | None:
        """Take the first fault that fits."""
        with self.lock:
            for place, (wanted, of, fault) in enumerate(self.faults):
                if wanted == method and of in asked:
                    del self.faults[place]
                    return fault
        return None


@contextmanager
def wire_to(endpoint: str) -> Iterator[Wire]:
    """A wire to a server, without faults so far."""
    wire = Wire(urlsplit(endpoint).netloc)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"wire": wire}))
    wire.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: ClassVar[Wire]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.wire.lock:
            asked = " ".join(filter(None, (self.path, self.headers.get("Range"))))
            self.wire.requests.append(f"{self.command} {asked}")
        fault = self.wire.fault_for(self.command, asked)
        if fault is not None and fault.kind == "refuse":
            self._refuse(fault)
            return
        connection = http.client.HTTPConnection(self.wire.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body)
            self._pass_on(connection.getresponse(), fault)
        finally:
            connection.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def _refuse(self, fault: Fault) -> None:
        content = f"<Error><Code>{fault.code}</Code><Message>as arranged</Message></Error>".encode()
        self.send_response(fault.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _pass_on(self, answer: http.client.HTTPResponse, fault: Fault | None) -> None:
        content = answer.read()
        if fault is not None and fault.kind == "flip":
            content = content[:fault.at] + bytes([content[fault.at] ^ 1]) + content[fault.at + 1:]
        if fault is not None and fault.kind == "shorten":
            content = content[:fault.at]
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*OWN_HEADERS, *(["content-length"] if fault and fault.kind == "shorten" else [])):
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None or (fault and fault.kind == "shorten"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault is not None and fault.kind in ("reset", "close"):
            self.wfile.write(content[:fault.at])
            self._end(reset=fault.kind == "reset")
            return
        self.wfile.write(content)

    def _end(self, *, reset: bool) -> None:
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests have logs enough."""
