"""Manifests: a table with one row per recording, as TSV, CSV, JSON lines (NeMo's too) or Parquet.

Columns go by their usual names (``ALIASES``); only the path, the transcript and the speaker are needed. NeMo's
``offset`` (with ``duration``) takes a part of a file; a duration without an offset is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.columns import PATH
from evenvoice.data.corpora.files import FileAudio, locate
from evenvoice.data.corpora.places import Place, is_file
from evenvoice.data.corpora.recording import Recording, Unnamed
from evenvoice.data.corpora.rows import READERS, SPARSE, Row, read_rows
from evenvoice.data.corpora.unnamed import unnamed_audio
from evenvoice.data.sound import SAFE_FORMATS
from evenvoice.errors import CorpusError

TEXT: Final = ("text", "transcript", "sentence")
SPEAKER: Final = ("speaker", "speaker_id", "client_id")
KEY: Final = ("id", "utterance", "utterance_id")
AGE: Final = ("age_band", "age", "birth_year", "year_of_birth")
ALIASES: Final = {"path": PATH, "text": TEXT, "speaker": SPEAKER}


def find_index(corpus: Place) -> Place | None:
    """Return the manifest itself, or the one in a directory; None when there is none."""
    if is_file(corpus):
        return corpus
    return next((path for suffix in READERS if is_file(path := corpus / f"manifest{suffix}")), None)


def recordings(corpus: Place, *, select: str, text_column: str, columns: Sequence[str] = ()) -> Iterator[Recording]:
    """Yield one recording per row whose path begins with ``select``.

    Raises:
        CorpusError: no manifest, a malformed one, a column that is missing or of an unknown type.
    """
    index = find_index(corpus)
    if index is None:
        raise CorpusError(name=str(corpus), rule=f"hold a manifest ({', '.join(f'manifest{s}' for s in READERS)})",
                          value="none", action="Give the path of the manifest itself, or choose ingest.layout.")
    for row in read_rows(index):
        recording = read_recording(row, root=index.parent, select=select, text_column=text_column, columns=columns)
        if recording is not None:
            yield recording


def unnamed(corpus: Place, *, select: str) -> Unnamed | None:
    """Return the audio in the manifest's folder that it does not name; None where the manifest itself is the corpus.

    Raises:
        CorpusError: as :func:`evenvoice.data.corpora.unnamed.unnamed_audio`.
    """
    index = find_index(corpus)
    if index is None or index == corpus:
        return None
    return unnamed_audio(corpus, tables=[index], select=select)


def read_recording(row: Row, *, root: Place, select: str, text_column: str, columns: Sequence[str] = (),
                   split: str | None = None, formats: tuple[str, ...] = SAFE_FORMATS) -> Recording | None:
    """Read one row; None when its path does not begin with ``select``.

    Args:
        columns: further ones that tell of the speaker. A line of JSON need not have them.

    Raises:
        CorpusError: a column is missing or of an unknown type, or a path leads out of ``root``.
    """
    texts = TEXT if text_column in TEXT and text_column not in row.values else (text_column,)
    for names in (PATH, SPEAKER, texts):
        _check_column(row, names)
    _check_further(row, columns)
    path = row.text(*PATH) or ""
    if not path.startswith(select):
        return None
    start_s, end_s = _span(row)
    key = row.text(*KEY) or (path if start_s == 0 else f"{path}@{start_s:g}") or row.short
    return Recording(
        key=key, speaker=row.text(*SPEAKER) or "", text=row.text(*texts) or "",
        audio=FileAudio(locate(root, path, index=row.index) if path else "", start_s, end_s, formats),
        split=split or row.text("split"), lat=row.number_or_none("lat", "latitude"),
        lon=row.number_or_none("lon", "longitude"), postal_code=row.strict_text("postal_code"),
        gender=attributes.gender(row.text("gender")), age_band=attributes.age_band(age(row)),
        accent=attributes.told(row.text("accent", "accents")), country=attributes.told(row.text("country")),
        session=row.text("session", "session_id"), further=further(row, columns))


def further(row: Row, columns: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Name and value of each of these columns that is known.

    Raises:
        CorpusError: a value is neither text nor a whole number.
    """
    values = ((name, attributes.told(row.text(name))) for name in columns)
    return tuple((name, value) for name, value in values if value is not None)


def _check_column(row: Row, names: tuple[str, ...]) -> None:
    if not any(name in row.values for name in names):
        raise CorpusError(name=row.where, rule=f"have a column named {' or '.join(names)}",
                          value=f"only {', '.join(map(repr, row.values))}",
                          action="Rename the column; ingest.text_column names the one with the transcript.")


def _check_further(row: Row, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in row.values and row.index.suffix.lower() not in SPARSE:
            raise CorpusError(name=row.where, rule=f"have the column {name!r}, which ingest.columns names",
                              value=f"only {', '.join(map(repr, row.values))}",
                              action="Correct the name, or leave it out.")


def _span(row: Row) -> tuple[float, float | None]:
    """Start and end in seconds, where the row takes a part of its file."""
    start_s = row.number_or_none("offset")
    if start_s is None:
        return 0.0, None
    duration_s = row.number_or_none("duration", "duration_s")
    return start_s, None if duration_s is None else start_s + duration_s


def age(row: Row) -> str | None:
    """An age in years, a band or a year of birth, whatever the column is called."""
    numbers = (value for name in AGE if isinstance(value := row.values.get(name), float))
    number = next(numbers, None)
    return row.text(*AGE) if number is None else str(number)
