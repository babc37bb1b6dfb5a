"""What a corpus looks like right now, told fast enough to ask before every run.

On a disk, index files go in by content; audio goes in by name, size and time of change, since hashing hours of audio
would take longer than ingest. In an object store everything goes in by key, size and ETag, from listings, and only
text indexes are downloaded. Audio outside the corpus's directory is followed where a text index names it; a Parquet
index is not searched. Standard library only, since runs are started where Arrow is not installed; boto3 is imported
once a store is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from evenvoice.data.corpora.places import ObjectPath, Place
from evenvoice.data.pseudonyms import from_environment
from evenvoice.errors import CorpusError
from evenvoice.object_store import Address, ObjectStore, StoredObject, is_object_url

SYNTHETIC: Final = "synthetic"
TEXT_SUFFIXES: Final = (".tsv", ".csv", ".jsonl", ".json", ".scp", ".txt")
TABLE_SUFFIXES: Final = (".tsv", ".csv", ".jsonl", ".json", ".scp")
"""Of the text indexes that name audio by its path; a corpus has few of them, but thousands of transcripts."""
KALDI_TABLES: Final = ("text", "utt2spk", "segments", "spk2gender", "spk2age")
AUDIO_PATH: Final = re.compile(r'[^\t,"\r\n]+\.(?:wav|flac|mp3|ogg)\b', re.IGNORECASE)


def fingerprint(corpus: str, select: str = "") -> dict[str, Any]:
    """Describe a corpus so that equal descriptions mean that nothing has changed.

    Returns:
        ``{"corpus": "synthetic"}``, or corpus, select, files, bytes, sha256, and a commitment to a secret
        pseudonym key, which names the speakers and hence is part of what ingest reads.

    Raises:
        CorpusError: the path does not exist.
    """
    if corpus == SYNTHETIC:
        return {"corpus": SYNTHETIC}
    if is_object_url(corpus):
        return _of_objects(ObjectPath.at(corpus), select)
    root = Path(corpus).resolve()
    if not root.exists():
        raise _missing(corpus)
    tally = _Tally()
    if root.is_file():
        tally.add_index(root.name, root)
        indexes, inside = [root], None
    else:
        indexes, inside = _add_tree(tally, root, select), root
    for path in sorted({path for index in indexes for path in _named_audio(index, select, inside)}):
        tally.add_status(str(path), path.stat())
    _add_named_objects(tally, indexes, select, inside)
    return tally.summary(str(root), select)


def _of_objects(root: ObjectPath, select: str) -> dict[str, Any]:
    tally = _Tally()
    indexes: list[Place] = []
    single = root.is_file()
    for name, entry in [(root.name, root.entry())] if single else root.entries():
        if _is_index(name):
            indexes.append(root if single else root / name)
        if _is_index(name) or name.startswith(select) or not AUDIO_PATH.fullmatch(name):
            tally.add_object(name, entry)
    if not tally.files:
        raise _missing(str(root))
    _add_named_objects(tally, indexes, select, None if single else root)
    return tally.summary(str(root), select)


def _missing(corpus: str) -> CorpusError:
    return CorpusError(name=f"corpus {corpus}", rule="exist", value="no such file or directory",
                       action="Check ingest.corpus, or CORPUS= of `make run`.")


class _Tally:
    """Sums up files in the order they are added."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.digest = hashlib.sha256()

    def add_status(self, name: str, status: os.stat_result) -> None:
        """Add a file by name, size and time of change."""
        self._add(name, status.st_size, str(status.st_mtime_ns))

    def add_index(self, name: str, path: Path) -> None:
        """Add a file by content: copying it changes nothing."""
        with path.open("rb") as file:
            self._add(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())

    def add_object(self, name: str, entry: StoredObject) -> None:
        """Add an object by key, size and ETag."""
        self._add(name, entry.bytes, entry.etag)

    def summary(self, corpus: str, select: str) -> dict[str, Any]:
        """What :func:`fingerprint` returns."""
        return {"corpus": corpus, "select": select, "files": self.files, "bytes": self.bytes,
                "sha256": self.digest.hexdigest(), "pseudonym_key": _key_in_use()}

    def _add(self, name: str, size: int, state: str) -> None:
        self.files += 1
        self.bytes += size
        self.digest.update(f"{name}\0{size}\0{state}\n".encode("utf-8", "surrogateescape"))


def _add_named_objects(tally: _Tally, indexes: Sequence[Place], select: str, inside: Place | None) -> None:
    """Add the objects that text indexes name and that do not lie in ``inside``.

    They are looked up in one listing per bucket, of what their keys have in common.
    """
    named: dict[str, set[str]] = defaultdict(set)
    for index in indexes:
        for address in _named_addresses(index, select):
            if not (inside and f"{address}".startswith(f"{inside}/")):
                named[address.bucket].add(address.key)
    for bucket, keys in sorted(named.items()):
        common = os.path.commonprefix(list(keys))  # noqa: RUF071 - of keys, which have no components
        for entry in ObjectStore(Address(bucket)).list(common):
            if entry.key in keys:
                tally.add_object(f"{bucket}/{entry.key}", entry)


def _named_addresses(index: Place, select: str) -> Iterator[Address]:
    """Where the objects would lie that a text index names."""
    if index.suffix not in TABLE_SUFFIXES:
        return
    beside = index.suffix == ".scp"  # Kaldi's paths may start at the parent
    inside = {name for name, _ in index.parent.entries()} if beside and isinstance(index, ObjectPath) else set()
    with index.open(encoding="utf-8", errors="surrogateescape") as lines:
        relevant = lines if isinstance(index, ObjectPath) else (line for line in lines if "s3://" in line)
        for name in (name for line in relevant for name in _names(index, line) if name.startswith(select)):
            if is_object_url(name):
                yield Address.parse(name)
            elif isinstance(index, ObjectPath) and "://" not in name:
                yield (index.parent.parent if beside and name not in inside else index.parent).address.under(name)


def _add_tree(tally: _Tally, root: Path, select: str) -> list[Path]:
    """Add every file of a directory, audio only where it is selected, and return the indexes among them."""
    indexes = []
    for name, entry in sorted(_walk(root, "", set()), key=lambda found: found[0]):
        if _is_index(name):
            tally.add_index(name, Path(entry.path))
            indexes.append(Path(entry.path))
        elif name.startswith(select) or not AUDIO_PATH.fullmatch(name):
            tally.add_status(name, entry.stat())
    return indexes


def _walk(directory: Path, prefix: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield files with their names relative to the top; a directory that links lead to twice is read once."""
    status = directory.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", seen)
            elif entry.is_file():
                yield prefix + entry.name, entry


def _is_index(name: str) -> bool:
    return name.endswith((*TEXT_SUFFIXES, ".parquet")) or name.rpartition("/")[2] in KALDI_TABLES


def _named_audio(index: Path, select: str, inside: Path | None) -> Iterator[Path]:
    """Existing audio files that a text index names and that do not lie in ``inside``, which was read as a whole."""
    if not index.name.endswith(TEXT_SUFFIXES):
        return
    with index.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            for name in _names(index, line):
                if not name.startswith(select):
                    continue
                # Kaldi's paths may start at the parent
                found = (path for path in (index.parent / name, index.parent.parent / name) if _is_file(path))
                path = next(found, None)
                if path is not None and not (inside and path.is_relative_to(inside)):
                    yield path


def _names(index: Place, line: str) -> list[str]:
    if index.suffix == ".scp":
        return [line.strip().partition(" ")[2].strip()]
    names: list[str] = AUDIO_PATH.findall(line)
    return [_unescaped(name) for name in names] if index.suffix in (".json", ".jsonl") else names


def _unescaped(name: str) -> str:
    try:
        return str(json.loads(f'"{name}"'))
    except ValueError:
        return name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a sentence that is longer than any path
        return False


def _key_in_use() -> str:
    """Commitment to the secret key, or ``seed`` where there is none."""
    names = from_environment(0, people=True)
    return names.commitment() if names.source == "environment" else "seed"
