"""Lists of trials as files: ``1 first.wav second.wav`` per line, 1 for one speaker and 0 for two (VoxCeleb's form)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evenvoice.errors import CorpusError

LABELS = {"1": True, "0": False}


@dataclass(frozen=True)
class ListedTrial:
    """Two recordings, by their names in the list, and whether one speaker said both."""

    first: str
    second: str
    same: bool


def read_trial_list(path: Path) -> list[ListedTrial]:
    """Read a list; empty lines are passed over.

    Raises:
        CorpusError: it cannot be read, a line has another form, or there is no trial; the line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        value = getattr(error, "strerror", None) or "other bytes"
        raise CorpusError(name=str(path), rule="be a list of trials in UTF-8", value=value,
                          action="Correct the path.") from error
    trials = list(_trials(path, lines))
    if not trials:
        raise CorpusError(name=str(path), rule="hold a trial", value="none",
                          action="Write one per line: 1 a.wav b.wav.")
    return trials


def _trials(path: Path, lines: list[str]) -> Iterator[ListedTrial]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) != 3 or fields[0] not in LABELS:
            raise CorpusError(name=f"{path}, line {number}", rule="be 1 or 0 and two recordings, a space apart",
                              value=repr(line)[:80], action="Write for example: 1 a.wav b.wav.")
        yield ListedTrial(fields[1], fields[2], LABELS[fields[0]])
