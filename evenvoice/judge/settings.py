"""What a judgement of somebody's recogniser depends on, beside what that recogniser wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field

from evenvoice.errors import ParamsError
from evenvoice.params import Discover, Evaluate, Gate, Report, Section, check, overlay
from evenvoice.settings import Layer, read_settings, read_value


class Shares(Section):
    """Of the speakers, where cohorts have to be found or ranked before they are judged."""

    discover: float = Field(gt=0, lt=1, description="Cohorts are found on these.")
    validate_: float = Field(gt=0, lt=1, alias="validate", description="Cohorts are pruned on these.")
    test: float = Field(gt=0, lt=1, description="The verdict is about these.")

    def by_name(self) -> dict[str, float]:
        """Of each split."""
        return self.model_dump(by_alias=True)


class Judging(Section):
    """All of settings.yaml."""

    seed: int = Field(ge=0, lt=2**31, description="All randomness follows from it.")
    split: Shares
    discover: Discover
    evaluate: Evaluate
    gate: Gate
    report: Report


def read_judging(path: Path | None = None, changes: Sequence[str] = ()) -> Judging:
    """The settings that come with evenvoice, with those of a file and single values laid over them.

    Args:
        changes: such as ``gate.max_gap=0.3``.

    Raises:
        ParamsError: an unknown name, or a value out of its range.
    """
    with files("evenvoice.judge").joinpath("settings.yaml").open(encoding="utf-8") as file:
        source = Path(file.name)
    content: dict[str, Any] = read_settings(source).content
    for layer in (*([read_settings(path)] if path else []), *(_change(change) for change in changes)):
        content = overlay(content, layer.content)
        check(Judging, content, layer)
    return check(Judging, content, Layer("settings", content))


def _change(text: str) -> Layer:
    name, equals, value = text.partition("=")
    if not equals:
        raise ParamsError(name="--set", rule="be NAME=VALUE", value=text, action="For example gate.max_gap=0.3.")
    content: Any = read_value(value, name, "--set")
    for part in reversed(name.split(".")):
        content = {part: content}
    if not isinstance(content, Mapping):
        raise ParamsError(name="--set", rule="name a value", value=text, action="For example gate.max_gap=0.3.")
    return Layer("--set", dict(content))
