"""What each arm decides, and the battery that all of them pass."""

import pytest
import torch

from evenvoice.params import ARMS
from evenvoice.training.loop import fit
from tests.builders.mitigation import BOTTOM, plan, situation
from tests.builders.models import tiny_settings, weights


@pytest.mark.parametrize("arm", ["finetune", "l2sp", "ewc"])
def test_arms_for_the_bottom_train_on_its_recordings_alone(arm: str) -> None:
    assert plan(arm, situation()).indices.tolist() == [1, 4]


def test_oversampling_draws_everyone_and_the_bottom_more_often() -> None:
    oversampled = plan("oversample", situation())
    assert oversampled.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert oversampled.draw_weights is not None
    assert oversampled.draw_weights.tolist() == [1, 3, 1, 1, 3, 1]


def test_the_placebo_trains_on_as_many_speakers_without_knowing_who_is_worst_off() -> None:
    drawn = {tuple(plan("placebo", situation(seed)).indices.tolist()) for seed in range(8)}
    assert {len(indices) for indices in drawn} == {len(BOTTOM)}
    assert len(drawn) > 1


@pytest.mark.parametrize(("arm", "holds_back"), [("finetune", False), ("oversample", False), ("placebo", False),
                                                 ("l2sp", True), ("ewc", True)])
def test_only_the_consolidating_arms_hold_the_weights_back(arm: str, holds_back: bool) -> None:
    made = plan(arm, situation())
    assert (made.penalty is not None) == holds_back
    assert bool(made.identity) == holds_back


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_trains_and_gives_the_same_weights_twice(arm: str) -> None:
    def trained() -> torch.Tensor:
        given = situation()
        made = plan(arm, given)
        learner = made.learner(given.recogniser)
        fit(recogniser=learner, store=given.store, indices=made.indices, settings=tiny_settings(), seed=1,
            progress=given.progress, checkpoint_dir=None, draw_weights=made.draw_weights, penalty=made.penalty,
            identity=made.identity, told=made.told(given.store))
        return weights(learner)

    first = trained()
    assert torch.equal(first, trained())
    assert not torch.equal(first, weights(situation().recogniser))
