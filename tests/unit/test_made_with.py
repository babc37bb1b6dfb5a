"""What no hash covers is known beside a result, and compared by what the computation really used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evenvoice import made_with
from evenvoice.errors import ArtifactError
from evenvoice.made_with import MadeWith
from evenvoice.storage import read_json

ENTRY = {"outs": [{"path": "artifacts/models/base", "md5": "ab.dir"}, {"path": "reports/x", "md5": "cd"}]}
THEN = MadeWith(python="3.11.9", processor="x86_64, A", threads=2, accelerator="",
                packages={"torch": "2.12.0", "numpy": "2.3.0"})


def test_every_difference_is_named_with_both_values() -> None:
    now = MadeWith(python="3.12.1", processor="aarch64, B", threads=4, accelerator="",
                   packages={"torch": "2.13.0", "numpy": "2.3.0", "scipy": "1.17"})

    assert THEN.differences(now) == ["torch 2.12.0, now 2.13.0", "Python 3.11.9, now 3.12.1",
                                     "processor x86_64, A, now aarch64, B", "threads 2, now 4"]


def test_a_choice_of_kernels_counts_as_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    before = MadeWith.here()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")

    [difference] = before.differences(MadeWith.here())

    assert difference == f"processor {before.processor}, now {before.processor}, OPENBLAS_CORETYPE=Nehalem"


def test_a_package_that_the_computation_did_not_import_does_not_make_it_old() -> None:
    now = replace(THEN, packages={**THEN.packages, "scipy": "9"})

    assert THEN.differences(now) == []


def test_a_package_that_is_gone_is_a_difference() -> None:
    assert THEN.differences(replace(THEN, packages={"torch": "2.12.0"})) == ["numpy 2.3.0, now none"]


def test_an_accelerator_counts_only_where_both_know_it() -> None:
    on_gpu = replace(THEN, accelerator="H200")

    assert on_gpu.differences(THEN) == []
    assert on_gpu.differences(replace(THEN, accelerator="H100")) == ["accelerator H200, now H100"]


def test_a_record_is_found_by_the_outputs_alone(tmp_path: Path) -> None:
    made_with.keep(tmp_path, "train", ENTRY, THEN)

    assert made_with.find(tmp_path, "train", {**ENTRY, "deps": [], "params": {}}) == THEN
    assert made_with.find(tmp_path, "train", {"outs": [{"path": "artifacts/models/base", "md5": "other"}]}) is None
    assert made_with.find(tmp_path, "transcribe@base", ENTRY) is None


def test_a_later_computation_of_the_same_outputs_replaces_the_record(tmp_path: Path) -> None:
    made_with.keep(tmp_path, "train", ENTRY, THEN)
    made_with.keep(tmp_path, "train", ENTRY, replace(THEN, python="3.12.1"))

    found = made_with.find(tmp_path, "train", ENTRY)

    assert found is not None
    assert found.python == "3.12.1"


def test_an_unknown_origin_is_said_and_not_taken_for_the_present_one() -> None:
    assert made_with.age(None, THEN) == ["made with unknown versions"]
    assert made_with.age(THEN, THEN) == []


def test_a_stage_reports_the_packages_that_it_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setenv(made_with.REPORT, str(tmp_path / "train.json"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    made_with.report_used()

    found = MadeWith.from_json(read_json(tmp_path / "train.json"))
    assert found.packages["numpy"] == np.__version__
    assert found.threads == 3
    assert "espeakng-loader" in MadeWith.here().packages


def test_a_record_of_another_form_is_refused_by_name() -> None:
    with pytest.raises(ArtifactError, match=r"Remove \.evenvoice/made_with"):
        MadeWith.from_json({"python": "3.11"})
