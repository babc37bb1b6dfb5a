"""Kaldi data directories: wav.scp, text, utt2spk; segments, spk2gender and spk2age where they exist.

Audio paths are relative to the directory itself or to its parent. Entries of wav.scp that are commands (``... |``)
are refused: an index file must not be able to run programs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.files import FileAudio, locate, read_lines, seconds
from evenvoice.data.corpora.places import ObjectPath, Place
from evenvoice.data.corpora.recording import Recording
from evenvoice.errors import CorpusError


def recordings(directory: Place, *, select: str) -> Iterator[Recording]:
    """Yield the utterances of ``segments``, or of wav.scp where there is none.

    Raises:
        CorpusError: a missing or malformed file, an id that stands twice in one, a command in wav.scp.
    """
    text, speakers = _table(directory / "text"), _table(directory / "utt2spk")
    genders, ages = _optional(directory / "spk2gender"), _optional(directory / "spk2age")
    is_there = _existence(directory)
    for key, path, start_s, end_s in _spans(directory):
        if not path.startswith(select):
            continue
        speaker = speakers.get(key, "")
        yield Recording(key=key, speaker=speaker, text=text.get(key, ""),
                        audio=FileAudio(_resolve(directory, path, is_there), start_s, end_s),
                        gender=attributes.gender(genders.get(speaker)),
                        age_band=attributes.age_band(ages.get(speaker)))


def _spans(directory: Place) -> Iterator[tuple[str, str, float, float | None]]:
    """Utterance id, audio path, start and end in seconds."""
    paths = _table(directory / "wav.scp")
    for key, path in paths.items():
        _refuse_command(directory / "wav.scp", key, path)
    segments = directory / "segments"
    if not segments.exists():
        yield from ((key, path, 0.0, None) for key, path in paths.items())
        return
    for key, rest in _table(segments).items():
        where = f"segment {key!r} of {segments}"
        fields = rest.split()
        if len(fields) != 3 or fields[0] not in paths:
            raise CorpusError(name=where, rule="read '<id> <recording of wav.scp> <start> <end>'", value=repr(rest),
                              action="Correct the line, or add the recording to wav.scp.")
        end_s = seconds(fields[2], where=where)
        # Kaldi writes -1 for the end of the file
        yield key, paths[fields[0]], seconds(fields[1], where=where), None if end_s < 0 else end_s


def _table(path: Place) -> dict[str, str]:
    """Lines of ``<id> <rest>``; the rest may be empty."""
    rows: dict[str, str] = {}
    for number, line in read_lines(path):
        key, _, rest = line.strip().partition(" ")
        if "\t" in key:
            key, _, rest = line.strip().partition("\t")
        if key in rows:
            raise CorpusError(name=f"id {key!r} in {path}", rule="be unique", value=f"a second one in line {number}",
                              action="Remove one of the two lines.")
        rows[key] = rest.strip()
    return rows


def _optional(path: Place) -> dict[str, str]:
    return _table(path) if path.exists() else {}


def _refuse_command(index: Place, key: str, path: str) -> None:
    if path.endswith("|") or path.startswith("|"):
        raise CorpusError(name=f"recording {key!r} in {index}", rule="be a path", value=f"a command: {path!r}",
                          action="Commands are never run: write the audio to files, e.g. with Kaldi's wav-copy, "
                                 "and list those.")


def _existence(directory: Place) -> Callable[[str], bool]:
    """Tell which paths inside the directory exist; one listing rather than a request for each."""
    if isinstance(directory, ObjectPath):
        return {str(path) for path in directory.rglob("*")}.__contains__
    return os.path.lexists


def _resolve(directory: Place, path: str, is_there: Callable[[str], bool]) -> str:
    inside = locate(directory, path, index=directory / "wav.scp")
    beside = locate(directory.parent, path, index=directory / "wav.scp")
    return inside if inside == beside or is_there(inside) else beside
