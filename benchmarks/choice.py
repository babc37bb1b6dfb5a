"""How well a rule chooses between arms of mitigation whose true effects are known.

    python -m benchmarks.choice
    python -m benchmarks.choice --trials 50

Speakers are made up: rates of error with heavy tails, about 58 words each, a cohort found on discover speakers as the
worst of several regions, arms that change WER of that cohort and of everyone else by a known factor. All models hear
the same speakers. How much of their errors move from one model to another, and how alike the arms are, was read from a
run of the default world (``MOVING``, ``ALIKE``). Each rule then chooses, and is judged by the true effects:

best        share of trials in which it takes the arm of the lowest true WER of the bottom cohort among those whose true
            WER of the whole is within the margin (the base, if no such arm helps)
near        the same, or within 2 % of the base's WER of it
bottom      WER of the bottom cohort that it loses against that arm, in per cent of the base's, mean over trials
whole       likewise of the whole; below zero where it takes an arm that helps the whole more
harm        share of trials in which it takes an arm that truly harms the whole beyond the margin, or the bottom at all
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.choosing.rules import MARGIN, RULES
from benchmarks.choosing.speakers import ALIKE, MOVING, SIZES, Size, Trial, draw, scenarios
from benchmarks.hardware import hardware, write_result

NEAR: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a rule is worth, means over trials."""

    best: float
    near: float
    bottom: float
    whole: float
    harm: float

    @classmethod
    def mean(cls, scores: Sequence[Score]) -> Score:
        """Over trials."""
        return cls(**{name: float(np.mean([getattr(score, name) for score in scores]))
                      for name in ("best", "near", "bottom", "whole", "harm")})


def score(trial: Trial, taken: int) -> Score:
    """One choice, by the true effects."""
    harmless_M = trial.whole_M <= np.log1p(MARGIN) + 1e-9
    bottom_M, whole_M = np.expm1(trial.bottom_M), np.expm1(trial.whole_M)
    best = int(np.argmin(np.where(harmless_M, bottom_M, np.inf)))
    lost = float(bottom_M[taken] - bottom_M[best])
    harmless = bool(harmless_M[taken])
    return Score(best=harmless and lost < 1e-9, near=harmless and lost <= NEAR, bottom=lost,
                 whole=float(whole_M[taken] - whole_M[best]), harm=not harmless or bottom_M[taken] > 1e-9)


Judged = dict[str, dict[tuple[str, Size], list[Score]]]


def measure(trials: int, seed: int) -> Judged:
    """Every rule on the same trials: rule -> (scenario, size) -> one score per trial."""
    rng = np.random.default_rng(seed)
    found: Judged = {rule: {} for rule in RULES}
    for size in SIZES:
        for _ in range(trials):
            for name, scenario in scenarios(rng).items():
                trial = draw(scenario, size, rng)
                for rule, take in RULES.items():
                    found[rule].setdefault((name, size), []).append(score(trial, take(trial)))
    return found


def summarised(found: Judged) -> list[dict[str, Any]]:
    """A row per rule: over everything, per scenario and per size."""
    def over(scores: Mapping[tuple[str, Size], list[Score]], wanted: Callable[[str, Size], bool]) -> dict[str, float]:
        return vars(Score.mean([one for key, list_ in scores.items() if wanted(*key) for one in list_]))

    names = list(scenarios(np.random.default_rng(0)))
    return [{"rule": rule, "all": over(scores, lambda _name, _size: True),
             "scenarios": {name: over(scores, partial(_is_of, name=name)) for name in names},
             "sizes": [{**vars(size), **over(scores, partial(_is_of, size=size))} for size in SIZES]}
            for rule, scores in found.items()]


def _is_of(of_name: str, of_size: Size, *, name: str | None = None, size: Size | None = None) -> bool:
    return name in (None, of_name) and size in (None, of_size)


def main(argv: Sequence[str] | None = None) -> Path:
    """Judge every rule; returns where the result was written."""
    parser = argparse.ArgumentParser(description="How well a rule chooses between arms of known effect.")
    parser.add_argument("--trials", type=int, default=400, help="per scenario and size of the corpus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder of the result, instead of benchmarks/results")
    arguments = parser.parse_args(argv)
    rows = summarised(measure(arguments.trials, arguments.seed))
    print(f"{'per cent':36}{'best':>6}{'near':>6}{'bottom':>8}{'whole':>7}{'harm':>6}")
    for row in rows:
        of = row["all"]
        print(f"{row['rule']:36}{100 * of['best']:6.0f}{100 * of['near']:6.0f}{100 * of['bottom']:8.2f}"
              f"{100 * of['whole']:7.2f}{100 * of['harm']:6.1f}")
    return write_result("choice", {"hardware": hardware(), "trials": arguments.trials, "seed": arguments.seed,
                                   "margin": MARGIN, "moving": MOVING, "alike": ALIKE, "rules": rows}, arguments.out)


if __name__ == "__main__":
    main()
