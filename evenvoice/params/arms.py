"""The one list of arms, what each has to set, and which is the control of another or made from it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from evenvoice.params.section import Section
from evenvoice.params.values import Positive, Share


def _control_of(arm: str) -> Any:
    """The field of an arm that is trained only to be compared with ``arm``, and never chosen."""
    return Field(json_schema_extra={"control_of": arm})


def _made_from(arm: str) -> Any:
    """The field of an arm that takes the model of ``arm`` instead of training one."""
    return Field(json_schema_extra={"made_from": arm})


class NoSettings(Section):
    """An arm that has nothing of its own to set."""


class L2SP(Section):
    """Fine-tuning with every weight pulled back alike."""

    weight: float = Field(ge=0, description="Pull towards the base model, the same for every weight.")


class EWC(Section):
    """Fine-tuning with weights held by how much they matter for everyone."""

    weight: float = Field(ge=0, description="Pull towards the base model, by Fisher information of mean 1.")
    fisher_utterances: Positive = Field(description="Training recordings whose gradients make the Fisher information.")


class Frozen(Section):
    """Fine-tuning of the upper part of the encoder and of all that follows it."""

    below: Positive = Field(description="Layer of the encoder below which nothing changes, counted from the sound; 1 "
                                        "freezes what stands before the first layer.")


class Interpolate(Section):
    """Weights between the base model and a fine-tuned one."""

    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(strict=False, min_length=1)] = Field(
        description="Shares of the fine-tuned model that are tried, as many of the first ones as there are trials.")


class Rehearsal(Section):
    """Fine-tuning with a sample of everyone else in each batch."""

    share: float = Field(gt=0, lt=1, description="Share of each batch that is not of the bottom cohort.")


class Oversample(Section):
    """Training on everyone, one cohort more often."""

    factors: Annotated[tuple[Annotated[float, Field(ge=1)], ...], Field(strict=False, min_length=1)] = Field(
        description="How many times as often the cohort is drawn: the first factor in the first trial and so on, from "
                    "the first again where there are more trials.")


class Augment(Section):
    """Training on everyone, with variants of one cohort's recordings until it has its share of the population."""

    speed: float = Field(ge=0, le=0.5, description="Variants are faster or slower by up to this share.")
    warp: float = Field(ge=0, le=0.5, description="Vocal tracts of variants are shorter or longer by up to this share.")


class Reweight(Section):
    """Training on everyone, while an adversary that knows voices weighs recordings against the recogniser."""

    adversary: Literal["linear", "hidden"] = Field(
        description="hidden: with a layer between the voice and the weight; linear: without.")
    hidden_units: Positive = Field(description="Width of that layer; only read where the adversary is hidden.")
    clusters: Positive = Field(description="Clusters of the training speakers' embeddings. The adversary sees a "
                                           "speaker's embedding and its cluster.")
    learning_rate: float = Field(gt=0, le=1, description="The adversary's.")
    even_share: Share = Field(description="Part of every weight that is 1 whatever the adversary says; with 1 all "
                                          "recordings count alike.")
    warmup_share: Share = Field(description="Share of the steps in which every weight is 1 and the adversary only "
                                            "learns.")


class CohortInput(Section):
    """Training on everyone, with each speaker's cohort told to the model."""

    dropout: float = Field(ge=0, lt=1, description="Share of the training recordings, drawn anew for each batch, whose "
                                                   "cohort is left out, so that the model learns to do without.")
    vector_rate: float = Field(gt=0, le=1000, description="How many times the arms' learning rate the cohorts' vectors "
                                                          "take, which begin as zeros: with 1 they get nowhere.")


class Arms(Section):
    """What each mitigation arm has of its own; changing one runs that arm and what lies behind it.

    The one list of arms, in the order of every table; each is a file of evenvoice/mitigation.
    """

    finetune: NoSettings
    l2sp: L2SP
    ewc: EWC
    frozen: Frozen
    interpolate: Interpolate = _made_from("finetune")
    rehearsal: Rehearsal
    oversample: Oversample
    augment: Augment
    reweight: Reweight
    cohort_input: CohortInput
    placebo: NoSettings = _control_of("finetune")
    oversample_random: Oversample = _control_of("oversample")
    augment_random: Augment = _control_of("augment")
    reweight_random: Reweight = _control_of("reweight")
    cohort_input_shuffled: CohortInput = _control_of("cohort_input")
    cohort_input_constant: CohortInput = _control_of("cohort_input")

    @model_validator(mode="after")
    def _controls_are_set_alike(self) -> Arms:
        for control, arm in CONTROLS.items():
            if getattr(self, control) != getattr(self, arm):
                raise ValueError(f"{control} must be set as {arm} is, which it is the control of")
        return self


def _marked(mark: str) -> dict[str, str]:
    extras = {name: entry.json_schema_extra for name, entry in Arms.model_fields.items()}
    return {name: str(extra[mark]) for name, extra in extras.items() if isinstance(extra, dict) and mark in extra}


BASE: Final = "base"
"""The recogniser that the arms start from, and which the cohorts were found with."""
ARMS: Final = tuple(Arms.model_fields)
CONTROLS: Final = _marked("control_of")
"""Control -> the arm that it is like but for the speakers."""
MADE_FROM: Final = _marked("made_from")
"""Arm that takes another's model and has a stage of its own -> that other arm."""
UNKNOWN: Final = "unknown"
"""The cohort that a model with a cohort input may be told of anybody."""
