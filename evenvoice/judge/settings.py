"""What a judgement of somebody's recogniser depends on, beside what that recogniser wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from evenvoice.errors import ParamsError
from evenvoice.params import Discover, Evaluate, Gate, Positive, Report, Section, Share, check, overlay
from evenvoice.settings import Layer, read_settings, read_value


class Shares(Section):
    """Of the speakers, where cohorts have to be found or ranked before they are judged."""

    discover: float = Field(gt=0, lt=1, description="Cohorts are found on these.")
    validate_: float = Field(gt=0, lt=1, alias="validate", description="Cohorts are pruned on these.")
    test: float = Field(gt=0, lt=1, description="The verdict is about these.")

    def by_name(self) -> dict[str, float]:
        """Of each split."""
        return self.model_dump(by_alias=True)


class Speech(Section):
    """How a corpus is read that a registered model is to hear, and what is refused; a run's ``ingest`` has the same."""

    layout: Literal["auto", "kaldi", "manifest", "librispeech", "commonvoice"] = Field(
        description="How the corpus is laid out; auto looks at its files.")
    select: str = Field(description="Only rows whose path begins with this; empty takes all.")
    text_column: str = Field(description="Column of a manifest that holds the transcript.")
    sample_rate: int = Field(ge=8000, le=48000, description="In Hz, for models that name no rate of their own.")
    min_duration_s: float = Field(ge=0, description="Shorter recordings are refused.")
    max_duration_s: float = Field(gt=0, le=600, description="Longer recordings are refused.")
    max_transcript_chars: Positive = Field(description="Longer transcripts are refused.")
    markup: Literal["refuse", "drop", "keep"] = Field(description="Tags and HTML entities in transcripts.")
    max_chars_per_s: float = Field(gt=0, description="More text per second than anyone can say is refused.")
    max_rejected: Share = Field(description="Share of refused recordings that is still tolerated.")


class Judging(Section):
    """All of settings.yaml."""

    seed: int = Field(ge=0, lt=2**31, description="All randomness follows from it.")
    ingest: Speech
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
        ParamsError: no such file, an unknown name, or a value out of its range.
    """
    with files("evenvoice.judge").joinpath("settings.yaml").open(encoding="utf-8") as file:
        source = Path(file.name)
    if path is not None and not path.is_file():
        raise ParamsError(name=str(path), rule="be a file of settings", value="no such file",
                          action="Correct the path, or leave --settings out.")
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
