"""The one-cycle schedule and the seeds of a step."""

import pytest

from evenvoice.training.schedule import one_cycle, step_seed


def rates(steps: int, warmup_share: float) -> list[float]:
    return [one_cycle(step, steps=steps, peak=1.0, warmup_share=warmup_share) for step in range(steps)]


def test_rises_to_the_peak_and_falls_to_almost_nothing():
    found = rates(101, 0.2)
    assert found[0] == pytest.approx(1 / 25)
    assert max(found) == pytest.approx(1.0, rel=1e-3)
    assert found.index(max(found)) in (20, 21)
    assert found[-1] == pytest.approx(1 / 1000)


def test_never_turns_twice():
    found = rates(60, 0.25)
    assert found[:15] == sorted(found[:15])
    assert found[15:] == sorted(found[15:], reverse=True)


@pytest.mark.parametrize("warmup_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_short_cycles_stay_between_zero_and_the_peak(steps, warmup_share):
    assert all(0 < rate <= 1 for rate in rates(steps, warmup_share))


def test_seeds_differ_by_step_process_and_purpose():
    seeds = {step_seed(7, step=step, rank=rank, purpose=purpose)
             for step in range(3) for rank in range(3) for purpose in range(3)}
    assert len(seeds) == 27
    assert step_seed(7, step=1, rank=0, purpose=2) == step_seed(7, step=1, rank=0, purpose=2)
