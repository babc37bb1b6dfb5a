"""The cluster of the tests for a person: `make cluster-up`, `make cluster-down`.

`up` starts Kubernetes with two nodes, an object store, PostgreSQL and MLflow, loads the images, and writes
.evenvoice/cluster/environment, after which `make run RUNNER=kubernetes` works on it. `make test-cluster` puts its own
secret and services in place of these: call `down` and `up` after it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from evenvoice.errors import EvenvoiceError
from tests.builders import cluster
from tests.builders.cluster_services import serving_all
from tests.builders.cluster_set_up import set_up
from tests.builders.engine import built_image, reach_engine

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".evenvoice" / "cluster"
READY = FOLDER / "environment"
PID = FOLDER / "pid"


def main() -> int:
    """Obey."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("up", "down", "serve"))
    try:
        return {"up": up, "down": down, "serve": serve}[parser.parse_args().command]()
    except EvenvoiceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code


def up() -> int:
    """Start everything that does not run yet, and say how to use it."""
    if not (_serving() and READY.exists()):
        FOLDER.mkdir(parents=True, exist_ok=True)
        READY.unlink(missing_ok=True)
        log = FOLDER / "log"
        with log.open("wb") as sink:
            server = subprocess.Popen([sys.executable, "-m", "tests.cluster", "serve"], cwd=ROOT, stdout=sink,
                                      stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        PID.write_text(str(server.pid), encoding="utf-8")
        print("starting Kubernetes, an object store, PostgreSQL and MLflow, and loading the stage image: three minutes")
        while not READY.exists():
            if server.poll() is not None:
                print(log.read_text(encoding="utf-8", errors="replace")[-3000:], file=sys.stderr)
                return 1
            signal.sigtimedwait((), 0.5)
    print(f"set -a; . {READY}; set +a\nmake run RUNNER=kubernetes PROFILE=tiny")
    return 0


def down() -> int:
    """End all of it; what it kept is gone."""
    if _serving():
        pid = int(PID.read_text(encoding="utf-8"))
        os.kill(pid, signal.SIGTERM)
        cluster.wait_until(lambda: not _serving(), "the services to end")
    READY.unlink(missing_ok=True)
    cluster.down()
    return 0


def serve() -> int:
    """Hold the services until somebody asks for their end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    kubernetes, engine = cluster.up(), reach_engine()
    with serving_all(kubernetes, FOLDER) as services:
        set_up(kubernetes, services)
        stage = built_image(engine, "stage")
        [image] = cluster.import_images(kubernetes, engine.client.path, stage.tag, directory=FOLDER)
        lines = [f"{name}={shlex.quote(value)}" for name, value in services.environment(image, FOLDER).items()]
        READY.write_text("\n".join(lines) + "\n", encoding="utf-8")
        signal.pause()
    return 0


def _serving() -> bool:
    if not PID.exists():
        return False
    command = Path(f"/proc/{PID.read_text(encoding='utf-8')}/cmdline")
    return command.exists() and b"tests.cluster" in command.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
