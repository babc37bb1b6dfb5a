"""Kinds of values that sections hold."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from evenvoice.params.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
InputPath = Annotated[str, Field(json_schema_extra={"is_input_path": True})]
"""What lies there is an input by its content: whoever starts a run describes every field of this type to DVC."""
AUTO: Final = "auto"
NONE: Final = "none"


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("Input should be a list that names each column once")
    return names


ColumnNames = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], ...],
                        Field(strict=False), AfterValidator(_each_once)]
"""Letters of ASCII, digits and underscores: they are parts of the names of folders and metrics."""


def _positive_or_auto(value: Any) -> float | str:
    """One rule for both kinds of value: pydantic would report a union once for each."""
    if value != AUTO and not (_is_number(value) and 0 < value < math.inf):
        raise ValueError("Input should be a number above 0, or 'auto'")
    return AUTO if value == AUTO else float(value)


def _share_or_none(value: Any) -> float | str:
    """Likewise: a share of nothing could not be aimed at."""
    if value != NONE and not (_is_number(value) and 0 < value <= 1):
        raise ValueError("Input should be a number above 0 and at most 1, or 'none'")
    return NONE if value == NONE else float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


PositiveOrAuto = Annotated[
    float | Literal["auto"], PlainValidator(_positive_or_auto),
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "pattern": f"^{AUTO}$"})]
ShareOrNone = Annotated[
    float | Literal["none"], PlainValidator(_share_or_none),
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 1, "pattern": f"^{NONE}$"})]


def is_input_path(section: Section, name: str) -> bool:
    """Whether a field is an :data:`InputPath`."""
    extra = type(section).model_fields[name].json_schema_extra
    return isinstance(extra, dict) and "is_input_path" in extra
