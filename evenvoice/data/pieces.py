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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evenvoice.code import package_digest
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.progress import Progress
from evenvoice.storage import read_json, sha256, write_json

MARKER = "complete.json"
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

    def find(self, unit: Path) -> Path | None:
        """Return the whole piece that was made from exactly this file, or None."""
        if not self._directory.is_dir():
            return None
        path = self._path(unit)
        if path.is_dir():
            if (damage := _damage(path)) is None:
                return path
            self._progress.note(f"{damage} is not what was written: {unit.name} is worked on again")
            shutil.rmtree(path)
        elif any(self._directory.glob(f"{unit.stem}-*")):
            self._progress.note(f"the piece of {unit.name} was made from other input, settings or code: "
                                "it is worked on again")
        return None

    @contextmanager
    def writing(self, unit: Path) -> Iterator[Path]:
        """Yield an empty directory that becomes the piece of ``unit`` when the block ends without an error."""
        self._directory.mkdir(parents=True, exist_ok=True)
        # a name of its own: a process that was given up for lost may still be writing the same piece
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._directory))
        try:
            yield draft
            write_json(draft / MARKER, {file.name: sha256(file) for file in sorted(draft.iterdir())})
            _rename_unless_there(draft, self._path(unit))
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def discard(self) -> None:
        """Delete all of them: what they were made for is whole."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _path(self, unit: Path) -> Path:
        identity = hashlib.sha256(f"{sha256(unit)}\n{package_digest()}\n{self._settings}".encode()).hexdigest()
        return self._directory / f"{unit.stem}-{identity[:16]}"


def take(piece: Path, pattern: str, directory: Path) -> None:
    """Put the files of a piece into ``directory`` under the same names, by hard links where they are possible."""
    for file in sorted(piece.glob(pattern)):
        try:
            os.link(file, directory / file.name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, directory / file.name)


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
    found = {file.name: sha256(file) for file in piece.iterdir() if file.name != MARKER}
    altered = sorted(name for name in hashes.keys() | found.keys() if hashes.get(name) != found.get(name))
    return str(piece / altered[0]) if altered else None
