"""LibriSpeech: ``[subset/]speaker/chapter/*.trans.txt`` with FLAC files beside it, SPEAKERS.TXT for gender.

The subset (``train-clean-100``, ``dev-other``, ...) is the split the corpus brings. A FLAC file without a line in its
chapter's transcript is a recording too, one that is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.files import FileAudio, read_lines, shown
from evenvoice.data.corpora.places import Place, files_below, is_there
from evenvoice.data.corpora.recording import MissingPartner, Recording
from evenvoice.errors import CorpusError

TRANSCRIPT: Final = ".trans.txt"
FLAC: Final = ".flac"


def is_librispeech(directory: Place) -> bool:
    """Tell whether transcripts lie where LibriSpeech keeps them.

    Raises:
        CorpusError: a link that leads nowhere or to a folder above itself, or a folder this user may not read.
    """
    return any(path.endswith(TRANSCRIPT) and path.count("/") > 1 for path in files_below(directory, depth=4))


def recordings(directory: Place, *, select: str) -> Iterator[Recording]:
    """Yield every utterance whose path begins with ``select``.

    Raises:
        CorpusError: a transcript is malformed or lies elsewhere; a link that leads nowhere or to a folder above
            itself; what this user may not read.
    """
    genders, chapters = _genders(directory), _chapters(directory, select)
    for folder in sorted(chapters, key=lambda folder: folder.split("/")):
        names = set(chapters[folder].decode("utf-8", "surrogatepass").split("/")[:-1])
        transcripts = sorted(name for name in names if name.endswith(TRANSCRIPT))
        without_line = names.difference(transcripts)
        for recording in _transcribed(directory, folder, transcripts, genders):
            without_line.discard(f"{recording.key}{FLAC}")
            if f"{_under(folder)}{recording.key}{FLAC}".startswith(select):
                yield recording
        for name in sorted(without_line):
            if f"{_under(folder)}{name}".startswith(select):
                yield _untranscribed(directory, folder, name, transcripts)


def _chapters(directory: Place, select: str) -> dict[str, bytearray]:
    """Names of transcripts and FLAC files of each folder, each with a slash behind it: that takes little memory."""
    chapters: dict[str, bytearray] = defaultdict(bytearray)
    for path in files_below(directory, select=select):
        folder, _, name = path.rpartition("/")
        if name.endswith(TRANSCRIPT) or name.lower().endswith(FLAC):
            chapters[folder] += f"{name}/".encode("utf-8", "surrogatepass")
    return chapters


def _transcribed(directory: Place, folder: str, transcripts: list[str],
                 genders: dict[str, str | None]) -> Iterator[Recording]:
    parts = folder.split("/")
    for name in transcripts:
        path = directory / f"{_under(folder)}{name}"
        if len(parts) < 2:
            raise CorpusError(name=str(path), rule="lie in speaker/chapter/", value=f"{_under(folder)}{name}",
                              action="Restore LibriSpeech's folders.")
        speaker, subset = parts[-2], parts[0] if len(parts) > 2 else ""
        for _, line in read_lines(path):
            key, _, text = line.partition(" ")
            yield Recording(key=key, speaker=speaker, text=text.strip(),
                            audio=FileAudio(str(path.with_name(f"{key}{FLAC}"))),
                            split=subset.partition("-")[0] or None, gender=genders.get(speaker),
                            session=parts[-1])


def _untranscribed(directory: Place, folder: str, name: str, transcripts: list[str]) -> Recording:
    chapter = directory / folder if folder else directory
    return Recording(key=f"{_under(folder)}{name}", speaker="", text="", audio=MissingPartner(
        rule="have a line in its chapter's transcript",
        value=f"none in {' or '.join(str(chapter / transcript) for transcript in transcripts)}" if transcripts
        else f"no *{TRANSCRIPT} in {chapter}",
        action="Add the line, or remove the file."))


def _under(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _genders(directory: Place) -> dict[str, str | None]:
    """Read lines of ``id | sex | subset | minutes | name``; the names are not read.

    Raises:
        CorpusError: a line without a bar.
    """
    path, genders = directory / "SPEAKERS.TXT", dict[str, str | None]()
    if not is_there(path):
        return genders
    for number, line in read_lines(path):
        if line.startswith(";"):
            continue
        fields = line.split("|")
        if len(fields) < 2:
            raise CorpusError(name=f"line {number} of {path}", rule="read '<id> | <sex> | ...'", value=shown(line),
                              action="Correct the line, or begin it with a semicolon.")
        genders[fields[0].strip()] = attributes.gender(fields[1].strip())
    return genders
