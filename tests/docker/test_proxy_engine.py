"""The engine proxy in front of a real engine: what stages need works, what would give the machine away does not."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount
from rich.console import Console

from ops.images.base import BASE_TAG, make_base
from ops.images.context import KINDS
from tests.builders.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore:.*unclosed:ResourceWarning")]


@dataclass(frozen=True)
class Proxied:
    """A proxy, a client behind it, and the engine itself for what a test arranges behind its back."""

    client: docker.DockerClient
    raw: docker.DockerClient
    port: int
    state: Path
    owner: str

    def options(self, *command: str, **others: Any) -> dict[str, Any]:
        """As the runner asks for a stage's container."""
        return {"image": BASE_TAG, "command": list(command), "user": "10001:10001", "network": "none",
                "labels": {"evenvoice.state": self.owner}, "init": True, "read_only": True, "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges"], "pids_limit": 64, "mem_limit": 2**28,
                "tmpfs": {"/tmp": "rw,nosuid,nodev,size=16m,mode=1777"},
                "mounts": [Mount(str(self.state), str(self.state), type="bind")],
                "log_config": LogConfig(type="json-file", config={"max-size": "1m"}), **others}


@pytest.fixture(scope="module")
def proxied(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    if not docker_engine.host.startswith("unix://"):
        pytest.skip(f"the proxy stands in front of a socket of this machine, not of {docker_engine.host}")
    if docker_engine.client.inspect(BASE_TAG) is None:
        make_base(docker_engine.client, Console(quiet=True))
    state = tmp_path_factory.mktemp("state")
    state.chmod(0o777)
    owner = secrets.token_hex(6)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "docker" / "proxy"), "PROXY_ADDRESS": "127.0.0.1:0",
                   "PROXY_ENGINE": docker_engine.host.removeprefix("unix://"), "PROXY_OWNER": owner,
                   "PROXY_IMAGES": "evenvoice/base", "PROXY_STATE": str(state), "PROXY_NETWORKS": "none"}
    process = subprocess.Popen([sys.executable, "-m", "engine_proxy"], env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline().split(":")[1])
    raw = docker.DockerClient(base_url=docker_engine.host)
    client = docker.DockerClient(base_url=f"tcp://127.0.0.1:{port}")
    try:
        yield Proxied(client, raw, port, state, owner)
    finally:
        for left in raw.containers.list(all=True, filters={"label": f"evenvoice.state={owner}"}):
            left.remove(force=True)
        client.close()
        raw.close()
        process.send_signal(signal.SIGTERM)
        process.wait()


@pytest.fixture
def foreign(proxied: Proxied) -> Iterator[Any]:
    """A container of somebody else on the same engine."""
    container = proxied.raw.containers.create(BASE_TAG, ["sleep", "60"], labels={"evenvoice.state": "somebody else's"})
    try:
        yield container
    finally:
        container.remove(force=True)


def test_a_stage_container_runs_is_followed_and_removed(proxied: Proxied) -> None:
    container = proxied.client.containers.create(**proxied.options(
        "python3", "-uc", f"import os; print('uid', os.getuid()); open('{proxied.state}/result', 'w').write('made')"))
    container.start()
    assert b"".join(container.logs(stream=True, follow=True)) == b"uid 10001\n"
    assert container.wait()["StatusCode"] == 0
    assert (proxied.state / "result").read_text() == "made"
    container.remove(v=True)
    with pytest.raises(NotFound):
        proxied.client.containers.get(container.id)


def test_the_log_arrives_while_the_container_runs(proxied: Proxied) -> None:
    flag = proxied.state / "go-on"
    container = proxied.client.containers.create(**proxied.options(
        "sh", "-c", f"echo first; while ! test -e {flag}; do sleep 0.05; done; echo second"))
    container.start()
    lines = container.logs(stream=True, follow=True)
    assert next(lines) == b"first\n"  # the container cannot say more until it is told to
    flag.touch()
    assert next(lines) == b"second\n"
    container.remove(force=True)


def test_a_container_is_found_by_its_label_and_stopped(proxied: Proxied, foreign: Any) -> None:
    container = proxied.client.containers.create(**proxied.options("sh", "-c", "trap 'exit 7' TERM; sleep 60 & wait"))
    container.start()
    listed = proxied.client.containers.list(all=True)
    assert container.id in [found.id for found in listed]
    assert foreign.id not in [found.id for found in listed]
    container.stop(timeout=20)
    container.reload()
    assert container.attrs["State"]["Status"] == "exited"
    container.remove()


def test_the_image_may_be_named_by_its_digest(proxied: Proxied) -> None:
    image = proxied.client.images.get(BASE_TAG)
    container = proxied.client.containers.create(**proxied.options("true", image=image.id))
    assert container.attrs["Image"] == image.id
    container.remove()


@pytest.mark.parametrize(("wish", "field"), [
    ({"privileged": True}, "Privileged"), ({"cap_add": ["SYS_ADMIN"]}, "CapAdd"), ({"pid_mode": "host"}, "PidMode"),
    ({"network_mode": "host", "network": None}, "NetworkMode"),
    ({"network": "bridge"}, "NetworkingConfig"), ({"user": "0:0"}, "User"),
    ({"mounts": [Mount("/host", "/", type="bind")]}, "Mounts"), ({"volumes": ["/:/host:ro"]}, "Volumes"),
    ({"mounts": [Mount("/var/run/docker.sock", "/var/run/docker.sock", type="bind")]}, "Mounts"),
    ({"volumes_from": ["x"]}, "VolumesFrom"), ({"devices": ["/dev/kmsg"]}, "Devices"),
    ({"labels": {}}, "Labels"), ({"mem_limit": None}, "Memory"), ({"image": "evenvoice/other:local"}, "the image"),
])
def test_what_would_give_the_machine_away_is_refused_by_name(proxied: Proxied, wish: dict[str, Any],
                                                             field: str) -> None:
    with pytest.raises(APIError, match=f"refused by the engine proxy: .*{field}") as refusal:
        proxied.client.containers.create(**proxied.options("true", **wish))
    assert refusal.value.status_code == 403


def test_an_image_by_the_digest_of_another_repository_is_refused(proxied: Proxied) -> None:
    tag = f"foreign-{proxied.owner}:1"
    # an image of its own, since one image under two names would be the allowed one
    container = proxied.raw.containers.create(BASE_TAG, ["true"])
    image = container.commit(*tag.split(":"))
    container.remove()
    try:
        with pytest.raises(APIError, match="the image is one of"):
            proxied.client.containers.create(**proxied.options("true", image=image.id))
    finally:
        proxied.raw.images.remove(tag)


def test_a_run_keeps_its_image_when_a_build_took_the_tag(proxied: Proxied) -> None:
    made_from = proxied.raw.containers.create(BASE_TAG, ["true"])
    titled = made_from.commit(changes=f'LABEL org.opencontainers.image.title="{KINDS["stage"].title}"')
    untitled = made_from.commit()
    made_from.remove()
    try:
        container = proxied.client.containers.create(**proxied.options("true", image=titled.id))
        container.remove()
        with pytest.raises(APIError, match="the image is one of"):
            proxied.client.containers.create(**proxied.options("true", image=untitled.id))
    finally:
        proxied.raw.images.remove(titled.id)
        proxied.raw.images.remove(untitled.id)


def test_other_peoples_containers_cannot_be_touched(proxied: Proxied, foreign: Any) -> None:
    api = proxied.client.api
    for attempt in (api.inspect_container, api.start, api.stop, api.kill, api.wait, api.remove_container, api.logs):
        with pytest.raises(APIError, match="the container carries the label"):
            attempt(foreign.id)
    foreign.reload()
    assert foreign.status == "created"


def test_nobody_gets_into_a_running_container(proxied: Proxied) -> None:
    container = proxied.client.containers.create(**proxied.options("sleep", "60"))
    container.start()
    for attempt in (lambda: container.exec_run("id"), lambda: container.get_archive("/etc"), lambda: container.attach(),
                    lambda: container.update(mem_limit=2**40), lambda: container.commit("x"),
                    lambda: proxied.client.images.pull("x", tag="1"), lambda: proxied.client.volumes.list()):
        with pytest.raises(APIError, match="refused by the engine proxy"):
            attempt()
    container.remove(force=True)


@pytest.mark.parametrize("head", [
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\nabc",
    b"GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    b"POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
])
def test_requests_that_hide_a_second_one_are_refused(proxied: Proxied, head: bytes) -> None:
    answer = _exchange(proxied.port, head + b"GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_only_the_first_request_of_a_connection_is_answered(proxied: Proxied) -> None:
    answer = _exchange(proxied.port, b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def _exchange(port: int, sent: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError):  # what was not read is thrown back
            while received := connection.recv(65536):
                answer += received
    return answer
