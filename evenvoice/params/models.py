"""Every model of a run, in the order of every table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from evenvoice.params.amortize import AMORTIZED, DENSE
from evenvoice.params.arms import ARMS, BASE

SAVINGS: Final = (DENSE, AMORTIZED)
CHOICES: Final = (*ARMS, *SAVINGS)
"""Models that a run may do without."""
MODELS: Final = (BASE, *CHOICES)
"""Every model that can be transcribed and judged."""


def models_of(*, arms: Collection[str], amortized: bool) -> tuple[str, ...]:
    """Those of a run: the base model, these arms, and where it is ``amortized`` the two that show what that saves."""
    return (BASE, *(arm for arm in ARMS if arm in arms), *(SAVINGS if amortized else ()))


def models_in(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The same of parameters as plain values."""
    return models_of(arms=params["mitigate"]["arms"], amortized=params["amortize"]["enabled"])
