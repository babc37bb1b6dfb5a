"""Recordings that a command line names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from evenvoice.data.audio import Waveform

STDIN: Final = Path("-")


def read_recording(path: Path) -> Waveform:
    """Decode a file, or what comes by standard input for ``-``.

    Raises:
        RecordingRejected: it cannot be opened or used.
    """
    from evenvoice.data.audio import decode, decode_file
    from evenvoice.data.sound import unreadable

    name = "standard input" if path == STDIN else str(path)
    try:
        with open(0 if path == STDIN else path, "rb", closefd=path != STDIN) as file:
            if not file.seekable():
                return decode(file.read(), name=name, max_duration_s=math.inf)
            return decode_file(file, name=name, max_duration_s=math.inf)
    except OSError as error:
        raise unreadable(path, error) from error
