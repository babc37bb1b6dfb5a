"""What every section of params.yaml is, and the dotted names of the values below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen section of params.yaml; unknown names are refused, and values of another kind than the field's.

    Strict, since DVC takes what is written at its word: to it "5" is no number, and true is not 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def names(section: type[BaseModel], *, sections: bool = False, prefix: str = "") -> Iterator[str]:
    """The dotted name of every value below ``section``; of the sections too, where asked for."""
    for name, entry in section.model_fields.items():
        dotted = prefix + (entry.alias or name)
        if isinstance(entry.annotation, type) and issubclass(entry.annotation, BaseModel):
            yield from [dotted] if sections else []
            yield from names(entry.annotation, sections=sections, prefix=f"{dotted}.")
        else:
            yield dotted


def mappings(section: type[BaseModel]) -> frozenset[str]:
    """Dotted names of the values that are mappings themselves, such as ``synthetic.collect``."""
    kinds = section.model_json_schema(by_alias=True)

    def is_mapping(name: str) -> bool:
        rules: Any = kinds
        for part in name.split("."):
            rules = rules["properties"][part]
            if reference := rules.get("$ref"):
                rules = kinds["$defs"][reference.rpartition("/")[2]]
        return bool(rules.get("type") == "object")

    return frozenset(filter(is_mapping, names(section)))
