"""What each arm decides, and the battery that all of them pass."""

import numpy as np
import pytest
import torch

from evenvoice.errors import ParamsError
from evenvoice.mitigation import Plan, Situation
from evenvoice.mitigation.layers import parameters_below
from evenvoice.models.recogniser import Recogniser
from evenvoice.training.loop import fit
from tests.builders.mitigation import BOTTOM, TRAINED, plan, situation
from tests.builders.models import tiny_recogniser, tiny_settings, weights


def trained(given: Situation, made: Plan) -> Recogniser:
    learner = made.learner(given.recogniser)
    fit(recogniser=learner, store=given.store, indices=made.indices, settings=tiny_settings(), seed=1,
        progress=given.progress, checkpoint_dir=None, draw_weights=made.draw_weights, groups=made.groups,
        variants=made.variants, frozen=made.frozen, penalty=made.penalty, weigher=made.weigher, identity=made.identity,
        told=made.told(given.store))
    return learner


@pytest.mark.parametrize("arm", ["finetune", "l2sp", "ewc", "frozen"])
def test_arms_for_the_bottom_train_on_its_recordings_alone(arm: str) -> None:
    assert plan(arm, situation()).indices.tolist() == [1, 4]


@pytest.mark.parametrize(("trial", "factor"), [(0, 3), (1, 2), (2, 3)])
def test_oversampling_draws_everyone_and_the_bottom_more_often_each_trial_by_its_own_factor(trial: int,
                                                                                           factor: int) -> None:
    oversampled = plan("oversample", situation(trial=trial))
    assert oversampled.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert oversampled.draw_weights is not None
    assert oversampled.draw_weights.tolist() == [1, factor, 1, 1, factor, 1]
    assert oversampled.choice == {"factor": factor}


@pytest.mark.parametrize("seed", range(4))
def test_controls_share_random_speakers_as_many_and_with_as_much_speech(seed: int) -> None:
    given = situation(seed)
    drawn = plan("placebo", given).indices
    oversampled, augmented = plan("oversample_random", given), plan("augment_random", given)

    assert len(drawn) == len(BOTTOM)
    assert given.store.durations_s[drawn].sum() == pytest.approx(given.store.durations_s[[1, 4]].sum(), rel=0.02)
    assert oversampled.draw_weights is not None
    assert np.flatnonzero(oversampled.draw_weights > 1).tolist() == drawn.tolist()
    assert augmented.variants is not None
    assert augmented.variants.recordings.tolist() == drawn.tolist()


def test_whom_the_controls_are_about_has_nothing_to_do_with_who_is_worst_off() -> None:
    assert len({tuple(plan("placebo", situation(seed)).indices.tolist()) for seed in range(8)}) > 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_augmentation_fills_the_bottom_up_to_its_share_of_the_population_and_never_below_what_it_has(share: float,
                                                                                                   ) -> None:
    given = situation(population_share=share)
    made = plan("augment", given)
    assert made.draw_weights is not None
    assert made.variants is not None
    speech_s = given.store.durations_s * made.draw_weights
    has = given.store.durations_s[[1, 4]].sum() / given.store.durations_s.sum()
    assert speech_s[[1, 4]].sum() / speech_s.sum() == pytest.approx(max(share, has))
    assert made.variants.recordings.tolist() == [1, 4]
    control = plan("augment_random", given)
    assert control.choice == made.choice


def test_rehearsal_holds_the_bottom_and_a_sample_of_everyone_else_in_the_given_proportion() -> None:
    made = plan("rehearsal", situation())
    assert made.draw_weights is not None
    assert made.groups is not None
    assert made.draw_weights.tolist() == [0.5, 1, 0.5, 0.5, 1, 0.5]
    assert made.groups.tolist() == [0, 1, 0, 0, 1, 0]


LAYERS = [("lstm", 1, {"stem", "stack.norm_in"}), ("lstm", 2, {"stem", "stack.norm_in", "stack.lstm"}),
          ("convrnnt", 1, {"stem"}), ("convrnnt", 2, {"stem", "branches.0", "branches.1", "join", "lstm.norm_in"}),
          ("convrnnt-global", 3, {"stem", "branches.0", "join", "lstm.norm_in", "lstm.lstm"}),
          ("conformer", 2, {"stem", "blocks.layers"}),
          ("transformer", 2, {"stem", "blocks.layers"}), ("amortized", 2, {"stem", "blocks.layers"}),
          ("amortized-stem", 1, {"stem", "arbitrator"}), ("contextnet", 1, {"stem"})]


@pytest.mark.parametrize(("encoder", "below", "parts"), LAYERS)
def test_every_encoder_is_frozen_below_a_layer_of_its_own(encoder: str, below: int, parts: set[str]) -> None:
    frozen = parameters_below(tiny_recogniser(encoder=encoder).transducer, below)

    assert {part for part in parts if any(name.startswith(f"encoder.body.{part}.") for name in frozen)} == parts
    assert all(name.removeprefix("encoder.body.").startswith(tuple(f"{part}." for part in parts)) for name in frozen)


@pytest.mark.parametrize(("encoder", "layers"), [("lstm", 2), ("convrnnt", 3), ("convrnnt-local", 3), ("conformer", 2),
                                                 ("transformer", 2), ("amortized", 2), ("contextnet", 2)])
def test_a_layer_that_the_encoder_does_not_have_is_refused_by_name(encoder: str, layers: int) -> None:
    transducer = tiny_recogniser(encoder=encoder).transducer
    above, whole = parameters_below(transducer, layers), {name for name, _ in transducer.named_parameters()}

    assert 0 < len(above) < len(whole)
    with pytest.raises(ParamsError, match=rf"arms\.frozen\.below must be a layer of the encoder, 1 to {layers}, got "
                                          rf"{layers + 1}"):
        parameters_below(transducer, layers + 1)


@pytest.mark.parametrize("encoder", ["lstm", "convrnnt", "conformer", "transformer", "contextnet"])
def test_what_is_frozen_stays_bit_for_bit_weight_decay_or_not_and_the_rest_moves(encoder: str) -> None:
    given, made = situation(encoder=encoder), plan("frozen", situation(encoder=encoder))
    before = {name: value.clone() for name, value in given.recogniser.transducer.state_dict().items()}
    settings = tiny_settings(steps=3)
    fit(recogniser=given.recogniser, store=given.store, indices=made.indices, seed=1, progress=given.progress,
        settings=settings.__class__(**{**vars(settings), "weight_decay": 0.5}), checkpoint_dir=None,
        frozen=made.frozen)

    after = given.recogniser.transducer.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert made.frozen <= still
    assert still - made.frozen <= {"mean_M", "std_M", "encoder.body.stem.bias"}
    assert all(parameter.requires_grad for parameter in given.recogniser.transducer.parameters())


def test_only_the_consolidating_arms_hold_the_weights_back() -> None:
    made = {arm: plan(arm, situation()) for arm in TRAINED}
    assert {arm for arm in made if made[arm].penalty is not None} == {"l2sp", "ewc"}
    assert {arm for arm in made if made[arm].identity} == {"l2sp", "ewc", "reweight", "reweight_random"}


@pytest.mark.parametrize("arm", TRAINED)
def test_every_arm_trains_and_gives_the_same_weights_twice(arm: str) -> None:
    def twice() -> Recogniser:
        given = situation()
        return trained(given, plan(arm, given))

    first = weights(twice())
    assert torch.equal(first, weights(twice()))
    assert not torch.equal(first, weights(situation().recogniser))
