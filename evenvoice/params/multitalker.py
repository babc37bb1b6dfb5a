"""Mixtures of several talkers, the recogniser that hears them apart, and its gate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evenvoice.params.section import Section
from evenvoice.params.values import ColumnNames, InputPath, Positive, Share


class Mix(Section):
    """Mixtures of recordings of several speakers, made from fixed lists that the seed draws."""

    corpus: InputPath = Field(description="Path of a corpus of mixtures: a manifest, with SegLST beside each "
                                          "recording. Empty mixes the recordings of ingest.corpus.")
    train: Positive = Field(description="Mixtures of training speakers.")
    validate_: Positive = Field(alias="validate", description="Mixtures of validate speakers.")
    test: Positive = Field(description="Mixtures of test speakers.")
    most_turns: int = Field(ge=1, le=20, description="Turns of a mixture at most.")
    most_speakers: int = Field(ge=1, le=8, description="Speakers of a mixture at most; never more than two at once.")
    overlap: float = Field(ge=0, lt=1, description="Share of the shorter of two neighbouring turns that overlaps, at "
                                                   "most.")
    overlapping_share: Share = Field(description="Share of the neighbouring turns of different speakers that overlap.")
    gain_db: float = Field(ge=0, le=30, description="Turns are louder or softer than another by up to so much.")
    shortest_gap_s: float = Field(ge=0, description="Shortest silence between turns, and pause within one.")
    longest_gap_s: float = Field(gt=0, le=30, description="Longest silence between turns, and pause within one.")
    pause_share: Share = Field(description="Share of the turns with a pause inside, as long as a gap between turns: "
                                           "silence alone then ends no turn.")
    silent_share: Share = Field(description="Share of the mixtures in which nobody speaks.")
    noise_db: float = Field(le=0, description="Level of the noise under each mixture, against full scale.")
    shard_mb: int = Field(ge=1, le=1024, description="Size of an Arrow shard, in MiB.")

    @model_validator(mode="after")
    def _gaps_are_ordered(self) -> Mix:
        if self.shortest_gap_s > self.longest_gap_s:
            raise ValueError(f"shortest_gap_s must be at most longest_gap_s ({self.longest_gap_s:g}), got "
                             f"{self.shortest_gap_s:g}")
        return self


class TrainMultitalker(Section):
    """The recogniser of two talkers at once: what stands in front of the base recogniser, and how both are trained on.

    Everything that is not here is as in `train`.
    """

    mixture_width: Positive = Field(description="Channels of the LSTM that hears the mixture.")
    branch_width: Positive = Field(description="Channels of the LSTM of each of the two talkers.")
    tokens: Literal["none", "separator", "turns"] = Field(
        description="What is written beside words. turns: <sot> and <eot> around every turn. separator: one token "
                    "between turns. none: words alone.")
    fastemit: float = Field(ge=0, le=1, description="FastEmit: how much stronger labels are learned than blanks.")
    activity_weight: float = Field(ge=0, le=10, description="Weight of learning who speaks in each frame.")
    late_eot: float = Field(ge=0, description="Nats by which <eot> gets less likely with every second after the end "
                                              "of its turn and late_eot_after_s.")
    late_eot_after_s: float = Field(
        ge=0, le=5, description="Seconds behind the end of a turn in which <eot> is not late.")
    early_eot: float = Field(ge=0, description="Nats by which <eot> gets less likely with every second that it is "
                                               "before the end of its turn.")
    steps: Positive = Field(description="Optimiser steps.")
    batch_s: float = Field(gt=0, description="Seconds of mixtures per batch and process, padding included.")
    learning_rate: float = Field(gt=0, le=1, description="Peak of the one-cycle schedule.")


class EvaluateMultitalker(Section):
    """How what was heard is compared with what was said."""

    columns: ColumnNames = Field(description="Groups by these columns are told, beside cohorts and the pace of "
                                             "speech: gender, age_band, accent, country, and any of ingest.columns.")
    cut_tolerance_s: float = Field(
        ge=0, le=2, description="An <eot> that is more than this before the end of its turn cuts it off.")
    batch_s: float = Field(gt=0, description="Seconds of mixtures decoded together.")


class MultitalkerGate(Section):
    """Limits of the fairness gate of the recogniser of several talkers."""

    max_wer: float = Field(gt=0, description="Largest tolerated ORC-WER of the whole.")
    max_gap: float = Field(gt=0, description="Largest tolerated relative rise of the word error rate of any group "
                                             "against the top group of its grouping.")
    max_cut: float = Field(gt=0, le=1, description="Largest tolerated share of turns that are cut off, of the whole "
                                                   "and of every group.")
    confidence: float = Field(gt=0.5, lt=1, description="Confidence of each decision, simultaneous over cohorts.")
    min_speakers: int = Field(ge=2, description="A cohort with fewer test speakers cannot be judged.")
