"""The commands behind the Makefile, as far as they do not need servers."""

from __future__ import annotations

import io
import re
import socket
from pathlib import Path

import pytest
from rich.console import Console

from evenvoice.errors import ParamsError, PreflightError
from ops import services
from ops.locks import without_build_labels
from ops.run import parse_changes

ROOT = Path(__file__).resolve().parents[2]


def test_single_parameters_are_read_as_yaml_reads_them() -> None:
    changes = parse_changes(("train.steps=100", "ingest.allow_speaker_overlap=true", "ingest.select=a b"))

    assert changes == {"train.steps": 100, "ingest.allow_speaker_overlap": True, "ingest.select": "a b"}


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

    assert all(re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==[0-9][^+/]*", package) for package in packages)
    assert "torch==2.13.0" in packages


def test_the_dev_lock_holds_the_versions_of_the_run_lock() -> None:
    run, dev = ((ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8").splitlines() for name in ("run", "dev"))

    assert set(run) <= set(dev)


def test_a_taken_port_is_refused_with_the_way_to_choose_another(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PreflightError, match=f"port {port} must be free for airflow.* AIRFLOW_PORT={port + 1000}"):
            services.up(tmp_path, Console(quiet=True), airflow_port=port, mlflow_port=port)


def test_down_without_up_ends_nothing(tmp_path: Path) -> None:
    console = Console(record=True, file=io.StringIO())

    assert services.down(tmp_path, console) == 0
    assert "nothing was running" in console.export_text()


def test_make_help_lists_every_target_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"(?m)^\.PHONY: ((?:.*\\\n)*.*)$", makefile)[1].replace("\\", "").split())  # type: ignore[index]

    assert set(re.findall(r"(?m)^([a-z-]+):.*## ", makefile)) == phony - {"env", "env-dev", "env-bench"}
