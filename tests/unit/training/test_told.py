"""Cohorts that a training tells the model: drawn the same every time, and part of what a checkpoint stands for."""

import numpy as np
import pytest
import torch

from evenvoice.errors import ShapeError
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.feed import Feed
from evenvoice.training.loop import fit
from evenvoice.training.told import ToldCohorts
from tests.builders.models import MASKS, spoken_store, tiny_recogniser, tiny_settings, weights

STORE = spoken_store()
EVERYTHING = STORE.indices("train")
NUMBERS = np.array([1, 2, 1, 2, 1, 0])


def known(*names: str) -> KnownCohorts:
    return KnownCohorts(method="geographic", names=names)


def listener(*names: str) -> Recogniser:
    return tiny_recogniser(dropout=0.2).with_cohorts(known(*(names or ("first", "second"))))


def train(recogniser: Recogniser, told: ToldCohorts | None, **changes) -> None:
    arguments = {"store": STORE, "indices": EVERYTHING, "seed": 7, "progress": Progress("test"),
                 "checkpoint_dir": None, "settings": tiny_settings(augment=MASKS)}
    fit(recogniser=recogniser, told=told, **(arguments | changes))


def test_a_share_of_the_cohorts_is_left_out_and_no_other_is_told():
    told = ToldCohorts(numbers=np.arange(1, 5001), dropout=0.15, rate=1.0)
    drawn = told.drawn(np.arange(5000), np.random.default_rng(0)).numpy()
    assert np.mean(drawn == 0) == pytest.approx(0.15, abs=0.02)
    assert ((drawn == 0) | (drawn == told.numbers)).all()
    assert np.array_equal(told.drawn(np.arange(5000), np.random.default_rng(0)), drawn)
    assert not np.array_equal(told.drawn(np.arange(5000), np.random.default_rng(1)), drawn)


def test_nothing_is_left_out_where_none_is_to_be():
    drawn = ToldCohorts(numbers=NUMBERS, dropout=0.0, rate=1.0).drawn(np.array([5, 3, 1]), np.random.default_rng(0))
    assert drawn.tolist() == [0, 2, 2]


def test_masks_are_the_same_with_and_without_cohorts():
    def features(told: ToldCohorts | None) -> torch.Tensor:
        feed = Feed(listener(), STORE, MASKS, torch.device("cpu"), told=told)
        return feed.batch(EVERYTHING, np.random.default_rng(3)).features_BTM

    assert torch.equal(features(None), features(ToldCohorts(numbers=NUMBERS, dropout=0.5, rate=1.0)))


def test_every_vector_that_is_told_is_learned_and_the_unknown_one_where_cohorts_are_left_out():
    def moved(dropout: float) -> list[bool]:
        recogniser = listener("first", "second", "third")
        train(recogniser, ToldCohorts(numbers=np.array([1, 2, 1, 2, 1, 2]), dropout=dropout, rate=1.0))
        table_CS = recogniser.transducer.encoder.cohort_CS
        assert table_CS is not None
        return [bool(row.any()) for row in table_CS]

    assert moved(0.0) == [False, True, True, False]
    assert moved(0.5) == [True, True, True, False]


def test_vectors_learn_faster_than_the_rest_by_the_rate():
    def moved(rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        recogniser = listener()
        train(recogniser, ToldCohorts(numbers=NUMBERS, dropout=0.0, rate=rate), settings=tiny_settings(steps=1))
        table_CS = recogniser.transducer.encoder.cohort_CS
        assert table_CS is not None
        return table_CS.detach(), recogniser.transducer.joiner.output.weight.detach()

    (slow_CS, slow), (fast_CS, fast) = moved(1.0), moved(30.0)
    torch.testing.assert_close(fast_CS, 30 * slow_CS)
    assert torch.equal(slow, fast)


@pytest.mark.parametrize("told", [ToldCohorts(numbers=NUMBERS[::-1], dropout=0.5, rate=1.0),
                                  ToldCohorts(numbers=NUMBERS, dropout=0.25, rate=1.0),
                                  ToldCohorts(numbers=NUMBERS, dropout=0.5, rate=2.0), None],
                         ids=["other cohorts", "other dropout", "other rate", "no cohorts"])
def test_another_telling_does_not_resume_the_old_training(tmp_path, told):
    train(listener(), ToldCohorts(numbers=NUMBERS, dropout=0.5, rate=1.0), checkpoint_dir=tmp_path)
    fresh, beside = listener(), listener()
    train(fresh, told)
    train(beside, told, checkpoint_dir=tmp_path)
    assert torch.equal(weights(fresh), weights(beside))


def test_names_are_part_of_what_a_checkpoint_stands_for(tmp_path):
    told = ToldCohorts(numbers=NUMBERS, dropout=0.5, rate=1.0)
    train(listener("first", "second"), told, checkpoint_dir=tmp_path)
    (before,) = tmp_path.iterdir()
    train(listener("second", "first"), told, checkpoint_dir=tmp_path)
    (after,) = tmp_path.iterdir()
    assert before != after


@pytest.mark.parametrize(("numbers", "message"), [
    (NUMBERS[:3], r"must be 6, one for each recording of the store, got shape \(3,\)"),
    (NUMBERS + 1, "must be numbers from 0 to 2, known to the model, got 1 to 3"),
    (NUMBERS - 1, "must be numbers from 0 to 2, known to the model, got -1 to 1")])
def test_cohorts_that_do_not_fit_are_refused(numbers, message):
    with pytest.raises(ShapeError, match=message):
        train(listener(), ToldCohorts(numbers=numbers, dropout=0.1, rate=1.0))


def test_a_model_without_cohorts_cannot_be_told_any():
    with pytest.raises(ShapeError, match="must be numbers from 0 to 0, known to the model"):
        train(tiny_recogniser(), ToldCohorts(numbers=NUMBERS, dropout=0.1, rate=1.0))
