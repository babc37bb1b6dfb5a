"""What a training needs to know, whichever section of params.yaml it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from evenvoice.params import Train, TrainMultitalker


@dataclass(frozen=True, kw_only=True)
class SpecAugment:
    """Masks over time and frequency (arXiv 1904.08779), without time warping."""

    time_masks: int
    time_mask_s: float
    """Longest time mask."""
    frequency_masks: int
    frequency_mask_bands: int
    """Widest frequency mask."""


@dataclass(frozen=True, kw_only=True)
class TurnWeights:
    """What the times of turns are worth in the loss of a model that tells talkers apart."""

    fastemit: float
    activity: float
    """Of a frame's cross-entropy of who speaks."""
    late: float
    """Nats per encoder frame."""
    late_after: float
    """Encoder frames behind its turn in which an end is not late."""
    early: float
    """Nats per encoder frame."""

    @classmethod
    def of(cls, settings: TrainMultitalker, frame_s: float) -> Self:
        """From seconds to encoder frames."""
        return cls(fastemit=settings.fastemit, activity=settings.activity_weight, late=settings.late_eot * frame_s,
                   late_after=settings.late_eot_after_s / frame_s, early=settings.early_eot * frame_s)


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How :func:`evenvoice.training.loop.fit` trains; the fields are those of ``params.train``."""

    steps: int
    batch_s: float | Literal["auto"]
    """Seconds of speech per batch and process, padding included; auto leaves it to the device's memory."""
    optimiser: Literal["adamw", "muon"]
    learning_rate: float
    """Peak of the one-cycle schedule."""
    warmup_share: float
    weight_decay: float
    gradient_clip: float
    ctc_weight: float
    listen_first_s: float
    """Seconds at the beginning of an utterance that write nothing while it learns to listen."""
    augment: SpecAugment
    nonfinite_budget: int
    checkpoint_every_s: float
    turns: TurnWeights | None = None
    """For a model that tells talkers apart."""

    @classmethod
    def for_base(cls, train: Train) -> Self:
        """Train from scratch."""
        return cls._of(train, batch_s=train.batch_s, steps=train.steps, learning_rate=train.learning_rate,
                       listen_first_s=train.listen_first_s)

    @classmethod
    def for_mitigation(cls, train: Train, *, steps: int, learning_rate: float,
                       chosen_batch_s: float | None = None) -> Self:
        """Train on, as the base model was trained but for the steps and the learning rate.

        ``chosen_batch_s`` is the batch that the base model's training chose, if it was left to choose: were each arm to
        choose its own, it would differ from its control in more than what the arm does.
        """
        return cls._of(train, batch_s=chosen_batch_s or train.batch_s, steps=steps, learning_rate=learning_rate,
                       listen_first_s=0.0)

    @classmethod
    def for_multitalker(cls, train: Train, settings: TrainMultitalker, *, frame_s: float) -> Self:
        """Train on with several talkers."""
        return cls._of(train, batch_s=settings.batch_s, steps=settings.steps, learning_rate=settings.learning_rate,
                       listen_first_s=0.0, turns=TurnWeights.of(settings, frame_s))

    @classmethod
    def _of(cls, train: Train, *, batch_s: float | Literal["auto"], steps: int, learning_rate: float,
            listen_first_s: float, turns: TurnWeights | None = None) -> Self:
        augment = SpecAugment(time_masks=train.time_masks, time_mask_s=train.time_mask_s,
                              frequency_masks=train.frequency_masks, frequency_mask_bands=train.frequency_mask_bands)
        return cls(steps=steps, learning_rate=learning_rate, augment=augment, batch_s=batch_s,
                   optimiser=train.optimiser, warmup_share=train.warmup_share, weight_decay=train.weight_decay,
                   ctc_weight=train.ctc_weight, listen_first_s=listen_first_s, gradient_clip=train.gradient_clip,
                   nonfinite_budget=train.nonfinite_budget, checkpoint_every_s=train.checkpoint_every_s, turns=turns)
