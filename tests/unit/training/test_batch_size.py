"""``train.batch_s: auto``: what is chosen, where it is written down, and that a resumed training keeps it."""

import numpy as np
import pytest
import torch

from evenvoice.errors import ParamsError
from evenvoice.params import Train, check
from evenvoice.progress import Progress
from evenvoice.settings import Layer
from evenvoice.storage import read_json
from evenvoice.training import batch_size, loop
from evenvoice.training.batch_size import Trial, chosen_batch_s, longest_within, roomy_batch_s
from evenvoice.training.distributed import World
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import write_trained
from tests.builders.models import spoken_store, tiny_recogniser, tiny_settings, tiny_train, weights

STORE = spoken_store()
GIB = 1 << 30
TRIALS = Trial(50.0, 1 * GIB), Trial(200.0, 4 * GIB)
"""A GiB for every 50 s."""


@pytest.mark.parametrize(("free_gib", "speech_s", "longest_s", "chosen_s"), [
    (20, 1e6, 15.0, 700.0),  # 14 GiB of it
    (21, 1e6, 15.0, 730.0),  # 735 s, rounded down
    (200, 1e6, 15.0, 2400.0),  # more brings nothing
    (200, 8000.0, 15.0, 400.0),  # an epoch has twenty batches
    (200, 60.0, 15.2, 16.0),  # but the longest recording fits
])
def test_a_batch_takes_what_memory_and_speech_there_are(free_gib, speech_s, longest_s, chosen_s):
    assert roomy_batch_s(TRIALS, free_bytes=free_gib * GIB, speech_s=speech_s, longest_s=longest_s) == chosen_s


def test_trials_are_made_of_the_longest_recordings():
    durations_s = np.array([1.0, 9.0, 3.0, 8.0, 2.0], np.float32)
    assert longest_within(20.0, durations_s, np.array([0, 2, 3, 4])).tolist() == [3, 2]
    assert longest_within(1.0, durations_s, np.arange(5)).tolist() == [1]


def test_on_a_processor_a_batch_is_that_of_params_yaml_or_holds_the_longest_recording():
    def chosen(longest_s: float) -> float:
        return chosen_batch_s(lambda _: pytest.fail("no step is tried on a processor"), indices=np.arange(2),
                              durations_s=np.array([3.0, longest_s]), world=World(0, 1, torch.device("cpu")))

    assert chosen(7.0) == batch_size.ON_A_PROCESSOR_S == 25.0
    assert chosen(31.5) == 32.0


def trained(recogniser, progress=None, **settings):
    return fit(recogniser=recogniser, store=STORE, indices=STORE.indices("train"), seed=7,
               progress=progress or Progress("test"), settings=tiny_settings(**{"batch_s": "auto"} | settings),
               checkpoint_dir=None)


def test_the_chosen_size_is_trained_with_and_written_down(tmp_path):
    by_itself, told = tiny_recogniser(), tiny_recogniser()
    curve = trained(by_itself)
    assert curve.chosen_batch_s == 25.0
    assert trained(told, batch_s=25.0).chosen_batch_s is None
    assert torch.equal(weights(by_itself), weights(told))
    write_trained(tmp_path / "model", by_itself, curve)
    assert read_json(tmp_path / "model" / "summary.json")["chosen_batch_s"] == 25.0


def test_a_resumed_training_keeps_its_size_whatever_would_be_chosen_now(tmp_path, monkeypatch):
    class InterruptedTrainingError(Exception):
        """Stands for whatever ends a training."""

    class Stop(Progress):
        def advance(self, steps: int = 1, **figures: float) -> None:
            super().advance(steps, **figures)
            if self.done == 3:
                raise InterruptedTrainingError

    arguments = {"store": STORE, "indices": STORE.indices("train"), "seed": 7, "checkpoint_dir": tmp_path,
                 "settings": tiny_settings(steps=6, batch_s="auto")}
    monkeypatch.setattr(loop, "chosen_batch_s", lambda *_, **__: 2.0)
    straight, interrupted, resumed = tiny_recogniser(), tiny_recogniser(), tiny_recogniser()
    trained(straight, steps=6)
    with pytest.raises(InterruptedTrainingError):
        fit(recogniser=interrupted, progress=Stop("test"), **arguments)
    monkeypatch.setattr(loop, "chosen_batch_s", lambda *_, **__: 3.0)
    curve = fit(recogniser=resumed, progress=Progress("test"), **arguments)
    assert curve.chosen_batch_s == 2.0
    assert torch.equal(weights(resumed), weights(straight))


def test_a_trial_step_leaves_weights_and_gradients_as_they_were(monkeypatch):
    def tries(step, *, indices, **_):
        step(indices[:2])
        return 3.0

    monkeypatch.setattr(loop, "chosen_batch_s", tries)
    tried, told = tiny_recogniser(dropout=0.2), tiny_recogniser(dropout=0.2)
    trained(tried)
    trained(told, batch_s=3.0)
    assert torch.equal(weights(tried), weights(told))


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan"), True, "25", "Auto", None])
def test_any_other_size_is_refused(value):
    train = tiny_train().model_dump() | {"batch_s": value}
    with pytest.raises(ParamsError, match="batch_s must be a number above 0, or 'auto', got"):
        check(Train, train, Layer("params.yaml", train))


def test_auto_and_whole_numbers_are_taken():
    sizes = [Train(**tiny_train().model_dump() | {"batch_s": value}).batch_s for value in ("auto", 25)]
    assert sizes == ["auto", 25.0]
    assert FitSettings.for_base(tiny_train().model_copy(update={"batch_s": "auto"})).batch_s == "auto"
