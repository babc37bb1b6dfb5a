"""Models and methods are listed once, in evenvoice/params; files, dvc.yaml and params.yaml have what it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from evenvoice.cohorts import load_method
from evenvoice.mitigation import load_arm
from evenvoice.params import ARMS, CONTROLS, MADE_FROM, METHODS, MODELS, PARTS, SAVINGS, WEIGHTINGS

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
FOLDERS = {"artifacts/hypotheses": MODELS, "artifacts/models": MODELS, "artifacts/cohorts": METHODS,
           "artifacts/learning": tuple(PARTS), "artifacts/speaker_models": WEIGHTINGS, "artifacts/trials": WEIGHTINGS}
TRAINED = tuple(arm for arm in ARMS if arm not in MADE_FROM)
MATRICES = {"model": MODELS, "arm": TRAINED, "method": METHODS, "part": tuple(PARTS), "saving": SAVINGS,
            "weighting": WEIGHTINGS}
READS_ALL = [(stage, folder) for stage in STAGES if stage not in {*MADE_FROM, "timing"} for folder in FOLDERS
             if sum(dep.startswith(f"{folder}/") for dep in STAGES[stage]["deps"]) > 1]
"""Stages that read the folder of more than one model or method."""


def lines(names: Sequence[str]) -> str:
    return "\n".join(f"      - {name}" for name in names)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if "matrix" in STAGES[stage]])
def test_a_matrix_has_every_item_of_the_list_in_its_order(stage: str) -> None:
    [(item, values)] = STAGES[stage]["matrix"].items()

    assert values == list(MATRICES[item]), f"the matrix of {stage} in dvc.yaml has to be\n{lines(MATRICES[item])}"


def test_the_stages_that_read_all_models_or_methods_are_those_that_compare_them() -> None:
    assert {stage for stage, _ in READS_ALL} == {"evaluate", "gate", "report", "wanted", "evaluate_verifier",
                                                    "gate_verifier", "report_verifier"}


@pytest.mark.parametrize(("stage", "folder"), READS_ALL)
def test_a_stage_that_reads_several_reads_all_of_them(stage: str, folder: str) -> None:
    wanted = [f"{folder}/{name}" for name in FOLDERS[folder]]
    found = [dep for dep in STAGES[stage]["deps"] if dep.startswith(f"{folder}/")]

    assert found == wanted, f"the deps of {stage} in dvc.yaml below {folder} have to be\n{lines(wanted)}"


@pytest.mark.parametrize(("arm", "other"), MADE_FROM.items())
def test_an_arm_that_is_made_from_another_has_a_stage_that_reads_its_model(arm: str, other: str) -> None:
    models = [dep for dep in STAGES[arm]["deps"] if dep.startswith("artifacts/models/")]

    assert models == [f"artifacts/models/{MODELS[0]}", f"artifacts/models/{other}"]
    assert STAGES[arm]["outs"] == [f"artifacts/models/{arm}"]


@pytest.mark.parametrize("arm", ARMS)
def test_the_file_of_an_arm_describes_it(arm: str) -> None:
    described = load_arm(arm)

    assert described.title
    assert described.control == (arm in CONTROLS), f"its field in Arms (evenvoice/params/arms.py) and {arm}.py disagree"
    assert (described.plan is None) == (arm in MADE_FROM)


@pytest.mark.parametrize("method", METHODS)
def test_the_file_of_a_method_describes_it(method: str) -> None:
    assert load_method(method).title


def test_every_file_that_describes_an_arm_or_a_method_is_listed() -> None:
    def described(folder: str, what: str) -> set[str]:
        files = (ROOT / "evenvoice" / folder).glob("*.py")
        return {path.stem for path in files if re.search(rf"^{what} = ", path.read_text(encoding="utf-8"), re.M)}

    assert described("mitigation", "ARM") == set(ARMS)
    assert described("cohorts", "METHOD") == set(METHODS)


@pytest.mark.parametrize("folder", ["evenvoice", "stages", "dags", "worker", "ops"])
def test_no_other_code_lists_them(folder: str) -> None:
    """One name may stand where only that one is meant, such as the method whose regions make a map."""
    def named(path: Path) -> set[str]:
        text = path.read_text(encoding="utf-8")
        return {name for name in (*ARMS, *METHODS) if re.search(rf"""["']{name}["']""", text)}

    again = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py") if len(named(path)) > 1}

    assert again <= {"evenvoice/params/arms.py", "evenvoice/params/cohorts.py"}
