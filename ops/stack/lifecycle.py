"""`make up-stack` and `make down-stack`: the whole service on one machine in containers (docker/compose.yaml)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from docker.models.containers import Container
from rich.console import Console

from dags.runners.container import STATE
from dags.runners.engine import Engine, EngineAway, absent, connected
from evenvoice.errors import PreflightError
from ops.stack.compose import Compose, find_compose
from ops.stack.settings import StackFile, env_file, read_or_make

WAIT_S: Final = 600.0
POLL_S: Final = 1.0
LOG_LINES: Final = 25
PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
SETUP: Final = "airflow-init"
_IMAGES: Final = (("STAGE_IMAGE", "make images"), ("AIRFLOW_IMAGE", "make images"),
                  ("DOCKER_PROXY_IMAGE", "make stack-images"), ("OBJECTSTORE_IMAGE", "make stack-images"),
                  ("POSTGRES_IMAGE", "make stack-images, or docker pull what POSTGRES_IMAGE names"))
_PORTS: Final = ("AIRFLOW_PORT", "MLFLOW_PORT", "S3_PORT")
_FOLDERS: Final = ("runs", "cache", "dvc", "locks", "registry", "stack/logs")


def up_stack(root: Path, console: Console) -> int:
    """Start what is not running yet, wait until all of it is healthy, and say where it is.

    Raises:
        PreflightError: engine, compose, an image, a port or a folder is missing, or a service did not become healthy.
        ParamsError: the env file is damaged.
    """
    command = find_compose()
    try:
        with connected() as engine:
            settings, made = read_or_make(root, socket=engine_socket())
            if made:
                console.print(f"made {env_file(root)} with new secrets", highlight=False, soft_wrap=True)
            _demand_images(engine, settings)
            running = _containers(engine, settings)
            if not running:
                _demand_ports(settings)
            _prepare_folders(settings)
            compose = Compose(command, settings, root / "docker" / "compose.yaml", _computed(engine, settings))
            _start(compose, engine, console)
    except EngineAway as reason:
        raise absent(reason) from reason
    _print_addresses(settings, console)
    return 0


def down_stack(root: Path, console: Console) -> int:
    """Stop the stack; data stays, and stages that run go on until the next start takes them over."""
    if not env_file(root).exists():
        console.print("there is no stack here", highlight=False)
        return 0
    command = find_compose()
    try:
        with connected() as engine:
            settings, _ = read_or_make(root, socket=engine_socket())
            compose = Compose(command, settings, root / "docker" / "compose.yaml", _computed(engine, settings))
            stages = engine.labelled({STATE: settings["EVENVOICE_HOME"]})
    except EngineAway as reason:
        raise absent(reason) from reason
    # stages keep their network in use; compose would fail over removing it
    steps = (["stop", "--timeout", "60"], ["rm", "--force"]) if stages else (["down", "--timeout", "60"],)
    for step in steps:
        done = compose.run(*step)
        if done.returncode:
            raise PreflightError(name=f"compose {step[0]}", rule="succeed", value=done.stderr.strip()[-800:],
                                 action="`docker ps` shows what still runs.")
    for stage in stages:
        console.print(f"{stage.name} goes on; `make up-stack` takes it over", highlight=False)
    console.print("the stack is stopped; its data is kept", highlight=False)
    return 0


def engine_socket() -> Path:
    """The socket of the engine that this user's client talks to.

    Raises:
        PreflightError: it is behind an address; a proxy can only stand in front of a socket of this machine.
    """
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        raise PreflightError(name="DOCKER_HOST", rule="name a socket of this machine for the stack", value=host,
                             action="Unset it, or run the stack on the engine's own machine.")
    return Path(host.removeprefix("unix://"))


def _computed(engine: Engine, settings: StackFile) -> dict[str, str]:
    labels = engine.image(settings["AIRFLOW_IMAGE"]).labels
    changes = "+changes" if labels.get("io.evenvoice.dirty") == "true" else ""
    commit = labels.get("org.opencontainers.image.revision", "none")
    return {"EVENVOICE_COMMIT": commit + changes}


def _demand_images(engine: Engine, settings: StackFile) -> None:
    for setting, remedy in _IMAGES:
        try:
            engine.image(settings[setting])
        except PreflightError:
            raise PreflightError(name=f"the image {settings[setting]}", rule="be on this engine", value="none of it",
                                 action=f"Run: {remedy}") from None


def _demand_ports(settings: StackFile) -> None:
    for setting in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(settings[setting])))
            except OSError:
                raise PreflightError(
                    name=f"port {settings[setting]}", rule="be free for the stack", value="another program there",
                    action=f"Stop it (`make down`?), or change {setting} in {settings.path}.") from None


def _prepare_folders(settings: StackFile) -> None:
    """What the services share with this machine belongs to their uid."""
    home, uid, gid = (Path(settings["EVENVOICE_HOME"]), int(settings["EVENVOICE_UID"]), int(settings["EVENVOICE_GID"]))
    for folder in (home, *(home / name for name in _FOLDERS)):
        folder.mkdir(parents=True, exist_ok=True)
    Path(settings["EVENVOICE_CORPORA"]).mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shared = (home / name for name in ("cache", "dvc", "locks", "registry", "stack"))
        for path in (home, home / "runs", *(path for folder in shared for path in (folder, *folder.rglob("*")))):
            os.chown(path, uid, gid, follow_symlinks=False)
        return
    for folder in (home, *(home / name for name in _FOLDERS)):
        if folder.stat().st_uid != uid:
            raise PreflightError(name=str(folder), rule=f"belong to uid {uid} (EVENVOICE_UID)",
                                 value=folder.stat().st_uid, action=f"sudo chown -R {uid}:{gid} {home}")


def _start(compose: Compose, engine: Engine, console: Console) -> None:
    """compose goes through the services in their order; meanwhile each that becomes healthy is named."""
    log = Path(compose.settings["EVENVOICE_HOME"]) / "stack" / "compose.log"
    began = time.monotonic()
    told: set[str] = set()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            compose.argv("up", "--detach", "--no-build", "--remove-orphans"), env=compose.environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                over = process.poll() is not None
                containers = _containers(engine, compose.settings)
                _tell(containers, told, console, began)
                if over and process.returncode:
                    raise _failure("compose up", f"exit status {process.returncode}", log, containers)
                if over and containers and all(map(_is_well, containers)):
                    return
                broken = [container for container in containers if _is_broken(container)]
                if broken or time.monotonic() - began > WAIT_S:
                    waiting = [container for container in containers if not _is_well(container)]
                    raise _failure("the stack", "silence", log, broken or waiting)
                time.sleep(POLL_S)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _containers(engine: Engine, settings: StackFile) -> list[Container]:
    return engine.labelled({PROJECT: settings["STACK_NAME"]})


def _tell(containers: Iterable[Container], told: set[str], console: Console, began: float) -> None:
    for container in containers:
        service = container.labels[SERVICE]
        if _is_well(container) and service not in told:
            told.add(service)
            word = "done" if service == SETUP else "healthy"
            console.print(f"{service:<22} {word:<8} {time.monotonic() - began:4.0f} s", highlight=False)


def _is_well(container: Container) -> bool:
    state = container.attrs["State"]
    if container.labels[SERVICE] == SETUP:
        return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
    return bool(state["Status"] == "running" and state.get("Health", {}).get("Status") == "healthy")


def _is_broken(container: Container) -> bool:
    state = container.attrs["State"]
    if container.labels[SERVICE] == SETUP:
        return bool(state["Status"] == "exited" and state["ExitCode"] != 0)
    if state["Status"] not in ("running", "restarting"):
        return False  # compose is just making it, or taking an older one away
    return bool(state.get("Health", {}).get("Status") == "unhealthy" or container.attrs["RestartCount"] > 3)


def _failure(name: str, value: str, log: Path, containers: Iterable[Container]) -> PreflightError:
    words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
    for container in containers:
        if not _is_well(container) and container.attrs["State"]["Status"] != "removing":
            said = container.logs(tail=LOG_LINES).decode("utf-8", errors="replace").rstrip()
            words.append(f"--- {container.name}:\n{said}")
    return PreflightError(name=name, rule=f"come up within {WAIT_S:g} s", value=value + "\n" + "\n".join(words),
                          action=f"Read `docker logs` of the service above, and {log}; `make down-stack` ends it.")


def _print_addresses(settings: StackFile, console: Console) -> None:
    for line in (
            f"Airflow       http://localhost:{settings['AIRFLOW_PORT']}   user admin",
            f"MLflow        http://localhost:{settings['MLFLOW_PORT']}   user admin",
            f"object store  http://localhost:{settings['S3_PORT']}   access key {settings['S3_ACCESS_KEY']}",
            f"passwords     AIRFLOW_ADMIN_PASSWORD, MLFLOW_ADMIN_PASSWORD, S3_SECRET_KEY in {settings.path}",
            "All answer on this machine only. `make down-stack` stops them and keeps their data."):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
