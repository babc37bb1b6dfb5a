"""The challenger is chosen on validate speakers, and a control is never chosen."""

from __future__ import annotations

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.metrics.selection import Candidate, Selection, choose
from tests.builders.tables import Made, made_partition, made_split, no_partition

NORTH_IS_WORST = made_partition({"north": 0.3, "south": 0.1})
COHORTS = {"north": Made(10, 0.3), "south": Made(30, 0.1)}


def chosen(**arms: float | dict[str, float]) -> Selection:
    models = {model: arms.get(model, 1.0) for model in ("finetune", "l2sp", "ewc", "oversample", "placebo")}
    return choose(made_split(COHORTS, models, split="validate"), NORTH_IS_WORST, 0.03, controls={"placebo"})


def candidate(selection: Selection, model: str) -> Candidate:
    return next(one for one in selection.candidates if one.model == model)


def test_the_arm_that_helps_the_bottom_cohort_most_is_chosen() -> None:
    selection = chosen(ewc={"north": 0.7, "south": 1.0}, l2sp={"north": 0.8, "south": 0.9})
    assert selection.challenger == "ewc"
    assert "21.00% against 30.00%" in selection.reason


def test_an_arm_that_harms_the_whole_is_not_chosen_however_much_it_helps_the_bottom() -> None:
    selection = chosen(finetune={"north": 0.5, "south": 2.0}, l2sp={"north": 0.9, "south": 1.0})
    assert selection.challenger == "l2sp"
    assert not candidate(selection, "finetune").eligible


def test_the_base_stays_when_no_arm_beats_it_on_the_bottom_cohort() -> None:
    selection = chosen(ewc={"north": 1.0, "south": 0.5})
    assert selection.challenger == "base"
    assert "no eligible arm" in selection.reason


def test_the_placebo_is_never_chosen() -> None:
    assert chosen(placebo=0.1).challenger == "base"


def test_the_bottom_cohort_is_the_worst_on_discover_speakers_even_if_it_is_not_the_worst_here() -> None:
    south_was_worst = made_partition({"north": 0.1, "south": 0.3})
    validate = made_split(COHORTS, {"finetune": {"north": 0.1, "south": 1.0}, "l2sp": {"north": 1.0, "south": 0.9},
                                    "ewc": 1.0, "oversample": 1.0, "placebo": 1.0}, split="validate")
    assert choose(validate, south_was_worst, 0.03, controls={"placebo"}).challenger == "l2sp"


def test_the_base_stays_when_the_targeted_method_found_nothing() -> None:
    validate = made_split(COHORTS, dict.fromkeys(("finetune", "l2sp", "ewc", "oversample", "placebo"), 0.5))
    selection = choose(validate, no_partition("geographic"), 0.03, controls={"placebo"})
    assert selection.challenger == "base"
    assert candidate(selection, "base").validate_bottom_wer is None


def test_the_base_stays_when_nobody_of_the_bottom_cohort_is_there() -> None:
    arms = dict.fromkeys(("finetune", "l2sp", "ewc", "oversample", "placebo"), 0.5)
    selection = choose(made_split({"south": Made(30, 0.1)}, arms), NORTH_IS_WORST, 0.03, controls={"placebo"})
    assert selection.challenger == "base"
    assert "no words of validate speakers" in selection.reason


def test_without_any_words_nothing_is_chosen() -> None:
    with pytest.raises(ArtifactError, match="validate split must hold words"):
        choose(made_split({"south": Made(3, 0.1, words=0)}), NORTH_IS_WORST, 0.03, controls={"placebo"})
