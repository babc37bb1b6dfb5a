"""A training that weighs recordings: what the loop shows the weigher, and what it makes of the weights."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch

from evenvoice.errors import TrainingError
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training import loop
from evenvoice.training.curve import Curve
from evenvoice.training.distributed import World
from tests.builders.models import MASKS, TEXTS, spoken_store, tiny_recogniser, tiny_settings, weights


class Fixed:
    """Weighs by name, and keeps what it was shown."""

    def __init__(self, weight_of: Mapping[str, float]) -> None:
        self.weight_of = weight_of
        self.seen: list[tuple[tuple[str, ...], list[float]]] = []

    def weigh(self, ids: Sequence[str], losses_B: torch.Tensor, *, step: int, steps: int) -> torch.Tensor:
        assert (step, steps) == (len(self.seen), 6)
        assert not losses_B.requires_grad
        self.seen.append((tuple(ids), losses_B.tolist()))
        return torch.tensor([self.weight_of[name] for name in ids])

    def state_tensors(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        assert not tensors


def everyone(weight: float) -> Fixed:
    return Fixed({f"r{number}": weight for number in range(len(TEXTS))})


def train(recogniser: Recogniser, **changes: object) -> Curve:
    store = spoken_store()
    arguments = {"store": store, "indices": store.indices("train"), "seed": 7, "progress": Progress("test"),
                 "checkpoint_dir": None, "settings": tiny_settings(steps=6, augment=MASKS)}
    return loop.fit(recogniser=recogniser, **(arguments | changes))


def test_weights_of_one_change_nothing() -> None:
    weighed, free = tiny_recogniser(dropout=0.2), tiny_recogniser(dropout=0.2)
    curve, expected = train(weighed, weigher=everyone(1.0)), train(free)
    assert torch.equal(weights(weighed), weights(free))
    assert [point.loss for point in curve.points] == [point.loss for point in expected.points]
    assert [point.effective_share for point in curve.points] == [1.0] * 6
    assert [point.effective_share for point in expected.points] == [None] * 6


def test_what_weighs_nothing_teaches_nothing() -> None:
    def trained(text_of_r1: str) -> torch.Tensor:
        recogniser, store = tiny_recogniser(), spoken_store()
        store.texts = np.array([TEXTS[0], text_of_r1, *TEXTS[2:]], object)
        train(recogniser, store=store, weigher=Fixed({**everyone(1.2).weight_of, "r1": 0.0}),
              settings=tiny_settings(steps=6, batch_s=30.0))
        return weights(recogniser)

    torch.testing.assert_close(trained("no yes no"), trained("on sey on"), atol=1e-6, rtol=0)


def test_the_weigher_sees_losses_per_label_and_the_curve_shows_them_unweighted() -> None:
    weigher = Fixed({f"r{number}": 0.5 + number / 5 for number in range(len(TEXTS))})
    curve = train(tiny_recogniser(), weigher=weigher, settings=tiny_settings(steps=6))
    for point, (ids, losses_B) in zip(curve.points, weigher.seen, strict=True):
        labels_B = np.array([len(TEXTS[int(name[1:])]) for name in ids])
        assert point.loss == pytest.approx((labels_B * losses_B).sum() / labels_B.sum(), rel=1e-5)


def test_the_curve_tells_how_many_recordings_of_a_batch_still_count() -> None:
    weigher = Fixed({"r0": 2.0, "r1": 0.0, "r2": 2.0, "r3": 0.0, "r4": 2.0, "r5": 0.0})
    curve = train(tiny_recogniser(), weigher=weigher, settings=tiny_settings(steps=6, batch_s=30.0))
    assert [point.effective_share for point in curve.points] == [0.5] * 6
    assert curve.table()["effective_share"].to_pylist() == [0.5] * 6


def test_a_batch_with_a_loss_that_is_no_number_is_not_shown_to_it() -> None:
    store = spoken_store()
    bad = store.features(1).copy()
    bad[3, 2] = np.nan
    store.features = lambda i, read=store.features: bad if i == 1 else read(i)
    weigher = everyone(1.0)
    weigher.weigh = lambda ids, losses_B, **_: shown.extend(ids) or torch.ones(len(ids))
    shown: list[str] = []
    curve = train(tiny_recogniser(), store=store, weigher=weigher,
                  settings=tiny_settings(steps=6, batch_s=1.25, nonfinite_budget=1))
    assert curve.batches_skipped == 1
    assert "r1" not in shown
    assert len(shown) == 5


def test_a_weigher_without_identity_is_not_checkpointed(tmp_path) -> None:
    with pytest.raises(TrainingError, match="identity must name the penalty or weigher"):
        train(tiny_recogniser(), checkpoint_dir=tmp_path, weigher=everyone(1.0))


def test_several_processes_may_not_weigh_against_their_own_batches(monkeypatch) -> None:
    monkeypatch.setattr(loop, "current_world", lambda: World(0, 2, torch.device("cpu")))
    with pytest.raises(TrainingError, match="a training that weighs recordings must run in one process, got 2"):
        train(tiny_recogniser(), weigher=everyone(1.0))
