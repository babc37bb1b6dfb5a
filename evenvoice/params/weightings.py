"""The one list of weightings of speaker verification, and what each has to set."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, model_validator

from evenvoice.params.arms import NoSettings
from evenvoice.params.section import Section
from evenvoice.params.values import Positive, Share


def _weighting(title: str, *, control: bool = False, set_as: str = "") -> Any:
    """The field of a weighting; a ``control`` is trained only to be compared with, and never chosen."""
    return Field(title=title, json_schema_extra={"control": control, "set_as": set_as})


class DoubleRate(Section):
    """Everyone counts alike, at another learning rate."""

    factor: float = Field(gt=0, le=10, description="How many times train_speaker.learning_rate.")


class Focal(Section):
    """Whoever is told apart badly counts more."""

    gamma: float = Field(ge=0, le=10, description="Weights are (1 - probability of the right speaker) ^ gamma.")


class Adversarial(Section):
    """An adversary that knows voices weighs speakers against the encoder."""

    adversary: Literal["linear", "hidden"] = Field(
        description="hidden: with a layer between the voice and the weight; linear: without.")
    hidden_units: Positive = Field(description="Width of that layer; only read where the adversary is hidden.")
    clusters: int = Field(ge=2, description="k-means clusters of the embeddings of an epoch.")
    learning_rate: float = Field(gt=0, le=1, description="The adversary's.")
    even_share: Share = Field(description="Part of every weight that is 1 whatever the adversary says.")
    warmup_share: Share = Field(description="Share of the steps in which every weight is 1 and the adversary only "
                                            "learns.")


class Weightings(Section):
    """What each weighting has of its own; changing one runs that training and what lies behind it.

    The one list of weightings, in the order of every table.
    """

    none: NoSettings = _weighting("No weighting")
    double_rate: DoubleRate = _weighting("Double learning rate", control=True)
    focal: Focal = _weighting("Focal weights", control=True)
    random: Adversarial = _weighting("Weights at random", control=True, set_as="pw")
    pl: Adversarial = _weighting("Adversary, by cluster")
    pw: Adversarial = _weighting("Adversary, pairwise")

    @model_validator(mode="after")
    def _controls_are_set_alike(self) -> Weightings:
        for name, entry in type(self).model_fields.items():
            like = entry.json_schema_extra.get("set_as") if isinstance(entry.json_schema_extra, dict) else None
            if like and getattr(self, name) != getattr(self, str(like)):
                raise ValueError(f"{name} must be set as {like} is, which it is the control of")
        return self


WEIGHTINGS: Final = tuple(Weightings.model_fields)
UNWEIGHTED: Final = "none"
"""What the others are compared with, and what stays where none of them is better."""
WEIGHTING_TITLES: Final = {name: str(entry.title) for name, entry in Weightings.model_fields.items()}
WEIGHTING_CONTROLS: Final = tuple(name for name, entry in Weightings.model_fields.items()
                                  if isinstance(entry.json_schema_extra, dict) and entry.json_schema_extra["control"])
Weighted = Literal["none", "double_rate", "focal", "random", "pl", "pw"]
"""For a parameter that names one."""
