"""Adversarial reweighting of a recogniser's training, and its control."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evenvoice.data.schemas import EMBEDDINGS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.mitigation.game import Game, plan_game
from evenvoice.mitigation.voices import described, training_embeddings
from evenvoice.progress import Progress
from evenvoice.training.adversary import Adversary
from evenvoice.training.curve import Curve
from evenvoice.training.loop import fit
from tests.builders.mitigation import REWEIGHT, plan, situation
from tests.builders.models import MASKS, tiny_settings, weights

BATCH = [f"r{number}" for number in range(10)]
SERVED_BADLY = frozenset({"r1", "r4"})
VOICES = {name: torch.eye(2, dtype=torch.float64)[int(name in SERVED_BADLY)] for name in BATCH}
STEPS = 80


def game(*, permuted: bool, warmup_share: float = 0.25, voices: dict[str, torch.Tensor] = VOICES) -> Game:
    adversary = Adversary(features=2, hidden_units=0, even_share=0.5, learning_rate=0.05, seed=1)
    return Game(adversary, voices, warmup_share=warmup_share, permuted_by=1 if permuted else None)


def losses(step: int) -> torch.Tensor:
    noise_B = torch.rand(len(BATCH), generator=torch.Generator().manual_seed(step))
    return (0.5 + noise_B) * torch.tensor([1.5 if name in SERVED_BADLY else 1.0 for name in BATCH])


def weights_per_step(one: Game) -> np.ndarray:
    """(STEPS, 10)."""
    return np.stack([one.weigh(BATCH, losses(step), step=step, steps=STEPS).numpy() for step in range(STEPS)])


def test_who_is_served_badly_comes_to_count_more_and_in_the_control_does_not() -> None:
    badly = [name in SERVED_BADLY for name in BATCH]
    found, control = weights_per_step(game(permuted=False)), weights_per_step(game(permuted=True))
    assert found[-20:, badly].mean() > 1.2
    assert control[-20:, badly].mean() == pytest.approx(1, abs=0.1)


def test_the_control_has_the_same_weights_in_every_batch_on_other_recordings() -> None:
    found, control = weights_per_step(game(permuted=False)), weights_per_step(game(permuted=True))
    assert np.array_equal(np.sort(found), np.sort(control))
    assert not np.array_equal(found, control)


@pytest.mark.parametrize("permuted", [False, True])
def test_the_mean_weight_is_one_and_all_are_one_at_first(permuted: bool) -> None:
    found = weights_per_step(game(permuted=permuted))
    assert np.allclose(found.mean(axis=1), 1, atol=1e-6)
    assert (found[:20] == 1).all()
    assert (found[20:] != 1).any()


def test_a_recording_whose_speaker_has_no_embedding_counts_once() -> None:
    voices = {name: voice for name, voice in VOICES.items() if name not in {"r0", "r4"}}
    found = weights_per_step(game(permuted=False, voices=voices))
    assert (found[:, [0, 4]] == 1).all()
    assert (found[-1, 1:4] != 1).all()
    assert np.allclose(found.mean(axis=1), 1, atol=1e-6)


def test_in_a_batch_of_nobody_who_has_one_everyone_counts_once() -> None:
    one = game(permuted=False, voices={"elsewhere": torch.ones(2, dtype=torch.float64)})
    assert (weights_per_step(one) == 1).all()


def trained(arm: str, *, warmup_share: float | None = None, checkpoints: Path | None = None,
            progress: Progress | None = None) -> tuple[torch.Tensor, Curve]:
    """Weights and curve of a tiny training; ``arm`` 'nothing' is the same training without weights."""
    given = situation()
    made = plan("reweight" if arm == "nothing" else arm, given)
    if warmup_share is not None:
        made = plan_game(given, REWEIGHT.model_copy(update={"warmup_share": warmup_share}), permuted=False)
    curve = fit(recogniser=given.recogniser, store=given.store, indices=made.indices, seed=7,
                settings=tiny_settings(steps=12, augment=MASKS), progress=progress or Progress("test"),
                checkpoint_dir=checkpoints, weigher=None if arm == "nothing" else made.weigher, identity=made.identity)
    return weights(given.recogniser), curve


def test_during_the_warm_up_it_is_the_training_that_it_would_be_without() -> None:
    assert torch.equal(trained("reweight", warmup_share=1.0)[0], trained("nothing")[0])
    assert not torch.equal(trained("reweight")[0], trained("nothing")[0])


class InterruptedTrainingError(Exception):
    """Stands for whatever ends a training."""


class StopAtEight(Progress):
    """Interrupts when weights count already."""

    def advance(self, steps: int = 1, **figures: float) -> None:
        super().advance(steps, **figures)
        if self.done == 8:
            raise InterruptedTrainingError


@pytest.mark.parametrize("arm", ["reweight", "reweight_random"])
def test_resumed_it_ends_as_if_it_had_never_been_interrupted(tmp_path: Path, arm: str) -> None:
    with pytest.raises(InterruptedTrainingError):
        trained(arm, checkpoints=tmp_path, progress=StopAtEight("test"))
    resumed, curve = trained(arm, checkpoints=tmp_path)
    straight, expected = trained(arm)
    assert torch.equal(resumed, straight)
    assert curve.points == expected.points
    assert min(point.effective_share for point in curve.points if point.effective_share is not None) < 1


def test_checkpoints_of_other_settings_another_control_or_other_voices_are_not_its_own() -> None:
    given = situation()
    other = replace(given, embeddings={**given.embeddings, "s0": np.full(6, 6**-0.5)})
    identities = [plan_game(given, REWEIGHT, permuted=False), plan_game(given, REWEIGHT, permuted=True),
                  plan_game(given, REWEIGHT.model_copy(update={"even_share": 0.6}), permuted=False),
                  plan_game(other, REWEIGHT, permuted=False)]
    assert len({made.identity for made in identities}) == len(identities)


def test_a_corpus_without_embeddings_is_trained_on_evenly() -> None:
    made = plan_game(replace(situation(), embeddings={}), REWEIGHT, permuted=False)
    assert made.weigher is None
    assert made.indices.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_voice_is_an_embedding_and_its_cluster() -> None:
    near_left, near_right = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    voices = described({"cy": near_right, "ann": near_left, "bo": near_left}, clusters=2, seed=1)
    assert [*voices] == ["ann", "bo", "cy"]
    assert voices["ann"].tolist() == voices["bo"].tolist()
    assert voices["ann"][:2].tolist() == [1.0, 0.0]
    assert sorted(voices["ann"][2:].tolist()) == [0.0, 1.0]
    assert voices["ann"][2:].tolist() == voices["cy"][:1:-1].tolist()


def test_there_are_no_more_clusters_than_voices() -> None:
    voices = described({"ann": np.array([1.0, 0.0]), "bo": np.array([1.0, 0.0])}, clusters=6, seed=1)
    assert voices["ann"].tolist() == [1.0, 0.0, 1.0]


def test_embeddings_of_training_speakers_alone_are_read(tmp_path: Path) -> None:
    rows = [{"speaker": name, "split": split, "embedding": [0.6, 0.8]}
            for name, split in (("ann", "train"), ("bo", "test"), ("cy", "validate"))]
    write_table(tmp_path / "embeddings.parquet", rows_table(rows, EMBEDDINGS))
    assert [*training_embeddings(tmp_path)] == ["ann"]
