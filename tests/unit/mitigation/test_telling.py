"""What the cohort input and its controls tell the model, and that it learns to listen."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.mitigation.telling import constant, shuffled
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.placement import Placement
from evenvoice.progress import Progress
from evenvoice.training.loop import fit
from evenvoice.training.told import ToldCohorts
from tests.builders.mitigation import PLACEMENT, plan, situation
from tests.builders.models import spoken_store, tiny_recogniser, tiny_settings

ARMS = ("cohort_input", "cohort_input_shuffled", "cohort_input_constant")
SPLITS = ("train", "validate", "test")
PLACED = st.dictionaries(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(SPLITS)),
                         st.sampled_from(["north", "south", "west", None]))


@pytest.mark.parametrize("arm", ARMS)
def test_everyone_is_trained_on_once_and_nothing_is_held_back(arm):
    made = plan(arm, situation())
    assert made.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert made.draw_weights is None
    assert made.penalty is None


def told(arm: str, seed: int = 1) -> list[int]:
    ids = plan(arm, situation(seed)).told(spoken_store())
    assert ids is not None
    assert (ids.dropout, ids.rate) == (0.25, 20.0)
    return ids.numbers.tolist()


def test_the_arm_tells_the_cohort_of_each_speaker_and_none_of_whom_the_rule_cannot_place():
    assert told("cohort_input") == [2, 1, 2, 2, 1, 0]


def test_the_constant_control_tells_the_same_of_everyone():
    assert told("cohort_input_constant") == [1] * 6


def test_the_shuffled_control_tells_others_cohorts_as_often_and_the_same_each_time():
    assert Counter(told("cohort_input_shuffled")) == Counter(told("cohort_input"))
    assert told("cohort_input_shuffled") == told("cohort_input_shuffled")
    assert len({tuple(told("cohort_input_shuffled", seed)) for seed in range(8)}) > 1


@given(PLACED, st.integers(0, 2**31))
def test_shuffling_keeps_each_speaker_to_one_cohort_and_each_cohort_to_its_size(cohort_of, seed):
    mixed = shuffled(Placement(cohort_of), seed).cohort_of
    assert mixed.keys() == cohort_of.keys()
    assert len({(speaker, cohort) for (speaker, _), cohort in mixed.items()}) == len({who for who, _ in mixed})
    earlier: set[str] = set()
    for split in SPLITS:
        new = [who for who, where in cohort_of if where == split and who not in earlier]
        assert Counter(mixed[who, split] for who in new) == Counter(cohort_of[who, split] for who in new)
        earlier |= set(new)


@given(PLACED)
def test_a_constant_placement_names_one_cohort(cohort_of):
    assert set(constant(Placement(cohort_of)).cohort_of.values()) <= {"everyone"}


@given(PLACED)
@settings(max_examples=10)
def test_a_placement_comes_back_as_it_was_written(tmp_path_factory, cohort_of):
    path = tmp_path_factory.mktemp("model") / "placed.parquet"
    Placement(cohort_of).write(path)
    assert Placement.read(path).cohort_of == cohort_of


def test_only_speakers_of_the_splits_that_are_transcribed_are_kept():
    placement = Placement({("a", "train"): "north", ("a", "test"): "north", ("b", "discover"): None})
    assert placement.of(["validate", "test"]).cohort_of == {("a", "test"): "north"}


def test_a_speaker_of_whom_nothing_is_written_is_named():
    known = KnownCohorts(method="geographic", names=("region-1", "region-2"))
    store = spoken_store(("yes",), ("test",))
    with pytest.raises(ArtifactError, match="the cohorts of speakers of split test must name s0, got nothing of them"):
        PLACEMENT.numbers(known, store, np.array([0]))
    with pytest.raises(ParamsError, match="cohort must be one of unknown, region-1, got region-2 instead"):
        PLACEMENT.numbers(KnownCohorts(method="geographic", names=("region-1",)), spoken_store(), np.array([0]))


def test_a_model_learns_to_listen_to_what_it_is_told():
    """The same sounds mean one word to one cohort and another to the other: without the cohort it is a guess."""
    store = spoken_store(("yes", "yes"))
    store.texts = np.array(["yes", "no"], object)
    recogniser = tiny_recogniser(encoder="lstm", width=32).with_cohorts(
        KnownCohorts(method="geographic", names=("first", "second")))
    fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1, checkpoint_dir=None,
        settings=tiny_settings(steps=120, learning_rate=0.02, batch_s=30.0), progress=Progress("test"),
        told=ToldCohorts(numbers=np.array([1, 2]), dropout=0.1, rate=1.0))

    def heard(*cohorts: int) -> list[str]:
        labels = transcribe_labels(recogniser, [store.features(0)] * len(cohorts), batch_s=60.0, cohorts=cohorts)
        return [recogniser.tokenizer.decode(found) for found in labels]

    assert heard(1, 2) == ["yes", "no"]
    assert set(heard(0)) <= {"yes", "no"}
