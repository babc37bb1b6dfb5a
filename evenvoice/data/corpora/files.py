"""Files of a corpus: where they may lie and how they are opened.

A relative path must stay inside the corpus's directory; ``..`` does not lead out of it. An absolute path, or a URL
with the scheme s3 or one that fsspec knows, is taken as it stands, since NeMo and Kaldi write such paths: whoever
starts a run on a corpus trusts its index to name audio files. What is not audio is refused, and its content is never
quoted; of an index, the line at fault is.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from evenvoice.data.audio import Waveform, decode_file
from evenvoice.data.corpora.places import HELD_BYTES, Place, open_index
from evenvoice.data.corpora.reading import readable
from evenvoice.data.corpora.recording import Labelled, Recording, Unnamed
from evenvoice.data.sound import SAFE_FORMATS
from evenvoice.errors import ArtifactError, CorpusError, EvenvoiceError, RecordingRejected
from evenvoice.object_store import ObjectStore, is_object_url

if TYPE_CHECKING:
    import pyarrow as pa


PART_HELD_BYTES: Final = 1 << 20
"""Longest object that is brought as a whole although only a part of it is wanted."""


@dataclass(frozen=True, slots=True)
class FileAudio:
    """A file, or the part of one between two times in seconds."""

    path: str
    start_s: float = 0.0
    end_s: float | None = None
    formats: tuple[str, ...] = SAFE_FORMATS

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        """Decode it; see :class:`evenvoice.data.corpora.recording.Audio`."""
        return self.open(name=name).load(name=name, max_duration_s=max_duration_s)

    def open(self, *, name: str) -> OpenAudio:
        """Open it, which for an object in a store means to bring most or all of it.

        Raises:
            RecordingRejected: missing, not to be read by this user, or damaged in the store.
        """
        try:
            whole = self.start_s == 0 and self.end_s is None
            return OpenAudio(self, open_binary(self.path, hold_bytes=HELD_BYTES if whole else PART_HELD_BYTES))
        except PermissionError as error:
            raise self._closed(name, error) from error
        except (OSError, ValueError, ImportError) as error:  # null character in a path; scheme without its package
            raise self.refusal(name, getattr(error, "strerror", None) or str(error)) from error
        except ArtifactError as error:
            raise self.refusal(name, f"{error.value}, must {error.rule}") from error

    def refusal(self, name: str, reason: str) -> RecordingRejected:
        """Return the error for a file that cannot be opened or read."""
        return RecordingRejected(name=name, rule="name an audio file that can be opened",
                                 value=f"{self.path!r} ({reason})", action="Correct the path, or remove the row.")

    def _closed(self, name: str, error: PermissionError) -> RecordingRejected:
        try:
            with readable(self.path):
                raise error
        except CorpusError as refused:
            return RecordingRejected(name=name, rule=refused.rule, value=f"{self.path!r} ({refused.value})",
                                     action=refused.action)


@dataclass(frozen=True, slots=True)
class OpenAudio:
    """A file that is open already; it is closed once it was loaded."""

    audio: FileAudio
    file: BinaryIO

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        """Decode it; see :class:`evenvoice.data.corpora.recording.Audio`."""
        audio, source = self.audio, _Source(self.file)
        try:
            with self.file:
                return decode_file(cast(BinaryIO, source), name=name, max_duration_s=max_duration_s,
                                   start_s=audio.start_s, end_s=audio.end_s, formats=audio.formats)
        except RecordingRejected:
            if isinstance(source.failure, ArtifactError):
                raise audio.refusal(name, f"{source.failure.value}, must {source.failure.rule}") from source.failure
            if source.failure is not None:
                raise source.failure from None
            raise


class _Source:
    """A file for libsndfile, through which no exception can pass: the first one is kept and ends the file."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek = file.seek
        self.tell = file.tell
        self.failure: EvenvoiceError | None = None
        self._file = file

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except EvenvoiceError as error:
            self.failure = self.failure or error
            return b""


@dataclass(frozen=True, slots=True)
class FileCorpus:
    """A corpus of recorded files; ``read`` yields its recordings from the start on every call."""

    read: Callable[[], Iterator[Recording]]
    unnamed: Callable[[], Unnamed | None] = lambda: None
    """Looks for audio that no table names, in layouts whose tables may describe a part."""
    labelled: Labelled = "recorded"

    def recordings(self) -> Iterator[Recording]:
        """Yield every recording in the order of the corpus's index."""
        return self.read()

    def census(self) -> pa.Table | None:
        """Return None: a census stands beside such a corpus, as ``ingest.census``."""
        return None

    def unnamed_audio(self) -> Unnamed | None:
        """Return what lies in the corpus's folder beside the audio that its tables name."""
        return self.unnamed()


def open_binary(path: str, *, hold_bytes: int = HELD_BYTES) -> BinaryIO:
    """Open a local file, an object in a store, or through fsspec anything with another scheme.

    Args:
        hold_bytes: see :meth:`evenvoice.object_store.ObjectStore.open`.
    """
    if is_object_url(path):
        return ObjectStore.at(path).open("", hold_bytes=hold_bytes)
    if "://" not in path:
        local = Path(path)
        if local.exists() and not local.is_file():  # a pipe would wait for ever
            raise OSError("not a regular file")
        return local.open("rb")
    import fsspec

    return cast(BinaryIO, fsspec.open(path, "rb").open())


def locate(root: Place, path: str, *, index: Place) -> str:
    """Resolve a path of an index file against the corpus's directory.

    Raises:
        CorpusError: a relative path that leads out of the directory.
    """
    if "://" in path or posixpath.isabs(path):
        return path
    inner = posixpath.normpath(path)
    if inner == ".." or inner.startswith("../"):
        raise CorpusError(name=f"path {path!r} in {index}", rule=f"stay inside {root}", value="a way out of it",
                          action="Write an absolute path, or move the file into the corpus.")
    return str(root / inner)


def read_lines(path: Place) -> Iterator[tuple[int, str]]:
    """Yield :func:`all_lines` without the empty ones; the others keep their numbers.

    Raises:
        CorpusError: as :func:`all_lines`.
    """
    return ((number, line) for number, line in all_lines(path) if line.strip())


def all_lines(path: Place) -> Iterator[tuple[int, str]]:
    """Yield numbered lines, from 1, of an UTF-8 index file without line ends.

    Raises:
        CorpusError: the file is missing or may not be read; a line is not UTF-8, or holds a NUL byte or a carriage
            return that ends no line.
    """
    with readable(str(path)), open_index(path) as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode().rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise CorpusError(name=f"line {number} of {path}", rule="be UTF-8 text",
                                  value=shown(raw[max(0, error.start - 20):]),
                                  action="Convert the file, e.g. with iconv.") from error
            if "\r" in line or "\0" in line:
                raise _unfit(line, f"line {number} of {path}")
            yield number, line if number > 1 else line.removeprefix("\ufeff")


def _unfit(line: str, where: str) -> CorpusError:
    if "\0" in line:
        return CorpusError(name=where, rule="hold no NUL byte", value=shown(_around(line, "\0")),
                           action="Bring the file again, since it may be damaged, or convert UTF-16 with iconv.")
    return CorpusError(name=where, rule="hold no carriage return but at its end", value=shown(_around(line, "\r")),
                       action="Convert the line ends, e.g. with mac2unix, or remove the character.")


def _around(line: str, char: str) -> str:
    return line[max(0, line.index(char) - 20):]


def shown(found: str | bytes) -> str:
    """What stands somewhere, as an error shows it: on one line, of at most 80 characters."""
    text = repr(found[:80])
    return text if len(text) <= 80 and len(found) <= 80 else f"{text[:77]}..."


def seconds(text: str, *, where: str) -> float:
    """Parse a time in seconds of an index file.

    Raises:
        CorpusError: not a number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CorpusError(name=where, rule="be a number of seconds", value=shown(text), action="Correct it.")
    return value
