"""A stack of its own beside whatever else runs on this machine: other name, other ports, other folders."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.stack.lifecycle import engine_socket
from ops.stack.settings import StackFile, env_file, read_or_make

ROOT = Path(__file__).resolve().parents[2]


def stack_root(folder: Path, **changes: str) -> Path:
    """A copy of docker/ with an env file for free ports and a name of its own."""
    for name in ("compose.yaml", "postgres", "mlflow"):
        source = ROOT / "docker" / name
        (shutil.copytree if source.is_dir() else _copy)(source, folder / "docker" / name)
    read_or_make(folder, socket=engine_socket())
    ports = {name: str(_free_port()) for name in ("AIRFLOW_PORT", "MLFLOW_PORT", "S3_PORT")}
    edit(folder, STACK_NAME=f"evenvoice-test-{secrets.token_hex(3)}", AIRFLOW_PARALLELISM="2", **ports, **changes)
    return folder


def edit(root: Path, **changes: str) -> None:
    """Put other values into the env file."""
    path = env_file(root)
    text = path.read_text(encoding="utf-8")
    for name, value in changes.items():
        text = re.sub(f"(?m)^{name}=.*$", f"{name}={value}", text)
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    content: Any


@dataclass(frozen=True)
class Served:
    """The interfaces of a running stack, as a person with the env file reaches them."""

    settings: StackFile

    def airflow(self, method: str, path: str, body: Any = None) -> Answer:
        """Airflow's interface, as its administrator."""
        return ask(f"http://localhost:{self.settings['AIRFLOW_PORT']}{path}", method, body,
                   {"Authorization": f"Bearer {self.token()}"})

    def token(self) -> str:
        answer = ask(f"http://localhost:{self.settings['AIRFLOW_PORT']}/auth/token", "POST", {
            "username": "admin", "password": self.settings["AIRFLOW_ADMIN_PASSWORD"]}, {})
        assert answer.status == 201, answer
        return str(answer.content["access_token"])

    def mlflow(self, method: str, path: str, body: Any = None, *, user: str = "admin",
               password: str | None = None) -> Answer:
        """MLflow's interface, by default as its administrator."""
        said = f"{user}:{self.settings['MLFLOW_ADMIN_PASSWORD'] if password is None else password}"
        return ask(f"http://localhost:{self.settings['MLFLOW_PORT']}{path}", method, body,
                   {"Authorization": f"Basic {base64.b64encode(said.encode()).decode()}"})

    def objects(self) -> Any:
        """A client of the object store."""
        import boto3

        return boto3.client("s3", endpoint_url=f"http://localhost:{self.settings['S3_PORT']}",
                            aws_access_key_id=self.settings["S3_ACCESS_KEY"],
                            aws_secret_access_key=self.settings["S3_SECRET_KEY"],
                            region_name=self.settings["S3_REGION"])


def ask(url: str, method: str, body: Any, headers: dict[str, str]) -> Answer:
    """One request with a JSON body and a JSON answer."""
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None,
                                     {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return Answer(answer.status, _json(answer.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _json(error.read()))


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(source, target))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
