"""Pieces: a stage's results for single files of its input, computed beforehand by several processes or machines.

    pieces/featurize/utterances-00003-5b1f0c9d2a7e4410/...            what the stage made of that file
                                                      /complete.json  hashes of all of it, written last

A piece belongs to one input file, so who computed it, and beside how many others, shows nowhere in the result: the
stage puts pieces together in the order of the files, and computes those that are missing itself. The name holds a
hash of the input file, the settings and the code; a piece of anything else is passed over, and so is a damaged one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evenvoice.code import package_digest
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.progress import Progress
from evenvoice.storage import cores, read_json, sha256, sha256_of_each, write_json

MARKER = "complete.json"
_UNIT = re.compile(r"(utterances|features)-[0-9a-f-]+\.(parquet|arrow)")
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """The share of one of several processes: ``3/16`` is the third of sixteen."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``3/16``.

        Raises:
            ParamsError: it does not name one of the shards.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        shard = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.count:
            raise ParamsError(name="--shard", rule="read 3/16 for the third of sixteen", value=repr(text),
                              action="Count from 1 to the number of shards.")
        return shard

    def of(self, units: Sequence[T]) -> Sequence[T]:
        """A run of neighbours; the shares of all shards are all units, each once, and differ by one at most."""
        start, stop = (place * len(units) // self.count for place in (self.number - 1, self.number))
        return units[start:stop]

    def needed(self, names: Sequence[str]) -> list[str]:
        """Of all files of a directory those that this share is worked on with: its units, and what is no unit."""
        others = set(units_among(names)).difference(self.of(units_among(names)))
        return [name for name in names if name not in others]

    def units(self, directory: Path) -> list[Path]:
        """This share of the units of ``directory``, whether all of them lie there or, with their list, only this share.

        Raises:
            ArtifactError: there are no units, or one of this share is not there.
        """
        names = read_json(list_beside(directory)) if list_beside(directory).exists() else _names(directory)
        units = units_among(names)
        if not units:
            raise ArtifactError(name=str(directory), rule="hold files to work on", value="none",
                                action="Run the stage that writes it (`dvc dag` shows which).")
        own = [directory / name for name in self.of(units)]
        for path in own:
            if not path.is_file():
                raise ArtifactError(name=str(path), rule=f"lie here for share {self.number}/{self.count}",
                                    value="no such file", action="Start this share again.")
        return own


def units_among(names: Iterable[str]) -> list[str]:
    """Of the files of a corpus or of features those that are worked on one by one, in order."""
    return sorted(name for name in names if _UNIT.fullmatch(name.rpartition("/")[2]))


def list_beside(directory: Path) -> Path:
    """Where the names of all files of a directory stand when only a share of them was brought."""
    return directory.with_name(f"{directory.name}.files.json")


def _names(directory: Path) -> list[str]:
    return [path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()]


@dataclass(frozen=True)
class Described:
    """A unit of input that is no file of its own: what it is called, and a digest of all that a result depends on."""

    stem: str
    digest: str

    @property
    def name(self) -> str:
        """How notes call it."""
        return self.stem


class Pieces:
    """The pieces of one stage.

    Args:
        directory: where they lie until the stage has put them together; outside every DVC output.
        settings: all that the result depends on beside the input file and the code, as JSON takes it.
        progress: told when a piece cannot be used.
    """

    def __init__(self, directory: Path, settings: Mapping[str, object], progress: Progress) -> None:
        self._directory = directory
        self._settings = json.dumps(settings, sort_keys=True)
        self._progress = progress

    def find(self, unit: Path | Described) -> Path | None:
        """Return the whole piece that was made from exactly this input, or None."""
        if not self._directory.is_dir():
            return None
        path = self.path(unit)
        if path.is_dir():
            if (damage := _damage(path)) is None:
                return path
            self._progress.note(f"{damage} is not what was written: {unit.name} is worked on again")
            shutil.rmtree(path)
        elif any(self._directory.glob(f"{unit.stem}-*")):
            self._progress.note(f"the piece of {unit.name} was made from other input, settings or code: "
                                "it is worked on again")
        return None

    def find_each(self, units: Iterable[Path]) -> Iterator[tuple[Path, Path | None]]:
        """Each unit with what :meth:`find` returns, in order; threads hash what is to come."""
        with ThreadPoolExecutor(cores()) as threads:
            yield from in_order(threads, lambda unit: (unit, self.find(unit)), units, ahead=2 * cores())

    @contextmanager
    def writing(self, unit: Path | Described) -> Iterator[Path]:
        """Yield an empty directory that becomes the piece of ``unit`` when the block ends without an error."""
        self._directory.mkdir(parents=True, exist_ok=True)
        # a name of its own: a process that was given up for lost may still be writing the same piece
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._directory))
        try:
            yield draft
            files = sorted(draft.iterdir())
            hashes = zip((file.name for file in files), sha256_of_each(files), strict=True)
            write_json(draft / MARKER, dict(hashes))
            _rename_unless_there(draft, self.path(unit))
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def discard(self) -> None:
        """Delete all of them: what they were made for is whole."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def keep(self, used: Collection[Path]) -> None:
        """Delete all but these: a later run takes what it can of them, and as links to results they need no space."""
        kept = {piece.name for piece in used}
        for piece in self._directory.iterdir():
            if piece.name not in kept:
                shutil.rmtree(piece, ignore_errors=True)

    def path(self, unit: Path | Described) -> Path:
        """Where the piece of ``unit`` lies once it was made."""
        content = sha256(unit) if isinstance(unit, Path) else unit.digest
        identity = hashlib.sha256(f"{content}\n{package_digest()}\n{self._settings}".encode()).hexdigest()
        return self._directory / f"{unit.stem}-{identity[:16]}"


def in_order(threads: ThreadPoolExecutor, work: Callable[[S], T], items: Iterable[S], ahead: int) -> Iterator[T]:
    """Map with at most ``ahead`` items under way, so memory stays flat."""
    running: deque[Future[T]] = deque()
    try:
        for item in items:
            running.append(threads.submit(work, item))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def take(piece: Path, pattern: str, directory: Path) -> None:
    """Put the files of a piece into ``directory`` under the same names, by hard links where they are possible."""
    for file in sorted(piece.glob(pattern)):
        link(file, directory / file.name)


def link(file: Path, target: Path) -> None:
    """Make ``target`` another name of ``file``, or a copy of it where that is impossible."""
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, target)


def _rename_unless_there(draft: Path, path: Path) -> None:
    """Two that computed the same piece wrote the same content; the first one's stays."""
    try:
        draft.rename(path)
    except OSError:
        if not path.is_dir():
            raise


def _damage(piece: Path) -> str | None:
    """Name the file of a piece that is missing, new or not what the marker says."""
    try:
        hashes = dict(read_json(piece / MARKER))
    except (ArtifactError, TypeError, ValueError):
        return str(piece / MARKER)
    files = [file for file in piece.iterdir() if file.name != MARKER]
    found = dict(zip((file.name for file in files), sha256_of_each(files), strict=True))
    altered = sorted(name for name in hashes.keys() | found.keys() if hashes.get(name) != found.get(name))
    return str(piece / altered[0]) if altered else None
