"""Less computation as a part of the loss: what it costs, when, and what a training makes of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.amortising import FIRST_TEMPERATURE, LAST_TEMPERATURE, Amortising, temperature
from evenvoice.training.curve import Curve
from evenvoice.training.loop import fit
from tests.builders.models import spoken_store, tiny_recogniser, tiny_settings

SHARE = torch.tensor(0.7)


def trained(amortising: Amortising | None, *, encoder: str = "amortized", steps: int = 12,
            checkpoints: Path | None = None) -> tuple[Recogniser, Curve]:
    recogniser, store = tiny_recogniser(encoder=encoder), spoken_store()
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"), settings=tiny_settings(steps=steps),
                seed=3, progress=Progress("test"), checkpoint_dir=checkpoints, amortising=amortising)
    return recogniser, curve


def test_the_weight_rises_over_the_warm_up_and_then_stays() -> None:
    amortising = Amortising(weight=2.0, warmup_share=0.5)
    terms = [amortising.term(SHARE, step, steps=8).item() for step in range(8)]
    assert terms == pytest.approx([0.35, 0.7, 1.05, 1.4, 1.4, 1.4, 1.4, 1.4])


def test_a_target_is_missed_from_either_side_alike() -> None:
    amortising = Amortising(weight=1.0, target=0.5, warmup_share=0.0)
    assert [amortising.term(torch.tensor(share), 0, 1).item() for share in (0.4, 0.5, 0.6)] == pytest.approx(
        [0.1, 0.0, 0.1])


def test_the_temperature_falls_by_a_constant_factor() -> None:
    found = [temperature(step, 5) for step in range(5)]
    assert (found[0], found[-1]) == pytest.approx((FIRST_TEMPERATURE, LAST_TEMPERATURE))
    assert [later / earlier for earlier, later in pairwise(found)] == pytest.approx([0.5**0.5] * 4)
    assert temperature(0, 1) == FIRST_TEMPERATURE


def test_computation_that_costs_is_spared_and_computation_that_is_free_is_not() -> None:
    shares = {weight: [point.executed_share for point in trained(Amortising(weight=weight), steps=60)[1].points]
              for weight in (0.0, 30.0)}
    assert all(share is not None for share in shares[0.0])
    assert sum(shares[30.0][-10:]) < 0.8 * sum(shares[0.0][-10:])


def test_the_shown_loss_has_what_computation_costs() -> None:
    free, dear = (trained(Amortising(weight=weight, warmup_share=0.0), steps=1)[1].points[0]
                  for weight in (0.0, 10.0))
    assert free.executed_share == dear.executed_share is not None
    assert dear.loss - free.loss == pytest.approx(10 * dear.executed_share)


def test_without_it_no_share_is_told() -> None:
    _, curve = trained(None, steps=2)
    assert [point.executed_share for point in curve.points] == [None, None]


def test_a_training_is_not_resumed_from_another_weights_checkpoint(tmp_path: Path) -> None:
    place = tmp_path / "checkpoints"
    trained(Amortising(weight=0.0), steps=4, checkpoints=place)
    _, again = trained(Amortising(weight=5.0, warmup_share=0.0), steps=4, checkpoints=place)
    _, fresh = trained(Amortising(weight=5.0, warmup_share=0.0), steps=4)
    assert [point.loss for point in again.points] == [point.loss for point in fresh.points]
