"""Kaldi data directories: wav.scp, text, utt2spk; segments, spk2gender and spk2age where they exist.

Further columns are files of the same form: ``spk2device`` for ``device``.

Audio paths are relative to the directory itself or to its parent. Entries of wav.scp that are commands (``... |``)
are refused: an index file must not be able to run programs. An utterance that one of the tables lacks, and a recording
that no segment uses, is yielded all the same and then refused, so that it counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.files import FileAudio, locate, read_lines, seconds, shown
from evenvoice.data.corpora.places import ObjectPath, Place, is_there
from evenvoice.data.corpora.recording import Audio, MissingPartner, Recording
from evenvoice.errors import CorpusError


def recordings(directory: Place, *, select: str, columns: Sequence[str] = ()) -> Iterator[Recording]:
    """Yield the utterances of ``segments``, or of wav.scp where there is none, then those that only others list.

    Raises:
        CorpusError: a missing or malformed file, an id that stands twice in one, a command in wav.scp; a link that
            leads nowhere, or what this user may not read.
    """
    text, speakers = _table(directory / "text"), _table(directory / "utt2spk", one_word=True)
    genders, ages = _optional(directory / "spk2gender"), _optional(directory / "spk2age")
    further = {name: _further(directory, name) for name in columns}
    paths, exists = _paths(directory / "wav.scp"), _existence(directory)
    segments = directory / "segments"
    cut = is_there(segments)
    unused = set(paths) if cut else set()
    for key, source, start_s, end_s in _segments(segments, paths) if cut else _whole(paths):
        words, speaker, path = text.pop(key, None), speakers.pop(key, None), paths[source]
        unused.discard(source)
        if not _selected(path, select):
            continue
        lacking = [name for name, found in (("text", words), ("utt2spk", speaker)) if found is None]
        yield Recording(key=key, speaker=speaker or "", text=words or "",
                        audio=_missing(directory, lacking, "no line there") if lacking
                        else _audio(directory, path, start_s, end_s, exists),
                        gender=attributes.gender(genders.get(speaker or "")),
                        age_band=attributes.age_band(ages.get(speaker or "")),
                        further=_of_speaker(further, speaker or ""))
    for key in {**text, **speakers}:  # what was not taken above has no audio
        tables = [name for name, table in (("text", text), ("utt2spk", speakers)) if key in table]
        yield Recording(key=key, speaker=speakers.get(key, ""), text=text.get(key, ""), audio=_missing(
            directory, ["segments" if cut else "wav.scp"], f"a line in {' and '.join(tables)} only"))
    for source in filter(unused.__contains__, paths):
        if _selected(paths[source], select):
            # an utterance may have the same id
            yield Recording(key=f"{source} in wav.scp", speaker="", text="", audio=_missing(
                directory, ["segments"], "a line in wav.scp only"))


def _selected(path: str, select: str) -> bool:
    """What has no path cannot be left out by it."""
    return not path or path.startswith(select)


Span = tuple[str, str, float, float | None]
"""Ids of the utterance and of its recording, start and end in seconds."""


def _whole(paths: dict[str, str]) -> Iterator[Span]:
    return ((key, key, 0.0, None) for key in paths)


def _segments(segments: Place, paths: dict[str, str]) -> Iterator[Span]:
    seen: set[str] = set()
    for number, key, rest in _lines(segments):
        if key in seen:
            raise _second(key, segments, number)
        seen.add(key)
        where = f"segment {key!r} in line {number} of {segments}"
        fields = rest.split()
        if len(fields) != 3 or fields[0] not in paths:
            raise CorpusError(name=where, rule="read '<id> <recording of wav.scp> <start> <end>'",
                              value=shown(f"{key} {rest}"),
                              action="Correct the line, or add the recording to wav.scp.")
        end_s = seconds(fields[2], where=where)
        # Kaldi writes -1 for the end of the file
        yield key, fields[0], seconds(fields[1], where=where), None if end_s < 0 else end_s


def _audio(directory: Place, path: str, start_s: float, end_s: float | None, exists: Callable[[str], bool]) -> Audio:
    if not path:
        return MissingPartner(rule="have a path in wav.scp", value="nothing after its id",
                              action=f"Complete its line in {directory / 'wav.scp'}.")
    return FileAudio(_resolve(directory, path, exists), start_s, end_s)


def _missing(directory: Place, tables: list[str], value: str) -> MissingPartner:
    names = " and ".join(tables)
    return MissingPartner(rule=f"stand in {names} too", value=value,
                          action=f"Add it to {names} in {directory}, or remove its lines from the other tables, as "
                                 "Kaldi's utils/fix_data_dir.sh does.")


def _lines(path: Place) -> Iterator[tuple[int, str, str]]:
    """Number, id and rest of each line; the rest may be empty."""
    for number, line in read_lines(path):
        key, _, rest = line.strip().partition(" ")
        if "\t" in key:
            key, _, rest = line.strip().partition("\t")
        yield number, key, rest.strip()


def _second(key: str, path: Place, number: int) -> CorpusError:
    return CorpusError(name=f"id {key!r} in {path}", rule="be unique", value=f"a second one in line {number}",
                       action="Remove one of the two lines.")


def _table(path: Place, *, one_word: bool = False) -> dict[str, str]:
    rows: dict[str, str] = {}
    for number, key, rest in _lines(path):
        if key in rows:
            raise _second(key, path, number)
        if one_word and len(rest.split()) > 1:
            raise CorpusError(name=f"line {number} of {path}", rule="read '<id> <word>'", value=shown(f"{key} {rest}"),
                              action="Correct the line.")
        rows[key] = rest
    return rows


def _optional(path: Place) -> dict[str, str]:
    return _table(path, one_word=True) if is_there(path) else {}


def _further(directory: Place, name: str) -> dict[str, str]:
    path = directory / f"spk2{name}"
    if not is_there(path):
        raise CorpusError(name=str(path), rule=f"hold the column {name!r}, which ingest.columns names",
                          value="no such file", action="Bring it, with '<speaker> <value>' in each line, or leave the "
                                                       "column out.")
    return _table(path)


def _of_speaker(further: dict[str, dict[str, str]], speaker: str) -> tuple[tuple[str, str], ...]:
    values = ((name, attributes.told(table.get(speaker))) for name, table in further.items())
    return tuple((name, value) for name, value in values if value is not None)


def _paths(index: Place) -> dict[str, str]:
    paths = _table(index)
    for key, path in paths.items():
        if path.endswith("|") or path.startswith("|"):
            raise CorpusError(name=f"recording {key!r} in {index}", rule="be a path",
                              value=f"a command: {shown(path)}",
                              action="Commands are never run: write the audio to files, e.g. with Kaldi's wav-copy, "
                                     "and list those.")
    return paths


def _existence(directory: Place) -> Callable[[str], bool]:
    """Tell which paths inside the directory exist; one listing rather than a request for each."""
    if isinstance(directory, ObjectPath):
        return {str(path) for path in directory.rglob("*")}.__contains__
    return _exists


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except PermissionError:  # that it may not be read is said when it is opened
        return True
    except (OSError, ValueError):
        return False
    return True


def _resolve(directory: Place, path: str, is_there: Callable[[str], bool]) -> str:
    inside = locate(directory, path, index=directory / "wav.scp")
    beside = locate(directory.parent, path, index=directory / "wav.scp")
    return inside if inside == beside or is_there(inside) else beside
