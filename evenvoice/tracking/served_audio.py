"""What served models have in common: audio of a row that a caller sends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np

from evenvoice.data.audio import Waveform, decode_file
from evenvoice.errors import RecordingRejected

SERVER: Final = "mlflow.pyfunc.scoring_server.app"
"""Imported by `mlflow models serve` and by nothing else."""


def is_filled(value: object) -> bool:
    """Columns that a row leaves out arrive as None or NaN."""
    return value is not None and not (isinstance(value, float) and np.isnan(value))


def read_path(path: Path, name: str, max_duration_s: float, *, instead: str) -> Waveform:
    """Decode a file where the model runs.

    Args:
        path: of the file.
        name: of the row, for messages.
        max_duration_s: longer recordings are refused.
        instead: what to send to a server.

    Raises:
        RecordingRejected: the caller is at the other end of HTTP, who could otherwise have the server read out any
            recording it can open; or the file cannot be opened or used.
    """
    if SERVER in sys.modules:
        raise RecordingRejected(name=name, rule="not be a path when sent to a server", value="a path", action=instead)
    try:
        with path.open("rb") as file:
            return decode_file(file, name=str(path), max_duration_s=max_duration_s)
    except OSError as error:
        raise RecordingRejected(name=str(path), rule="be a file that can be opened", value=error.strerror,
                                action="Correct the path.") from error
