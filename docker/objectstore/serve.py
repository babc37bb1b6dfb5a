"""Serves objects over S3 from one directory: OpenStack Swift, its four servers on this machine, one user.

    EVENVOICE_STORE_ACCESS_KEY=evenvoice:store EVENVOICE_STORE_SECRET_KEY=... python serve.py --data DIR --port 8085

Runs where locks/objectstore.txt is installed, without root. Checks signatures, keeps everything in DIR, and is ready
once it prints "ready". One copy of each object: for development and tests, not for data that cannot be lost.
"""

from __future__ import annotations

import argparse
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import FrameType
from typing import NoReturn

TEMPLATES = Path(__file__).resolve().parent / "conf"
KINDS = ("account", "container", "object", "proxy")
REGION = "us-east-1"
PART_POWER = 4
WAIT_S = 300.0
POLL_S = 0.1


@dataclass(frozen=True)
class Settings:
    """What one store is started with."""

    data: Path
    host: str
    port: int
    access_key: str
    secret: str

    @property
    def etc(self) -> Path:
        """Rendered configuration and rings; only the owner may read it."""
        return self.data / "etc"


def main() -> int:
    """Serve until TERM, or until one of the servers ends."""
    settings = _settings()
    ports = dict(zip(KINDS, [*_free_ports(3), settings.port], strict=True))
    _render(settings, ports)
    _build_rings(settings, ports)
    servers = [_start(settings, kind) for kind in KINDS]
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        _wait(settings, ports, servers)
        print(f"ready on {settings.host}:{settings.port}", flush=True)
        while all(server.poll() is None for server in servers):
            time.sleep(POLL_S)
        return 1
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()


def _settings() -> Settings:
    parser = argparse.ArgumentParser(description="Serve objects over S3 from one directory.")
    parser.add_argument("--data", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for containers")
    parser.add_argument("--port", type=int, default=8085)
    chosen = parser.parse_args()
    access_key = os.environ.get("EVENVOICE_STORE_ACCESS_KEY", "evenvoice:store")
    secret = os.environ.get("EVENVOICE_STORE_SECRET_KEY", "")
    parts = access_key.split(":")
    if len(parts) != 2 or not all(part.isalnum() for part in parts):
        parser.error(f"EVENVOICE_STORE_ACCESS_KEY must be two words joined by a colon, got {access_key!r} instead")
    if not secret or any(character.isspace() for character in secret):
        parser.error("EVENVOICE_STORE_SECRET_KEY must be set, and without white space")
    return Settings(chosen.data.resolve(), chosen.host, chosen.port, access_key, secret)


def _render(settings: Settings, ports: dict[str, int]) -> None:
    settings.etc.mkdir(parents=True, exist_ok=True)
    settings.etc.chmod(0o700)
    (settings.data / "devices" / "disk").mkdir(parents=True, exist_ok=True)
    account, name = settings.access_key.split(":")
    values = {
        "hash_suffix": _lasting_suffix(settings.etc / "hash_suffix"), "host": settings.host, "port": settings.port,
        "region": REGION, "account": account, "name": name, "secret": settings.secret, "etc": settings.etc,
        "devices": settings.data / "devices", "user": pwd.getpwuid(os.getuid()).pw_name,
        **{f"{kind}_port": port for kind, port in ports.items()}}
    for template in TEMPLATES.glob("*.conf"):
        text = Template(template.read_text(encoding="utf-8")).substitute(values)
        (settings.etc / template.name).write_text(text, encoding="utf-8")


def _lasting_suffix(path: Path) -> str:
    if not path.exists():
        path.write_text(secrets.token_hex(16), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _build_rings(settings: Settings, ports: dict[str, int]) -> None:
    """Made anew at every start, since the ports change; where an object lies does not depend on them."""
    from swift.common.ring import RingBuilder

    for kind in ("account", "container", "object"):
        builder = RingBuilder(PART_POWER, 1, 1)
        builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": ports[kind], "device": "disk",
                         "weight": 1.0})
        builder.rebalance(seed="0")
        builder.get_ring().save(str(settings.etc / f"{kind}.ring.gz"))


def _start(settings: Settings, kind: str) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).parent / f"swift-{kind}-server"
    return subprocess.Popen([program, settings.etc / f"{kind}-server.conf", "--verbose"],  # noqa: S603
                            env={**os.environ, "PYTHONWARNINGS": "ignore"}, stdin=subprocess.DEVNULL)


def _wait(settings: Settings, ports: dict[str, int], servers: list[subprocess.Popen[bytes]]) -> None:
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104
    deadline = time.monotonic() + WAIT_S
    while not all(_listens(host if kind == "proxy" else "127.0.0.1", port) for kind, port in ports.items()):
        if any(server.poll() is not None for server in servers) or time.monotonic() > deadline:
            raise SystemExit("a server did not come up; its words are above")
        time.sleep(POLL_S)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
