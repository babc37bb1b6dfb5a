"""The floors stay floors: imports run downwards, and each technology has one door."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("evenvoice", "stages", "worker", "dags", "ops", include_external_packages=True,
                             cache_dir=None)


def test_the_contracts_of_pyproject_are_kept() -> None:
    lint = Path(sys.executable).parent / "lint-imports"

    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize(("technology", "doors"), [
    ("mlflow", {"evenvoice.tracking.store", "evenvoice.tracking.served_model", "evenvoice.tracking.served_multitalker",
                "evenvoice.tracking.served_verifier"}),
    ("docker", {"dags.runners.container", "dags.runners.engine", "ops.stack.lifecycle"}),
    ("dvc", {"worker.dvc_door"}),
    ("boto3", {"evenvoice.object_store.client"}),
])
def test_each_technology_is_imported_in_one_place(graph: grimp.ImportGraph, technology: str, doors: set[str]) -> None:
    assert graph.find_modules_that_directly_import(technology) == doors


@pytest.mark.parametrize("heavy", ["torch", "pyarrow"])
def test_dags_workers_and_the_configuration_import_nothing_heavy(graph: grimp.ImportGraph, heavy: str) -> None:
    for module in ("dags.train_asr", "dags.rollback", "dags.reap_containers", "dags.judge", "worker.__main__",
                   "evenvoice.params", "evenvoice.errors", "evenvoice.storage", "evenvoice.progress",
                   "evenvoice.data.corpora.fingerprint"):
        assert not graph.chain_exists(importer=module, imported=heavy), f"{module} reaches {heavy}"
