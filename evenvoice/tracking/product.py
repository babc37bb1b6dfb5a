"""What a pipeline makes, as far as recording, registering and promoting differ between products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evenvoice.tracking.names import Names

if TYPE_CHECKING:
    from evenvoice.tracking.comparison import Comparison, Rules
    from evenvoice.tracking.run_files import RunFiles
    from evenvoice.tracking.store import Point


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a served model takes and gives, in MLflow's words for types.

    Attributes:
        code: the file that serves it (models-from-code).
        inputs: column -> type; exactly which of them a row fills, the code says.
        params: parameter -> type and default.
        example: a row that holds nobody's voice.
        config: what the code is told beside its files.
        requirements: packages that it imports.
    """

    code: Path
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    params: Mapping[str, tuple[str, Any]]
    example: Mapping[str, Any]
    config: Mapping[str, Any]
    requirements: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class ServedSettings:
    """What a served model is told beside its weights."""

    sample_rate: int
    """Default of the parameter ``sample_rate``, in Hz."""
    max_duration_s: float
    """Longer recordings are refused."""


class Product(Protocol):
    """A kind of model, its files and figures."""

    @property
    def names(self) -> Names:
        """By which it is found."""
        ...

    def files(self, workspace: Path) -> RunFiles:
        """What a finished run left."""
        ...

    def figures(self, files: RunFiles, min_speakers: int) -> dict[str, float]:
        """Every figure that may be published, by its metric name."""
        ...

    def curves(self, files: RunFiles) -> list[Point]:
        """The training curve of every model that the verdict speaks of."""
        ...

    def verdict(self, files: RunFiles, min_speakers: int) -> dict[str, Any]:
        """The verdict as it may be published."""
        ...

    def tags(self, files: RunFiles, min_speakers: int) -> dict[str, str]:
        """Further tags of a version."""
        ...

    def collect(self, files: RunFiles, into: Path) -> str:
        """Copy what serving needs, with its manifest; returns the digest of the inputs."""
        ...

    def interface(self, settings: ServedSettings) -> Interface:
        """How it is served."""
        ...

    def keep_evidence(self, files: RunFiles, into: Path) -> str:
        """Keep what a later challenger is compared with, outside MLflow; returns the file's SHA-256."""
        ...

    def compare(self, *, champion: Path, champion_digest: str | None, challenger: Path, rules: Rules) -> Comparison:
        """Challenger against champion on the same test speakers, by the evidence of both."""
        ...
