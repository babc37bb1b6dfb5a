"""What the content of a corpus on a disk was when all of it was last read: kept beside a checkout, one file a corpus.

A run tells a corpus by names, sizes, times and inodes. ``make run VERIFY=1`` reads every file, which this module keeps:
the first line says which state of the corpus was read and what all of its content was, and each further line is a
file. A later run that finds that state again is told by the content without reading it, so switching VERIFY on and off
makes nothing run. At the first look ingest runs once, since nobody can tell whether what it read before is what lies
there now; its result is the same unless something was replaced. A file that was replaced unseen is called by its name.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from evenvoice.data.corpora.reading import readable
from evenvoice.progress import Progress
from evenvoice.storage import write_bytes

NAMED: Final = 5
"""Replaced files that are called by name; the others are counted."""


class Item(NamedTuple):
    """A file as the survey of a corpus finds it."""

    name: str
    size: int
    """In bytes."""
    state: str
    """What is known without reading it; of an index, of its content."""
    changed_ns: int = 0
    path: str = ""
    """Where its content can be read, unless its state tells that already."""

    def line(self) -> bytes:
        """What it adds to a digest over many."""
        return f"{self.name}\0{self.size}\0{self.state}\n".encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of corpora, and whether to read again."""

    folder: Path
    """Where it is kept."""
    verify: bool = False
    """Read every file, rather than taking it for what it was while size, times and inode stay."""
    progress: Progress | None = None

    def digest(self, corpus: str, select: str, status: str, items: Sequence[Item]) -> str | None:
        """Digest of the content behind a corpus in this state; None where nobody has read it.

        Args:
            status: digest over the names and states of ``items``.
            items: every file, in the order of the digest; only needed where content is read.

        Raises:
            CorpusError: a file cannot be read.
        """
        key = hashlib.sha256(f"{corpus}\n{select}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        record = self.folder / f"{key}.jsonl.gz"
        state: dict[str, object] = {"corpus": corpus, "select": select, "status": status}
        if not self.verify:
            head = next(_lines(record), None)
            return str(head["content"]) if isinstance(head, dict) and state.items() <= head.items() else None
        progress = self.progress or Progress("corpus", unit="file")
        read = list(_read(items, progress))
        for finding in _findings(record, read):
            progress.note(finding)
        content = hashlib.sha256(b"".join(item.line() for item in read)).hexdigest()
        files = ([item.name, item.size, item.changed_ns, item.state] for item in read if item.path)
        lines = map(json.dumps, (state | {"content": content}, *files))
        write_bytes(record, gzip.compress("\n".join(lines).encode()))
        return content


def _read(items: Sequence[Item], progress: Progress) -> Iterator[Item]:
    """Put the content of each file in the place of its state."""
    progress.total = sum(bool(item.path) for item in items)
    megabytes, done = sum(item.size for item in items if item.path) / 1e6, 0.0
    for item in items:
        if not item.path:
            yield item
            continue
        with readable(item.path), open(item.path, "rb") as file:  # noqa: PTH123 - a Path for each of a million files
            yield item._replace(state=hashlib.file_digest(file, "sha256").hexdigest())
        done += item.size / 1e6
        progress.advance(MB=done, of_MB=megabytes)


def _findings(record: Path, read: Sequence[Item]) -> Iterator[str]:
    """What became of the files since they were last read, in words."""
    earlier = {line[0]: tuple(line[1:]) for line in _lines(record) if isinstance(line, list)}
    files = [item for item in read if item.path]
    same = sum(item.name in earlier and earlier[item.name][2] == item.state for item in files)
    replaced = [item.name for item in files if item.name in earlier and earlier[item.name][2] != item.state
                and earlier[item.name][:2] == (item.size, item.changed_ns)]
    if not earlier:
        yield (f"content of {len(files)} files read for the first time, so ingest runs; later runs with VERIFY=1 are "
               "held against it")
        return
    yield f"content of {same} of {len(files)} files is what it was"
    if replaced:
        others = f" and {len(replaced) - NAMED} more" if len(replaced) > NAMED else ""
        yield f"changed although size and time did not: {', '.join(map(_printable, replaced[:NAMED]))}{others}"
    if rest := len(files) - same - len(replaced):
        yield f"new, or changed as size or time says: {rest}"


def _printable(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _lines(record: Path) -> Iterator[Any]:
    """What is kept about a corpus; nothing where there is none, or where it is damaged: then content is read anew."""
    try:
        with gzip.open(record, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
    except (OSError, EOFError, ValueError, zlib.error):
        return
