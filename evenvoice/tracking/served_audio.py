"""What served models have in common: audio of a row that a caller sends.

A recording is sent in exactly one of the columns

    audio     bytes of a WAV or FLAC file; base64 in JSON
    path      path of such a file where the model runs; refused behind HTTP, where a caller could otherwise have the
              server read out any recording it can open
    samples   mono float samples, at the rate of the parameter ``sample_rate``; full scale is [-1, 1], and what lies
              beyond, as integers do, is scaled down to it
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.audio import Waveform, decode, decode_file, within_full_scale
from evenvoice.data.sound import check_rate, check_samples
from evenvoice.errors import RecordingRejected

COLUMNS: Final = {"audio": "binary", "path": "string", "samples": "doubles"}
"""Forms of a recording, with MLflow's words for their types."""

SERVER: Final = "mlflow.pyfunc.scoring_server.app"
"""Imported by `mlflow models serve` and by nothing else."""


def is_filled(value: object) -> bool:
    """Columns that a row leaves out arrive as None or NaN."""
    return value is not None and not (isinstance(value, float) and np.isnan(value))


def waveform_of(row: Mapping[Any, Any], name: str, *, rate: int, max_duration_s: float) -> Waveform:
    """The recording of a row, in whichever of the :data:`COLUMNS` it was sent.

    Args:
        name: of the row, for messages.
        rate: of samples, in Hz; files say their own.
        max_duration_s: longer recordings are refused.

    Raises:
        RecordingRejected: the row fills none or several of the columns, or its audio cannot be used.
    """
    given = {column: row[column] for column in COLUMNS if is_filled(row.get(column))}
    if len(given) != 1:
        raise RecordingRejected(name=name, rule=f"fill exactly one of {', '.join(COLUMNS)}",
                                value=", ".join(given) or "none", action="Send each recording in one form.")
    if "audio" in given:
        return decode(bytes(given["audio"]), name=name, max_duration_s=max_duration_s)
    if "path" in given:
        return read_path(Path(given["path"]), name, max_duration_s,
                         instead="Send the file's bytes in the column audio.")
    return _checked(np.asarray(given["samples"], dtype=np.float32), name, rate, max_duration_s)


def _checked(samples: np.ndarray[Any, np.dtype[np.float32]], name: str, rate: int, max_duration_s: float) -> Waveform:
    check_rate(rate, name)
    if samples.ndim != 1 or not 0 < len(samples) <= rate * max_duration_s:
        raise RecordingRejected(name=name, rule=f"be mono samples of at most {max_duration_s:g} s",
                                value=f"shape {samples.shape} at {rate} Hz", action="Cut it, or mix it to mono.")
    check_samples(samples, name)
    return within_full_scale(Waveform(samples=samples, rate=rate), scaled=True)


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
