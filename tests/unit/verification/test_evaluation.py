"""All verifiers of a run beside each other, from files to files."""

from pathlib import Path

import numpy as np
import pytest

from evenvoice.data.schemas import GROUPED, HEARD, VERIFICATION, VERIFICATION_GAPS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.origins import model_digest
from evenvoice.params import load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json
from evenvoice.verification.evaluation import Settings, evaluate
from tests.builders.verification import GROUP, scored, write_people, write_trials

PEOPLE = 40
WORSE, BETTER = {"female": 2.0, "male": 3.0}, {"female": 2.9, "male": 3.0}


def write_verifier(root: Path, name: str, distances: dict[str, float], *, speakers: int = PEOPLE) -> None:
    write_json(root / "models" / name / "config.json", {"weights_sha256": name})
    heard = {split: scored(list(distances.values()), speakers=speakers, seed=number + 10)
             for number, split in enumerate(HEARD)}
    write_trials(root / "trials" / name, heard, {"model": model_digest(root / "models" / name), "features": "f"})


def run(root: Path, *names: str, columns: tuple[str, ...] = (GROUP,), clusters: int = 0, **gate: object) -> Path:
    params = load_params()
    verify = params.verify.model_copy(update={"columns": columns, "clusters": clusters})
    settings = Settings(verify=verify, gate=params.verifier_gate.model_copy(update=gate),
                        evaluate=params.evaluate.model_copy(update={"replicates": 200}), seed=1)
    evaluate(trials=root / "trials", models=root / "models", corpus=root / "corpus", embeddings=root / "embeddings",
             out=root / "out", names=names, settings=settings, progress=Progress("evaluate_verifier"))
    return root / "out"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    groups = [group for group in WORSE for _ in range(PEOPLE)]
    write_people(tmp_path / "corpus", tmp_path / "embeddings", scored([0, 0], speakers=PEOPLE).speakers, groups)
    write_verifier(tmp_path, "none", WORSE)
    write_verifier(tmp_path, "pw", BETTER)
    return tmp_path


def rates(out: Path, model: str, group: str, split: str = "test") -> dict:
    rows = read_table(out / "rates.parquet", VERIFICATION).to_pylist()
    return next(row for row in rows if (row["model"], row["group"], row["split"]) == (model, group, split))


def test_a_group_has_its_own_rates_and_bounds_on_test_speakers_alone(root):
    out = run(root, "none", "pw")
    female, male = rates(out, "none", "female"), rates(out, "none", "male")
    assert female["eer_low"] < female["eer"] < female["eer_high"]
    assert female["eer"] == pytest.approx(0.159, abs=0.04)
    assert male["eer"] == pytest.approx(0.067, abs=0.03)
    assert (female["speakers"], female["different_trials"]) == (PEOPLE, PEOPLE * (PEOPLE - 1) // 2)
    assert rates(out, "none", "female", "discover")["eer_low"] is None


def test_a_change_is_measured_on_the_same_speakers(root):
    out = run(root, "none", "pw")
    changed = rates(out, "pw", "female")
    assert changed["relative_high"] < 0
    assert changed["relative"] == pytest.approx(changed["eer"] / rates(out, "none", "female")["eer"] - 1)
    assert rates(out, "none", "female")["relative"] is None


def test_the_gap_is_between_groups_ranked_on_discover_speakers(root):
    rows = read_table(run(root, "none", "pw") / "gaps.parquet", VERIFICATION_GAPS).to_pylist()
    gap = {row["model"]: row for row in rows if row["figure"] == "gap"}
    assert (gap["none"]["bottom"], gap["none"]["top"]) == ("female", "male")
    assert gap["none"]["low"] > 0
    assert gap["pw"]["change_high"] < 0
    assert gap["none"]["change"] == 0


def test_the_weighting_that_serves_bottom_groups_better_is_chosen_and_says_why(root):
    selection = read_json(run(root, "none", "pw") / "selection.json")
    assert selection["challenger"] == "pw"
    assert "costs bottom groups" in selection["reason"]


def test_a_control_is_never_chosen(root):
    write_verifier(root, "random", BETTER)
    selection = read_json(run(root, "none", "random") / "selection.json")
    assert selection["challenger"] == "none"
    assert {one["model"]: one["why"] for one in selection["candidates"]}["random"] == "a control"


def test_a_weighting_that_is_worse_for_everybody_is_not_chosen(root):
    write_verifier(root, "pl", {"female": 2.2, "male": 1.0})
    selection = read_json(run(root, "none", "pl") / "selection.json")
    assert selection["challenger"] == "none"
    assert selection["candidates"][1]["why"] == "worse for everybody"


def test_groups_that_are_too_small_are_shown_and_not_judged(root):
    grouping = read_json(run(root, "none", min_speakers=PEOPLE + 1) / "groupings.json")[GROUP]
    assert (grouping["judged"], grouping["aside"]) == ([], ["female", "male"])
    assert grouping["reason"] == f"0 of 2 groups have at least {PEOPLE + 1} discover speakers"


def test_a_column_that_nobody_declares_says_so(root):
    grouping = read_json(run(root, "none", columns=("accent",)) / "groupings.json")["accent"]
    assert grouping["reason"] == "the corpus does not declare it"


def test_voices_are_grouped_where_nobody_named_them(root):
    out = run(root, "none", columns=(), clusters=2)
    rows = read_table(out / "labelled.parquet", GROUPED).to_pylist()
    by_speaker = {row["speaker"]: row["group"] for row in rows if row["split"] == "test"}
    halves = [{by_speaker[name] for name in names}
              for names in (sorted(by_speaker)[:PEOPLE], sorted(by_speaker)[PEOPLE:])]
    assert [len(half) for half in halves] == [1, 1]
    assert halves[0] != halves[1]


def test_verifiers_that_were_asked_other_trials_are_not_compared(root):
    write_verifier(root, "pw", BETTER, speakers=PEOPLE - 1)
    with pytest.raises(ArtifactError, match="the trials of 'pw' must be those of the other verifiers"):
        run(root, "none", "pw")


def test_trials_of_another_training_are_refused(root):
    write_json(root / "models" / "pw" / "config.json", {"weights_sha256": "retrained"})
    with pytest.raises(ArtifactError, match="trials of 'pw' must come from the model beside them"):
        run(root, "none", "pw")


def test_each_verifier_is_calibrated_on_validate_speakers(root):
    calibrations = read_json(run(root, "none", "pw") / "calibrations.json")
    assert set(calibrations) == {"none", "pw"}
    assert all(one["scale"] > 0 for one in calibrations.values())
    assert np.isfinite([figures["cllr"] for figures in read_json(root / "out" / "figures.json").values()]).all()
