"""What the bake-off trains: every arm with every recipe of its own, seed after seed, and where each result lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

OPTIMISERS: Final = ("adamw", "muon")
RATES: Final = (0.002, 0.004)
ARMS: Final = ("lstm", "convrnnt", "convrnnt-local", "convrnnt-global", "conformer", "contextnet", "transformer")
TUNING_SEED: Final = 1


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained, where arms may differ."""

    optimiser: str
    learning_rate: float

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{self.optimiser} {self.learning_rate:g}"


@dataclass(frozen=True)
class Arm:
    """An encoder and the recipes that it is tried with."""

    encoder: str
    recipes: tuple[Recipe, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """``lstm``, or ``lstm=muon:0.004,0.008`` for another optimiser and other rates than usual.

        Raises:
            ValueError: no such encoder or optimiser, or a rate is no number.
        """
        encoder, _, recipes = text.partition("=")
        optimiser, _, rates = recipes.partition(":")
        optimiser = optimiser or OPTIMISERS[0]
        for kind, value, known in (("encoder", encoder, ARMS), ("optimiser", optimiser, OPTIMISERS)):
            if value not in known:
                raise ValueError(f"{text}: the {kind} must be one of {', '.join(known)}, got {value}")
        return cls(encoder, tuple(Recipe(optimiser, float(rate)) for rate in (rates.split(",") if rates else RATES)))


@dataclass(frozen=True)
class Trial:
    """One training: equal seeds draw the same recordings in the same order, whatever the arm."""

    corpus: str
    arm: str
    recipe: Recipe
    seed: int
    steps: int

    def directory(self, work: Path) -> Path:
        """Where its model and its scores lie."""
        recipe = f"{self.recipe.optimiser}-{self.recipe.learning_rate:g}"
        return work / self.corpus / "trials" / f"{self.arm}-{recipe}-{self.seed}-{self.steps}"


def tuning(corpus: str, arms: Sequence[Arm], steps: int) -> list[Trial]:
    """The tuning budget: every arm with each of its recipes, one seed."""
    return [Trial(corpus, arm.encoder, recipe, TUNING_SEED, steps) for arm in arms for recipe in arm.recipes]


def repetitions(corpus: str, best: Mapping[str, Recipe], seeds: int, steps: int) -> list[Trial]:
    """Every arm with its best recipe, seed after seed, so that a bake-off cut short has whole seeds."""
    return [Trial(corpus, arm, recipe, TUNING_SEED + seed, steps)
            for seed in range(seeds) for arm, recipe in best.items()]
