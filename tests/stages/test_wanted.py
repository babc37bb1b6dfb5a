"""The stages thin and wanted, files to files: a learning curve whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evenvoice.data.schemas import HYPOTHESES
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.params import Params, load_params
from evenvoice.storage import read_json, write_json
from stages import thin, train, wanted
from tests.builders.models import FEATURIZE, TEXTS, TOKENIZER, tiny_train, write_features
from tests.builders.origins import FEATURES
from tests.builders.tables import made_partition, no_partition, write_cohorts, write_hypotheses

WORDS = 200
SPEAKERS = {"region-1": 30, "region-2": 60}
PARTITION = made_partition({"region-1": 0.2, "region-2": 0.08})
PEOPLE = [(split, f"{split}-{cohort}-{number}", cohort) for split in ("discover", "validate")
          for cohort, count in SPEAKERS.items() for number in range(count)]


def rows(bottom_wer: float) -> list[tuple[str, str, str, int, int]]:
    wers = {"region-1": bottom_wer, "region-2": 0.08}
    return [(split, speaker, f"{speaker}-0", WORDS, int(np.random.default_rng(list(speaker.encode())).poisson(
        WORDS * wers[cohort]))) for split, speaker, cohort in PEOPLE]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    params = load_params()
    monkeypatch.chdir(tmp_path)
    return params.model_copy(update={"train": tiny_train(), "featurize": FEATURIZE})


def write_curve(bottom_wers: dict[str, float], refused: str = "", others: int = 200) -> None:
    """What the stages before leave: 10, 20 and 40 training speakers of region-1, and so many others."""
    artifacts = Path("artifacts")
    training = [("train", f"train-{cohort}-{number}", cohort)
                for cohort, count in (("region-1", 40), ("region-2", others)) for number in range(count)]
    write_cohorts(artifacts / "cohorts", PARTITION, [*PEOPLE, *training])
    write_hypotheses(artifacts / "hypotheses", "base", rows(bottom_wers["base"]))
    base = read_json(artifacts / "hypotheses/base/origin.json")["model"]
    for part, speakers in (("quarter", 10), ("half", 20)):
        write_hypotheses(artifacts / "learning", part, rows(bottom_wers[part]))
        write_json(artifacts / "learning" / part / "thinned.json",
                   {"base": base, "features": FEATURES, "refused": refused, "speakers": speakers, "of": 40,
                    "hours": 2.0})


def test_speakers_that_are_wanted_are_forecast_from_the_curve(params: Params) -> None:
    write_curve({"quarter": 0.32, "half": 0.26, "base": 0.20})

    wanted.main(params)

    found = read_json(Path("artifacts/wanted.json"))
    # what it errs more is 1258 / (n + 62)^2, so 0.04, the limit, is reached with 115, 75 more than there are
    assert found["refused"] == ""
    assert (found["cohort"], found["top"], found["speakers"]) == ("region-1", "region-2", 40)
    assert found["more_speakers"]["estimate"] == pytest.approx(75, abs=20)
    assert found["more_speakers"]["low"] < 75 < found["more_speakers"]["high"]
    assert found["more_hours"] == pytest.approx(2.0 / 40 * found["more_speakers"]["estimate"], rel=0.05)
    assert [point["speakers"] for point in found["points"]] == [10, 20, 40]


def test_it_is_said_in_words(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    write_curve({"quarter": 0.32, "half": 0.26, "base": 0.20})

    wanted.main(params)

    said = capsys.readouterr().out + capsys.readouterr().err
    assert "more training speakers of region-1" in said
    assert "limit of 50 %" in said
    assert "10, 20 and 40 of them" in said


@pytest.mark.parametrize(("curve", "why"), [
    ({"quarter": 0.21, "half": 0.20, "base": 0.205}, "not established to serve it better"),
    ({"quarter": 0.19, "half": 0.14, "base": 0.10}, "within the limit"),
    ({"quarter": 0.98, "half": 0.88, "base": 0.80}, "times as many speakers")])
def test_a_curve_that_bears_no_forecast_is_refused_with_a_reason(params: Params, curve: dict[str, float],
                                                                 why: str) -> None:
    write_curve(curve)

    wanted.main(params)

    found = read_json(Path("artifacts/wanted.json"))
    assert why in found["refused"]
    assert found["more_speakers"] is None
    assert len(found["points"]) == 3


def test_nobody_is_wanted_of_a_cohort_that_has_its_share(params: Params) -> None:
    """More of them helped, and may go on to; but scarcity, all that the curve knows, is not what sets them apart."""
    write_curve({"quarter": 0.32, "half": 0.26, "base": 0.20}, others=86)

    wanted.main(params)

    found = read_json(Path("artifacts/wanted.json"))
    assert found["refused"] == (
        "region-1 has its share of the training speakers already (40 of them, 3 more would be its full share), so "
        "scarcity of its speech is not what sets it apart")
    assert (found["more_speakers"], found["gap_with_due"], found["lacking"]) == (None, None, 3)


def test_a_stage_before_that_had_nothing_to_learn_says_why(params: Params) -> None:
    write_curve({"quarter": 0.4, "half": 0.3, "base": 0.2}, refused="wanted.learn is false")

    wanted.main(params)

    assert read_json(Path("artifacts/wanted.json"))["refused"] == "wanted.learn is false"


def test_a_curve_of_another_base_model_is_refused(params: Params) -> None:
    write_curve({"quarter": 0.32, "half": 0.26, "base": 0.20})
    path = Path("artifacts/learning/half/thinned.json")
    write_json(path, {**read_json(path), "base": "0" * 64})

    with pytest.raises(ArtifactError, match="thin@half"):
        wanted.main(params)


def write_speech(splits: tuple[str, ...]) -> None:
    write_features(Path("artifacts/features"), TEXTS, splits)
    TOKENIZER.save(Path("artifacts/tokenizer"))


def placed(*cohorts: str, splits: tuple[str, ...]) -> list[tuple[str, str, str | None]]:
    return [(split, f"s{number}", cohort) for number, (split, cohort) in enumerate(zip(splits, cohorts, strict=True))]


SPLITS = ("train", "train", "train", "train", "discover", "validate")
COHORTS = ("region-1", "region-1", "region-1", "region-1", "region-2", "region-1")


def test_a_thinned_training_is_heard_by_those_who_are_measured(params: Params) -> None:
    write_speech(SPLITS)
    write_cohorts(Path("artifacts/cohorts"), PARTITION, placed(*COHORTS, splits=SPLITS))
    train.main(params)

    thin.main(params, "half")

    left = read_json(Path("artifacts/learning/half/thinned.json"))
    assert (left["speakers"], left["of"], left["refused"]) == (2, 4, "")
    heard = read_table(Path("artifacts/learning/half/hypotheses.parquet"), HYPOTHESES)
    assert heard["split"].to_pylist() == ["discover", "validate"]
    assert not list(Path("checkpoints").glob("*"))


@pytest.mark.parametrize(("learn", "found", "why"), [
    (False, True, "wanted.learn is false"), (True, False, "no cohort that is worse off"),
    (True, True, "has 2 training speakers")])
def test_without_anything_to_learn_nothing_is_trained(params: Params, learn: bool, found: bool, why: str) -> None:
    write_speech(SPLITS)
    cohorts = ("region-1", "region-1", "region-2", "region-2", "region-2", "region-1")
    partition = PARTITION if found else no_partition("geographic")
    write_cohorts(Path("artifacts/cohorts"), partition, placed(*cohorts, splits=SPLITS))
    train.main(params)

    thin.main(params.model_copy(update={"wanted": params.wanted.model_copy(update={"learn": learn})}), "quarter")

    assert why in read_json(Path("artifacts/learning/quarter/thinned.json"))["refused"]
    assert not Path("artifacts/learning/quarter/hypotheses.parquet").exists()
