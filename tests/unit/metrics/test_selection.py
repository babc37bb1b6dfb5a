"""The challenger is chosen on validate speakers, and a control is never chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import ArtifactError
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.selection import Candidate, Saver, Selection, choose
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
    assert selection.reason == ("ewc has the lowest WER on north, 21.00% against 30.00% of the base model (-30.0%), "
                                "and changes that of the whole by -15.0%, on validate speakers.")


def test_an_arm_that_harms_the_whole_is_not_chosen_however_much_it_helps_the_bottom() -> None:
    selection = chosen(finetune={"north": 0.5, "south": 2.0}, l2sp={"north": 0.9, "south": 1.0})
    assert selection.challenger == "l2sp"
    assert not candidate(selection, "finetune").eligible


def test_an_arm_that_harms_the_top_cohort_is_not_chosen_though_the_whole_gains() -> None:
    selection = chosen(ewc={"north": 0.6, "south": 1.2}, l2sp={"north": 0.9, "south": 1.0})
    assert selection.challenger == "l2sp"
    assert "south, the top cohort of the geographic method," in candidate(selection, "ewc").why


def test_an_arm_that_harms_the_top_cohort_of_another_method_is_not_chosen() -> None:
    """Every second speaker of the south is of the census group that is served best, and pays for what ewc brings."""
    split = made_split(COHORTS, {"ewc": {"north": 0.6, "south": 1.0}, "l2sp": {"north": 0.9, "south": 1.0}},
                       split="validate")
    south = [number for number, name in enumerate(split.cohorts["geographic"]) if name == "south"]
    rich, others = np.array(south[::2]), np.array(south[1::2])
    groups = np.full(len(split.speakers), "poor", dtype=object)
    groups[rich] = "rich"
    split.errors["ewc"][rich] += 2
    split.errors["ewc"][others] -= 2
    split = replace(split, cohorts={**split.cohorts, "geodemographic": groups})
    census = made_partition({"poor": 0.3, "rich": 0.1}, method="geodemographic")
    assert choose(split, NORTH_IS_WORST, 0.03, controls=()).challenger == "ewc"
    selection = choose(split, NORTH_IS_WORST, 0.03, controls=(), beside=[NORTH_IS_WORST, census])
    assert selection.challenger == "l2sp"
    assert "rich, the top cohort of the geodemographic method," in candidate(selection, "ewc").why


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


ARMS = ("finetune", "l2sp", "placebo")


def crossed(validate: dict[str, float], discover: dict[str, float]) -> Selection:
    """Chosen with ten validate and thirty discover speakers of the north; changes are those of the north's errors."""
    heard = {split: made_split({"north": Made(size, 0.3), "south": Made(3 * size, 0.1)},
                               {arm: {"north": changes.get(arm, 1.0), "south": 1.0} for arm in ARMS}, split=split)
             for split, size, changes in (("validate", 10, validate), ("discover", 30, discover))}
    return choose(heard["validate"], NORTH_IS_WORST, 0.03, controls={"placebo"}, discover=heard["discover"])


def test_discover_speakers_say_which_of_two_arms_is_better() -> None:
    selection = crossed({"finetune": 0.8, "l2sp": 0.9}, {"finetune": 0.9, "l2sp": 0.7})
    assert selection.challenger == "l2sp"
    assert candidate(selection, "l2sp").chosen_by_wer == pytest.approx(0.3 * 0.75)
    assert candidate(selection, "l2sp").validate_bottom_wer == pytest.approx(0.27)
    assert "on validate and discover speakers" in selection.reason


def test_an_arm_that_beats_the_base_on_discover_speakers_alone_is_not_chosen() -> None:
    selection = crossed({"finetune": 1.0, "l2sp": 0.95}, {"finetune": 0.5, "l2sp": 0.95})
    assert selection.challenger == "l2sp"
    assert candidate(selection, "finetune").why == (
        "WER of the bottom cohort 30.00% is not below the base model's 30.00% on validate speakers")


def test_an_arm_that_beats_the_base_on_validate_speakers_alone_is_not_chosen() -> None:
    selection = crossed({"finetune": 0.9}, {"finetune": 1.2})
    assert selection.challenger == "base"
    assert "on validate and discover speakers" in candidate(selection, "finetune").why


changes = st.fixed_dictionaries({arm: st.floats(0.3, 1.7) for arm in ARMS})


@given(changes, changes)
def test_what_is_chosen_is_the_base_or_an_eligible_arm_that_makes_fewer_errors_at_the_bottom(
        validate: dict[str, float], discover: dict[str, float]) -> None:
    selection = crossed(validate, discover)
    taken, base = candidate(selection, selection.challenger), candidate(selection, "base")
    assert taken.eligible
    assert not taken.control
    assert taken.chosen_by_wer is not None
    assert base.chosen_by_wer is not None
    assert taken is base or taken.chosen_by_wer < base.chosen_by_wer


SAVES = Saver(model="amortized", refusal="", saves="it does 40% of the work")


def saving(saver: Saver = SAVES, *, partition: Partition = NORTH_IS_WORST,
           **models: float | dict[str, float]) -> Selection:
    validate = made_split(COHORTS, {"dense": 1.0, **models}, split="validate")
    return choose(validate, partition, 0.03, controls={"dense"}, saver=saver)


def test_a_model_that_saves_and_harms_nobody_is_chosen_where_no_arm_helps() -> None:
    selection = saving(ewc=1.1, amortized=1.02)
    assert selection.challenger == "amortized"
    assert selection.reason == ("amortized is chosen for what it saves: it does 40% of the work. No arm helps north, "
                                "on validate speakers.")
    assert not candidate(selection, "dense").eligible


def test_fairness_goes_before_cost() -> None:
    assert saving(ewc={"north": 0.9, "south": 1.0}, amortized=1.0).challenger == "ewc"


def test_a_model_that_saves_and_helps_the_bottom_cohort_most_is_chosen_for_that() -> None:
    selection = saving(ewc={"north": 0.9, "south": 1.0}, amortized=0.8)
    assert selection.challenger == "amortized"
    assert "has the lowest WER on north" in selection.reason


@pytest.mark.parametrize(("saver", "change", "why"), [
    (SAVES, 1.05, "WER of the whole 15.75% is above 15.45%"),
    (SAVES, {"north": 0.5, "south": 1.2}, "WER of south, the top cohort"),
    (replace(SAVES, refusal="it is not shown to save time"), 1.0, "it is not shown to save time")])
def test_a_model_that_harms_or_does_not_save_is_not_chosen(saver: Saver, change: float | dict[str, float],
                                                           why: str) -> None:
    selection = saving(saver, amortized=change)
    assert selection.challenger == "base"
    assert candidate(selection, "amortized").why.startswith(why)


def test_a_saving_counts_where_there_is_nobody_to_help() -> None:
    found = saving(partition=no_partition("geographic"), amortized=1.02)
    assert (found.challenger, found.bottom) == ("amortized", None)
    assert saving(partition=no_partition("geographic"), amortized=1.05).challenger == "base"
