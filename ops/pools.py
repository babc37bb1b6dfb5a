"""Airflow's pools, in which stages wait for GPUs: a task whose pool is missing waits for ever without an error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dags.runners.gpus import pools_needed
from evenvoice.errors import PreflightError
from evenvoice.params import load_params


def ensure_pools(root: Path, env: Mapping[str, str]) -> dict[str, int]:
    """Make the pools that params.yaml asks for in Airflow's database; returns their slots, nothing where none is.

    Raises:
        ParamsError: a stage wants more GPUs than there are.
        PreflightError: Airflow does not have them afterwards.
    """
    needed = pools_needed(load_params(root / "params.yaml").resources)
    for name, slots in needed.items():
        _airflow(env, "set", name, str(slots), "GPUs of this machine; stages that need one wait here")
    if needed:
        listed = json.loads(_airflow(env, "list", "--output", "json"))
        found = {pool["pool"]: int(pool["slots"]) for pool in listed}
        if missing := {name: slots for name, slots in needed.items() if found.get(name) != slots}:
            raise PreflightError(name="Airflow's pools", rule=f"hold {missing}", value=found,
                                 action="Make them by hand: airflow pools set NAME SLOTS DESCRIPTION.")
    return needed


def _airflow(env: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "airflow", "pools", *arguments], env=env,  # noqa: S603
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise PreflightError(name=f"airflow pools {arguments[0]}", rule="succeed", value=done.stderr.strip()[-500:],
                             action="Read Airflow's log; is its database there?")
    return done.stdout[done.stdout.find("["):]  # warnings may come before it
