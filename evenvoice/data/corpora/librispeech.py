"""LibriSpeech: ``[subset/]speaker/chapter/*.trans.txt`` with FLAC files beside it, SPEAKERS.TXT for gender.

The subset (``train-clean-100``, ``dev-other``, ...) is the split the corpus brings.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.files import FileAudio, read_lines
from evenvoice.data.corpora.recording import Recording
from evenvoice.errors import CorpusError


def is_librispeech(directory: Path) -> bool:
    """Tell whether transcripts lie where LibriSpeech keeps them."""
    return any(next(directory.glob(f"{depth}*.trans.txt"), None) for depth in ("*/*/", "*/*/*/"))


def recordings(directory: Path, *, select: str) -> Iterator[Recording]:
    """Yield every transcribed utterance whose path begins with ``select``.

    Raises:
        CorpusError: a transcript file is malformed.
    """
    genders = _genders(directory)
    for transcripts in sorted(directory.rglob("*.trans.txt")):
        parts = transcripts.relative_to(directory).parts
        if len(parts) < 3:
            raise CorpusError(name=str(transcripts), rule="lie in speaker/chapter/", value="/".join(parts),
                              action="Restore LibriSpeech's folders.")
        speaker, subset = parts[-3], parts[0] if len(parts) > 3 else ""
        for _, line in read_lines(transcripts):
            key, _, text = line.partition(" ")
            path = transcripts.with_name(f"{key}.flac")
            if str(path.relative_to(directory)).startswith(select):
                yield Recording(key=key, speaker=speaker, text=text.strip(), audio=FileAudio(str(path)),
                                split=subset.partition("-")[0] or None, gender=genders.get(speaker))


def _genders(directory: Path) -> dict[str, str | None]:
    """Read lines of ``id | sex | subset | minutes | name``; the names are not read."""
    path = directory / "SPEAKERS.TXT"
    if not path.exists():
        return {}
    rows = (line.split("|") for _, line in read_lines(path) if not line.startswith(";"))
    return {fields[0].strip(): attributes.gender(fields[1].strip()) for fields in rows if len(fields) > 1}
