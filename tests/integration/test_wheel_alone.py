"""The wheel with nothing but its own dependencies: `evenvoice judge` needs no checkout, no torch and no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders.checkout import ROOT, full_checkout
from tests.builders.heard import heard, voices

pytestmark = pytest.mark.science

LOCK = ROOT / "locks" / "run.txt"
HEAVY = ("torch", "airflow", "mlflow", "dvc", "boto3", "docker")
CALL = """
import pyarrow.parquet as pq
from evenvoice.judge import judge_table
from evenvoice.judge.settings import read_judging
table, settings = pq.read_table("hyp.parquet"), read_judging(changes=("evaluate.replicates=300",))
import pandas
print(*(judge_table(made, settings=settings).judged.outcome for made in (table, table.to_pandas())))
"""
Command = Callable[..., subprocess.CompletedProcess[str]]


def clean() -> dict[str, str]:
    """The environment without what points to this checkout, or to its services."""
    ours = ("AIRFLOW", "MLFLOW", "EVENVOICE", "VIRTUAL_ENV", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pip", *arguments], env=clean(), capture_output=True, text=True,
                          check=False)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment that holds the wheel and what it demands, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    [probe] = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line.startswith("rapidfuzz==")]
    reached = pip("download", "--quiet", "--no-deps", "--dest", str(folder / "probe"), probe)
    if reached.returncode != 0:
        pytest.skip(f"no index of packages can be reached: {reached.stderr.strip().splitlines()[-1]}")
    built = pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(full_checkout(folder / "checkout")))
    assert built.returncode == 0, built.stderr[-3000:]
    [wheel] = folder.glob("evenvoice-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], env=clean(), check=True)
    installed = pip("--python", str(folder / "venv"), "install", "--quiet", "--only-binary", ":all:", "--constraint",
                    str(LOCK), str(wheel))
    assert installed.returncode == 0, installed.stderr[-3000:]
    return folder / "venv" / "bin"


@pytest.fixture
def command(environment: Path, tmp_path: Path) -> Command:
    """A program of that environment, in a folder that holds nothing but tables."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = heard({"female": 0.25, "male": 0.1})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hyp.parquet")
    pq.write_table(voices([row["speaker"] for row in rows]), tmp_path / "voices.parquet")

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([environment / program, *arguments], cwd=tmp_path, env=clean(), capture_output=True,
                              text=True, check=False)

    return run


def test_a_table_ends_in_a_verdict_a_page_and_data(command: Command, tmp_path: Path) -> None:
    done = command("evenvoice", "judge", "hyp.parquet", "--set", "evaluate.replicates=300")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAIL  pred_text\n- female of the attributes-gender method")
    assert json.loads((tmp_path / "judged" / "verdict.json").read_text(encoding="utf-8"))["verdict"] == "FAIL"
    assert '<h1 class="FAIL">' in (tmp_path / "judged" / "index.html").read_text(encoding="utf-8")


def test_every_normaliser_and_clusters_of_voices_work_there(command: Command, tmp_path: Path) -> None:
    done = command("evenvoice", "judge", "hyp.parquet", "--embeddings", "voices.parquet", "--normaliser", "english",
                   "--set", "evaluate.replicates=300", "--set", "discover.clusters.stability_runs=2")

    assert done.stderr == ""
    verdict = json.loads((tmp_path / "judged" / "verdict.json").read_text(encoding="utf-8"))
    assert (verdict["inputs"]["normaliser"], verdict["drawn_apart"]) == ("english", True)


def test_tables_at_hand_are_judged_there(command: Command) -> None:
    assert command("python", "-c", CALL).stdout == "FAIL FAIL\n"


def test_nothing_heavy_came_along(command: Command) -> None:
    looked = f"import importlib.util as u; print([name for name in {HEAVY} if u.find_spec(name)])"

    assert command("python", "-c", looked).stdout == "[]\n"


def test_without_mlflow_a_record_is_refused_before_anything_is_written(command: Command, tmp_path: Path) -> None:
    done = command("evenvoice", "judge", "hyp.parquet", "--record", "http://127.0.0.1:9")

    assert done.returncode == 3
    assert done.stderr.startswith("PreflightError: MLflow must be installed where a judgement is to be recorded")
    assert not (tmp_path / "judged").exists()
