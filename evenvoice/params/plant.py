"""A difference that ingest plants in the speech, and the rules that keep it to one group of speakers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evenvoice.params.section import Section
from evenvoice.params.values import Share


class Plant(Section):
    """A semi-synthetic world: a fixed difference for some speakers, so that the truth about who is worse off is known.

    Speakers are chosen in one way: by a box of coordinates, by an attribute, or at random.
    """

    transform: Literal["none", "formants", "speed", "band", "noise"] = Field(
        description="What is done to every recording of the chosen speakers, loudness apart. formants: a longer vocal "
                    "tract. speed: faster speech. band: a lower upper edge. noise: noise with the voice's spectrum.")
    strength: float = Field(
        ge=-0.5, le=1, description="0 changes nothing. formants: share by which the vocal tract is longer (formants "
                                   "and pitch are divided by 1 + strength). speed: share by which speech is faster. "
                                   "band: share of the band that is cut off at its upper end, up to 0.95. noise: its "
                                   "amplitude over the speech's (0.1 is 20 dB SNR).")
    north: float = Field(ge=-90, le=90, description="Northern edge of the box, in degrees; 90 together with -90, 180 "
                                                    "and -180 is no box.")
    south: float = Field(ge=-90, le=90, description="Southern edge of the box.")
    east: float = Field(ge=-180, le=180, description="Eastern edge of the box.")
    west: float = Field(ge=-180, le=180, description="Western edge of the box; it is west of the eastern one, so no "
                                                     "box crosses the 180th meridian.")
    attribute: Literal["none", "gender", "age_band", "accent", "country"] = Field(
        description="Choose the speakers of whom this is value.")
    value: str = Field(description="See attribute; empty with none. Upper and lower case are alike.")
    share: Share = Field(description="Choose each speaker with this probability, by the seed and their name; 0 does "
                                     "not choose at random.")
    train_share: Share = Field(description="Share of the chosen training speakers that training keeps, which makes "
                                           "their group scarce; 1 keeps all.")

    @property
    def who(self) -> Literal["place", "attribute", "share"] | None:
        """How speakers are chosen; None where nobody is."""
        if (self.south, self.north, self.west, self.east) != (-90, 90, -180, 180):
            return "place"
        return "attribute" if self.attribute != "none" else "share" if self.share > 0 else None

    @property
    def plants(self) -> bool:
        """Whether anything is changed, rather than a difference of strength 0."""
        return self.who is not None and (self.strength != 0 or self.train_share < 1)

    @property
    def chosen_by(self) -> str:
        """Who they are, behind the word "speakers"."""
        if self.who == "place":
            return (f"between {self.south:g} and {self.north:g} degrees north and between {self.west:g} and "
                    f"{self.east:g} degrees east")
        return f"whose {self.attribute} is {self.value}" if self.who == "attribute" else "drawn at random"

    @model_validator(mode="after")
    def _one_group_is_chosen(self) -> Plant:
        if self.south >= self.north:
            raise ValueError(f"south must be below north, got {self.south:g} and {self.north:g}")
        if self.west >= self.east:
            raise ValueError(f"west must be below east, got {self.west:g} and {self.east:g}")
        if (self.attribute == "none") != (self.value.strip() == ""):
            raise ValueError(f"attribute and value must be given together, got {self.attribute} and {self.value!r}")
        ways = [name for name, chosen in (("a box", self.who == "place"), ("an attribute", self.attribute != "none"),
                                          ("a share", self.share > 0)) if chosen]
        if len(ways) > 1:
            raise ValueError(f"speakers must be chosen in one way, got {' and '.join(ways)}")
        changes = self.transform != "none" or self.train_share < 1
        if changes and not ways:
            raise ValueError("speakers must be chosen by a box, an attribute or a share, got none of them")
        if ways and not changes:
            raise ValueError(f"a transform or a train_share below 1 must be given with {ways[0]}, got neither")
        return self

    @model_validator(mode="after")
    def _strength_fits(self) -> Plant:
        if self.transform == "none" and self.strength != 0:
            raise ValueError(f"strength must be 0 without a transform, got {self.strength:g}")
        if self.transform in ("band", "noise") and self.strength < 0:
            raise ValueError(f"strength of {self.transform} must not be negative, got {self.strength:g}")
        if self.transform == "band" and self.strength > 0.95:
            raise ValueError(f"strength of band must be at most 0.95, got {self.strength:g}")
        return self
