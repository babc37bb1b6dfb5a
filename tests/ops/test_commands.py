"""The commands behind the Makefile, as far as they do not need servers."""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rich.console import Console

from dags.workspace import Request, run_params
from evenvoice.errors import ParamsError, PreflightError
from evenvoice.params import parse_params
from ops import services
from ops.board import Board, Events
from ops.bootstrap import SUPPORTED
from ops.images.context import pinned
from ops.locks import merged, without_build_labels
from ops.run import _watch, parse_changes

ROOT = Path(__file__).resolve().parents[2]


def test_single_parameters_are_read_as_yaml_reads_them() -> None:
    changes = parse_changes(("train.steps=100", "ingest.allow_speaker_overlap=true", "ingest.select=a b"))

    assert changes == {"train.steps": 100, "ingest.allow_speaker_overlap": True, "ingest.select": "a b"}


def test_single_parameters_mean_what_they_would_mean_in_params_yaml() -> None:
    changes = parse_changes(("train.learning_rate=1e-3", "gate.max_gap=yes", 'ingest.select="01"'))

    assert changes == {"train.learning_rate": 0.001, "gate.max_gap": "yes", "ingest.select": "01"}


def test_a_planted_difference_is_given_by_single_parameters() -> None:
    plant = ("transform=formants", "strength=0.15", "attribute=country", 'value="south korea"', "train_share=0.5")
    settled = run_params(ROOT, Request(profile="accents", changes=parse_changes(
        tuple(f"ingest.plant.{setting}" for setting in plant))))

    found = parse_params(settled, "SET").ingest.plant
    assert (found.who, found.chosen_by, found.plants) == ("attribute", "whose country is south korea", True)


@pytest.mark.parametrize(("texts", "words"), [
    (("train.steps=01200",), "SET: train.steps must mean the same to every reader of YAML, got 01200 instead"),
    (("train.steps=20:00",), "SET: train.steps must mean the same to every reader of YAML, got 20:00 instead"),
    (("train={steps: 5, steps: 6}",), "SET: train.steps must stand once"),
    (("train.steps=5", "train.steps=6"), "SET: train.steps must be given once, got 5 and 6 instead"),
    (("ingest.select=[a",), "SET: ingest.select must be YAML"),
    (("ingest.select=\udce4",), "SET: ingest.select must be UTF-8"),
])
def test_a_single_parameter_that_can_be_misread_is_refused(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(ParamsError) as refused:
        parse_changes(texts)
    assert str(refused.value).startswith(words)


def test_a_parameter_without_a_value_is_refused_with_an_example() -> None:
    with pytest.raises(ParamsError, match=r"SET must read section.name=value, got train.steps instead\. For example"):
        parse_changes(("train.steps",))


def test_build_labels_leave_the_lock_and_markers_stay() -> None:
    lock = "torch==2.13.0+cpu\nfoo==1.0 ; sys_platform == 'linux'\n"

    assert without_build_labels(lock) == "torch==2.13.0\nfoo==1.0 ; sys_platform == 'linux'\n"


@pytest.mark.parametrize("name", ["run", "dev"])
def test_locks_pin_every_package_and_name_no_index(name: str) -> None:
    lines = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith("#")]

    pin = r"[A-Za-z0-9._-]+==[0-9][^+/ ]*( ; python_version == '3\.\d+'( or python_version == '3\.\d+')*)?"
    assert all(re.fullmatch(pin, package) for package in packages)
    assert "torch==2.13.0" in packages


def test_one_lock_holds_for_each_python_and_marks_what_they_do_not_share() -> None:
    found = {"3.11": "numpy==2.4.6\ntorch==2.13.0\n", "3.12": "numpy==2.4.6\ntorch==2.13.0\ntriton==3.7.1\n",
             "3.13": "audioop-lts==0.2.2\nnumpy==2.5.0\nnvidia-cublas==13.1\ntorch==2.13.0\n"}

    assert merged(found) == ("audioop-lts==0.2.2 ; python_version == '3.13'\n"
                             "numpy==2.4.6 ; python_version == '3.11' or python_version == '3.12'\n"
                             "numpy==2.5.0 ; python_version == '3.13'\ntorch==2.13.0\n")


def test_pyproject_and_bootstrap_let_the_same_pythons_in() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = SpecifierSet(project["requires-python"])

    assert tuple(python for python in (f"3.{minor}" for minor in range(8, 20)) if f"{python}.5" in allowed) == SUPPORTED


def test_the_locked_torch_is_in_the_range_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [torch] = [Requirement(text) for text in project["optional-dependencies"]["training"]]

    assert pinned((ROOT / "locks" / "run.txt").read_text(encoding="utf-8"))["torch"] in torch.specifier


def test_the_dev_lock_holds_the_versions_of_the_run_lock() -> None:
    run, dev = ((ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("run", "dev"))

    assert set(run) <= set(dev)


@pytest.mark.parametrize(("name", "setting"), [("airflow", "AIRFLOW_PORT"), ("mlflow", "MLFLOW_PORT")])
def test_a_taken_port_is_refused_with_the_way_to_choose_another(name: str, setting: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PreflightError, match=f"port {port} must be free for {name}.* {setting}={port + 1000}"):
            services.up(tmp_path, Console(quiet=True), **{"airflow_port": 0, "mlflow_port": 0, f"{name}_port": port})
    assert not (tmp_path / ".evenvoice").exists()


def test_down_without_up_ends_nothing(tmp_path: Path) -> None:
    console = Console(record=True, file=io.StringIO())

    assert services.down(tmp_path, console) == 0
    assert "nothing was running" in console.export_text()


@pytest.mark.parametrize(("given", "passed"), [("VERIFY=1", True), ("VERIFY=0", False), ("VERIFY=", False)])
def test_make_run_passes_verify_on_where_it_is_switched_on(given: str, passed: bool) -> None:
    shown = subprocess.run(["make", "-n", "run", given], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert ("--verify" in shown) is passed


def test_what_the_snapshot_found_is_shown_and_what_stages_say_in_passing_is_not(tmp_path: Path) -> None:
    progress, console = tmp_path / "progress.jsonl", Console(record=True, file=io.StringIO(), width=200)
    events = [{"stage": "snapshot", "note": "changed although size and time did not: [a].wav"},
              {"stage": "train", "note": "units: 40"}, {"stage": "snapshot", "state": "done", "at": 1.0}]
    progress.write_text("".join(f"{json.dumps(event)}\n" for event in events))

    with subprocess.Popen(["true"]) as process:
        _watch(process, Events(progress), Board(["snapshot"]), console)

    shown = console.export_text()
    assert "changed although size and time did not: [a].wav" in shown
    assert "done" in shown
    assert "units" not in shown


def test_make_help_lists_every_target_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"(?m)^\.PHONY: ((?:.*\\\n)*.*)$", makefile)[1].replace("\\", "").split())  # type: ignore[index]

    assert set(re.findall(r"(?m)^([a-z-]+):.*## ", makefile)) == phony - {"env", "env-dev", "env-bench"}
