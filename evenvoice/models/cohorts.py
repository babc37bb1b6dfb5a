"""Which cohorts a recogniser can be told apart, by name: what config.json keeps of a cohort input."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from evenvoice.errors import ParamsError
from evenvoice.params import UNKNOWN, Section


class KnownCohorts(Section):
    """Cohorts that a recogniser knows; each but the unknown one is told to it by its place, counted from 1."""

    method: str
    """How they were found; its frozen rule places a speaker."""
    names: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _tells_them_apart(self) -> Self:
        if len({*self.names, UNKNOWN}) <= len(self.names):
            raise ValueError(f"names must differ from each other and from {UNKNOWN!r}")
        return self

    def number(self, name: str | None) -> int:
        """What the encoder is given for a cohort; 0 where it is not known.

        Raises:
            ParamsError: the model does not know this cohort.
        """
        if name is None or name == UNKNOWN:
            return 0
        if name not in self.names:
            raise ParamsError(name="cohort", rule=f"be one of {', '.join((UNKNOWN, *self.names))}", value=name,
                              action="Name one that this model was trained with.")
        return 1 + self.names.index(name)
