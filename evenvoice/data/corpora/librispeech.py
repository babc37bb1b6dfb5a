"""LibriSpeech: ``[subset/]speaker/chapter/*.trans.txt`` with FLAC files beside it, SPEAKERS.TXT for gender.

The subset (``train-clean-100``, ``dev-other``, ...) is the split the corpus brings.
"""

from __future__ import annotations

from collections.abc import Iterator

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.files import FileAudio, read_lines
from evenvoice.data.corpora.places import Place
from evenvoice.data.corpora.recording import Recording
from evenvoice.errors import CorpusError


def is_librispeech(directory: Place) -> bool:
    """Tell whether transcripts lie where LibriSpeech keeps them."""
    return any(next(directory.glob(f"{depth}*.trans.txt"), None) for depth in ("*/*/", "*/*/*/"))


def recordings(directory: Place, *, select: str) -> Iterator[Recording]:
    """Yield every transcribed utterance whose path begins with ``select``.

    Raises:
        CorpusError: a transcript file is malformed.
    """
    genders = _genders(directory)
    for parts in sorted(_parts_below(directory, path) for path in directory.rglob("*.trans.txt")):
        transcripts = directory / "/".join(parts)
        if len(parts) < 3:
            raise CorpusError(name=str(transcripts), rule="lie in speaker/chapter/", value="/".join(parts),
                              action="Restore LibriSpeech's folders.")
        speaker, subset = parts[-3], parts[0] if len(parts) > 3 else ""
        for _, line in read_lines(transcripts):
            key, _, text = line.partition(" ")
            path = transcripts.with_name(f"{key}.flac")
            if "/".join((*parts[:-1], path.name)).startswith(select):
                yield Recording(key=key, speaker=speaker, text=text.strip(), audio=FileAudio(str(path)),
                                split=subset.partition("-")[0] or None, gender=genders.get(speaker))


def _parts_below(directory: Place, path: Place) -> tuple[str, ...]:
    return path.relative_to(directory).parts  # type: ignore[arg-type]  # both lie on a disk, or both in a store


def _genders(directory: Place) -> dict[str, str | None]:
    """Read lines of ``id | sex | subset | minutes | name``; the names are not read."""
    path = directory / "SPEAKERS.TXT"
    if not path.exists():
        return {}
    rows = (line.split("|") for _, line in read_lines(path) if not line.startswith(";"))
    return {fields[0].strip(): attributes.gender(fields[1].strip()) for fields in rows if len(fields) > 1}
