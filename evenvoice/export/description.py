"""recogniser.json: what a program needs to know to run the exported graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError

from evenvoice.errors import ArtifactError
from evenvoice.params import Section
from evenvoice.storage import read_bytes

DESCRIPTION: Final = "recogniser.json"


class StateTensor(Section):
    """A tensor that a graph hands itself from call to call; zeros before the first."""

    input: str
    output: str
    shape: tuple[int, ...]
    """Before the first call; -1 is the batch."""
    dtype: str


class Graph(Section):
    """One ONNX file."""

    file: str
    inputs: tuple[str, ...]
    """Without the state's."""
    output: str
    """Without the state's."""
    state: tuple[StateTensor, ...]


class Description(Section):
    """All of recogniser.json."""

    encoder: Graph
    predictor: Graph
    joiner: Graph
    frames: int
    """Encoder frames per call of the encoder."""
    subsampling: int
    """Log-mel frames per encoder frame."""
    lookahead: int
    """Encoder frames to drop at the beginning, and to feed as ``silence`` at the end, behind the frames that are left.
    A recording with fewer log-mel frames than ``subsampling`` is filled up with ``silence`` first."""
    max_symbols_per_frame: int
    """Labels that one encoder frame may emit before blank is taken."""
    blank: int
    units: tuple[str, ...]
    """Text of each label from 2 on."""
    units_kind: str
    sample_rate: int
    features: dict[str, Any]
    """Settings of the log-mel features (evenvoice/data/features.py)."""
    silence: tuple[float, ...]
    """A log-mel frame that stands for what lies behind the end."""

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read what the export wrote.

        Raises:
            ArtifactError: no such file, or not what the export writes.
        """
        try:
            return cls.model_validate_json(read_bytes(directory / DESCRIPTION))
        except ValidationError as error:
            raise ArtifactError(name=str(directory / DESCRIPTION), rule="describe an exported recogniser",
                                value=error.errors()[0]["msg"], action="Export the recogniser again.") from error
