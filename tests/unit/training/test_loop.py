"""The loop: what it promises to whoever stops it, resumes it or adds to its loss."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from evenvoice.errors import NonFiniteLoss, TrainingError
from evenvoice.progress import Progress
from evenvoice.training import loop
from evenvoice.training.curve import Curve
from evenvoice.training.loop import fit
from evenvoice.training.objective import Objective
from evenvoice.training.settings import FitSettings
from tests.builders.models import ENCODERS, MASKS, spoken_store, tiny_recogniser, tiny_settings, tiny_train, weights

STORE = spoken_store()
EVERYTHING = STORE.indices("train")


class InterruptedTrainingError(Exception):
    """Stands for whatever ends a training."""


class StopAt(Progress):
    """Interrupts after a number of steps."""

    def __init__(self, step: int) -> None:
        super().__init__("test")
        self.step = step

    def advance(self, steps: int = 1, **figures: float) -> None:
        super().advance(steps, **figures)
        if self.done == self.step:
            raise InterruptedTrainingError


def train(recogniser, *, settings=None, **changes) -> Curve:
    arguments = {"store": STORE, "indices": EVERYTHING, "seed": 7, "progress": Progress("test"),
                 "checkpoint_dir": None, "settings": settings or tiny_settings(steps=6, augment=MASKS)}
    return fit(recogniser=recogniser, **(arguments | changes))


def one(encoder: str = "convrnnt"):
    return tiny_recogniser(encoder=encoder, dropout=0.2)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, second, third = one(), one(), one()
    for recogniser, seed in ((first, 7), (second, 7), (third, 8)):
        train(recogniser, seed=seed)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(third))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_resumes_bit_identically_after_an_interruption(tmp_path, encoder):
    straight, interrupted, resumed = one(encoder), one(encoder), one(encoder)
    expected = train(straight)
    with pytest.raises(InterruptedTrainingError):
        train(interrupted, checkpoint_dir=tmp_path, progress=StopAt(4))
    progress = Progress("test")
    found = train(resumed, checkpoint_dir=tmp_path, progress=progress)
    assert torch.equal(weights(resumed), weights(straight))
    assert [(p.step, p.loss, p.learning_rate) for p in found.points] == [
        (p.step, p.loss, p.learning_rate) for p in expected.points]
    assert found.audio_s == expected.audio_s


def test_a_training_by_muon_resumes_bit_identically_and_is_another_than_by_adamw(tmp_path):
    settings = tiny_settings(steps=6, augment=MASKS, optimiser="muon")
    straight, interrupted, resumed, adamw = (one("transformer") for _ in range(4))
    train(straight, settings=settings)
    train(adamw)
    with pytest.raises(InterruptedTrainingError):
        train(interrupted, settings=settings, checkpoint_dir=tmp_path, progress=StopAt(4))
    train(resumed, settings=settings, checkpoint_dir=tmp_path)
    assert torch.equal(weights(resumed), weights(straight))
    assert not torch.equal(weights(adamw), weights(straight))


def test_a_resumed_training_takes_only_the_steps_that_are_left(tmp_path):
    with pytest.raises(InterruptedTrainingError):
        train(one(), checkpoint_dir=tmp_path, progress=StopAt(5))
    counted = StopAt(99)
    counted.advance = lambda steps=1, **figures: taken.append(steps)
    taken: list[int] = []
    train(one(), checkpoint_dir=tmp_path, progress=counted)
    assert len(taken) == 2  # the checkpoint of step 5 had not been written yet


@pytest.mark.parametrize("changes", [
    {"seed": 8},
    {"indices": EVERYTHING[:5]},
    {"settings": tiny_settings(steps=6, learning_rate=0.02, augment=MASKS)},
    {"draw_weights": np.full(6, 2.0)},
    {"penalty": lambda module: module.mean_M.sum(), "identity": "nothing"},
], ids=["seed", "recordings", "settings", "draws", "penalty"])
def test_a_changed_training_does_not_resume_the_old_one(tmp_path, changes):
    with pytest.raises(InterruptedTrainingError):
        train(one(), checkpoint_dir=tmp_path, progress=StopAt(5))
    fresh, beside = one(), one()
    train(fresh, **changes)
    train(beside, checkpoint_dir=tmp_path, **changes)
    assert torch.equal(weights(fresh), weights(beside))


@pytest.mark.parametrize("change", ["dropout", "lookahead", "units", "code"])
def test_a_changed_recogniser_does_not_resume_the_old_one(tmp_path, monkeypatch, change):
    with pytest.raises(InterruptedTrainingError):
        train(one(), checkpoint_dir=tmp_path, progress=StopAt(5))
    changed = tiny_recogniser(dropout=0.5 if change == "dropout" else 0.2, lookahead=3 if change == "lookahead" else 0)
    if change == "units":
        changed.tokenizer = replace(changed.tokenizer, units=changed.tokenizer.units[::-1])
    if change == "code":
        monkeypatch.setattr(loop, "package_digest", lambda *parts: "other code")
    counted = StopAt(99)
    counted.advance = lambda steps=1, **figures: taken.append(steps)
    taken: list[int] = []
    train(changed, checkpoint_dir=tmp_path, progress=counted)
    assert len(taken) == 6


def test_how_often_is_checkpointed_changes_nothing(tmp_path):
    often, never = one(), one()
    train(often, checkpoint_dir=tmp_path)
    train(never)
    assert torch.equal(weights(often), weights(never))


def test_a_penalty_without_identity_is_not_checkpointed(tmp_path):
    with pytest.raises(TrainingError, match="identity must name the penalty"):
        train(one(), checkpoint_dir=tmp_path, penalty=lambda module: module.mean_M.sum())


def test_a_heavy_penalty_holds_the_weights():
    free, held = one(), one()
    start = weights(held).clone()
    anchors = [parameter.detach().clone() for parameter in held.transducer.parameters()]

    def pull(module):
        return 1e4 * sum((p - a).square().sum() for p, a in zip(module.parameters(), anchors, strict=True))

    settings = tiny_settings(steps=20, learning_rate=0.002)
    train(free, settings=settings)
    train(held, settings=settings, penalty=pull)
    assert (weights(held) - start).norm() < 0.5 * (weights(free) - start).norm()


def test_recordings_of_weight_zero_are_never_drawn(monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr(STORE, "features", lambda i, read=STORE.features: seen.append(i) or read(i))
    train(one(), draw_weights=np.array([0.0, 1.0, 0.0, 1.0, 0.0, 2.0]))
    assert set(seen) == {1, 3, 5}


def test_the_curve_accounts_for_steps_and_padding():
    curve = train(one())
    summary = curve.summary()
    assert [point.step for point in curve.points] == [0, 1, 2, 3, 4, 5]
    assert summary["steps"] == 6
    assert summary["batches_skipped"] == 0
    assert 0 <= summary["padding_share"] < 0.5
    assert curve.table().num_rows == 6


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train(one())
    assert torch.equal(torch.rand(3), expected)


@pytest.fixture
def poisoned():
    """A store whose second recording has a NaN; batches of 1.25 s hold one recording each."""
    store = spoken_store()
    bad = store.features(1).copy()
    bad[3, 2] = np.nan
    store.features = lambda i, read=store.features: bad if i == 1 else read(i)
    return store


def test_a_poisoned_batch_is_skipped_within_the_budget(poisoned):
    recogniser = one()
    curve = train(recogniser, store=poisoned, settings=tiny_settings(steps=6, batch_s=1.25, nonfinite_budget=1))
    assert curve.batches_skipped == 1
    assert len(curve.points) == 5
    assert torch.isfinite(weights(recogniser)).all()


def test_beyond_the_budget_training_stops_naming_the_utterance_and_keeps_the_batch(poisoned, tmp_path):
    with pytest.raises(NonFiniteLoss, match=r"loss of step \d+ \(utterances r1\) must be finite in all but 0 batches"):
        train(one(), store=poisoned, checkpoint_dir=tmp_path, settings=tiny_settings(steps=6, batch_s=1.25))
    dumped = safetensors.torch.load_file(tmp_path / "nonfinite-0" / "batch.safetensors")
    assert torch.isnan(dumped["features_BTM"]).any()
    assert json.loads((tmp_path / "nonfinite-0" / "batch.json").read_text())["nonfinite"] == ["r1"]


def test_an_infinite_gradient_changes_no_weight():
    recogniser = one()
    before = weights(recogniser).clone()

    def explosive(module):
        weight = next(module.parameters())
        return torch.sqrt(weight.sum() - weight.sum().detach())  # 0, with an infinite slope

    with pytest.raises(NonFiniteLoss, match="gradient of step 0"):
        train(recogniser, penalty=explosive)
    assert torch.equal(weights(recogniser), before)


def test_the_first_half_of_a_training_listens_first_and_a_mitigation_does_not():
    heard = []

    class Listening(Objective):
        def forward(self, batch, listening=0):
            heard.append(listening)
            return super().forward(batch, listening)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "Objective", Listening)
        train(one(), settings=replace(tiny_settings(steps=4), listen_first_s=0.12))
    assert heard == [3, 3, 0, 0]
    params = tiny_train().model_copy(update={"listen_first_s": 0.24})
    assert FitSettings.for_base(params).listen_first_s == 0.24
    assert FitSettings.for_mitigation(params, steps=3, learning_rate=0.1).listen_first_s == 0.0
