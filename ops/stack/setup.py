"""What the stack's services need before they start: runs in the container `airflow-init`, once per `make up-stack`.

Everything is safe to repeat; nothing that a person changed since (a password, slots of a pool) is put back.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from dags.runners.gpus import pools_needed
from dags.runs import ROOT
from evenvoice.errors import EvenvoiceError, PreflightError
from evenvoice.params import load_params

ADMINISTRATOR = "admin"
PIPELINE = "pipeline"
WAIT_S = 300.0


def main() -> int:
    """Migrate, then make what is missing; returns the exit status."""
    try:
        _migrate()
        _make_administrator(os.environ["AIRFLOW_ADMIN_PASSWORD"])
        _make_pools(ROOT)
        _await(f"{os.environ['MLFLOW_TRACKING_URI']}/health", "MLflow")
        _make_buckets(os.environ["S3_BUCKETS"].split(","))
        _make_mlflow_account(os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_ADMIN_PASSWORD"],
                             os.environ["MLFLOW_PIPELINE_PASSWORD"])
    except EvenvoiceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _migrate() -> None:
    Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"]).mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise PreflightError(name="airflow db migrate", rule="succeed", value=done.stderr.strip()[-1500:],
                             action="Read the log of the service postgres.")
    print("Airflow's database is migrated", flush=True)


def _make_administrator(password: str) -> None:
    """In this process, since a command line would show the password to everybody on the machine."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        if manager.find_user(username=ADMINISTRATOR) is None:
            made = manager.add_user(ADMINISTRATOR, "Local", "Administrator", "admin@localhost",
                                    manager.find_role("Admin"), password=password)
            if not made:
                raise PreflightError(name=f"Airflow's user {ADMINISTRATOR}", rule="be made", value="a refusal",
                                     action="Read the log of airflow-init.")
            print("Airflow's administrator is made", flush=True)


def _make_pools(root: Path) -> None:
    """A task in a pool that does not exist would wait for ever without a word."""
    from airflow.models.pool import Pool

    for name, slots in pools_needed(load_params(root / "params.yaml").resources).items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots=slots, description="GPUs of this machine", include_deferred=False)
            print(f"pool {name} with {slots} slots", flush=True)


def _await(address: str, name: str) -> None:
    """Until it answers: it was started together with this container."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30):  # noqa: S310
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise PreflightError(name=name, rule=f"answer within {WAIT_S:g} s", value=error,
                                     action="Read the log of its service.") from None
        time.sleep(1)


def _make_buckets(names: list[str]) -> None:
    from evenvoice.object_store import Address, ObjectStore
    from evenvoice.object_store.client import client, own_errors

    for name in names:
        try:
            ObjectStore.at(f"s3://{name}").exists("evenvoice")
        except PreflightError:  # no such bucket, or no right to ask; the store says which when it is to make one
            with own_errors(Address.parse(f"s3://{name}/evenvoice")):
                client().create_bucket(Bucket=name)
            print(f"bucket {name}", flush=True)


def _make_mlflow_account(address: str, admin_password: str, password: str) -> None:
    """The pipeline's own, which owns what it makes and reads the rest; it administers nobody."""
    credentials = base64.b64encode(f"{ADMINISTRATOR}:{admin_password}".encode()).decode()
    body = json.dumps({"username": PIPELINE, "password": password}).encode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/users/create", body,  # noqa: S310
                                     {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            print("MLflow's account of the pipeline is made", flush=True)
    except urllib.error.HTTPError as error:
        answer: Any = error.read().decode(errors="replace")
        if "RESOURCE_ALREADY_EXISTS" not in answer:
            raise PreflightError(
                name=f"MLflow's user {PIPELINE}", rule="be made", value=f"{error.code} {answer[:300]}",
                action="Was the password of MLflow's admin changed? Put the new one into the env file.") from None


if __name__ == "__main__":
    sys.exit(main())
