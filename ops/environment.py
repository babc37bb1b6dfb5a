"""The settings that Airflow, MLflow and DVC get on this machine, in one place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dags.runs import state_of

AIRFLOW_PORT = 8080
MLFLOW_PORT = 5000


def environment(root: Path, *, database: Path | None = None) -> dict[str, str]:
    """This process's environment with ours laid over it.

    Args:
        database: Airflow's SQLite file; by default the one that `make up` serves.
    """
    state = state_of(root)
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {
        "MLFLOW_TRACKING_URI": f"sqlite:///{state / 'mlflow' / 'mlflow.db'}",
        **os.environ,
        "PATH": commands,
        "PYTHONPATH": str(root),
        "EVENVOICE_HOME": str(state),
        "AIRFLOW_HOME": str(state / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",  # the default of 32 starts workers for 5.7 GB of memory
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database or state / 'airflow' / 'airflow.db'}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(state / "dvc"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
