"""What a corpus looks like right now, told fast enough to ask before every run.

On a disk, index files go in by content; audio goes in by name, size, times of change and inode, since hashing hours of
audio would take longer than ingest. One of these times is the kernel's own, so a recording that another one replaces is
seen although size and modification time were kept. Where content was read as well (see contents.py), it takes the place
of all that. In an object store everything goes in by key, size and ETag, from listings, and only indexes are
downloaded. Audio outside the corpus's directory is followed where an index names it. Standard library only, since runs
are started where Arrow may be missing: it is imported for a Parquet manifest alone, and boto3 once a store is asked.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from evenvoice.data.corpora.contents import Contents, Item
from evenvoice.data.corpora.named import AUDIO_PATH, names
from evenvoice.data.corpora.places import ObjectPath, Place
from evenvoice.data.corpora.reading import readable
from evenvoice.data.pseudonyms import from_environment
from evenvoice.errors import CorpusError, ParamsError
from evenvoice.object_store import Address, ObjectStore, StoredObject, is_object_url

SYNTHETIC: Final = "synthetic"
TEXT_SUFFIXES: Final = (".tsv", ".csv", ".jsonl", ".json", ".scp", ".txt")
TABLE_SUFFIXES: Final = (".tsv", ".csv", ".jsonl", ".json", ".scp")
"""Of the text indexes that name audio by its path; a corpus has few of them, but thousands of transcripts."""
PARQUET: Final = "manifest.parquet"
"""The one Parquet file of a corpus that names audio."""
KALDI_TABLES: Final = ("text", "utt2spk", "segments", "spk2gender", "spk2age")
CLIPS: Final = "clips"
"""The folder that Common Voice's tables leave out."""


def fingerprint(corpus: str, select: str = "", *, contents: Contents | None = None) -> dict[str, Any]:
    """Describe a corpus so that equal descriptions mean that nothing has changed.

    Args:
        contents: what was read of corpora before; None to go by sizes, times and inodes.

    Returns:
        ``{"corpus": "synthetic"}``, or corpus, select, files, bytes, sha256, what it was told by, and a commitment to
        a secret pseudonym key, which names the speakers and hence is part of what ingest reads.

    Raises:
        CorpusError: the path does not exist, or something of it cannot be read.
        PreflightError: a Parquet manifest, and no Arrow.
    """
    if corpus == SYNTHETIC:
        return {"corpus": SYNTHETIC}
    if is_object_url(corpus):
        tally, told_by = _of_objects(ObjectPath.at(corpus), select), "ETag"
        digest = tally.summary()["sha256"]
    else:
        with readable(corpus):
            root = Path(os.path.realpath(corpus))
            if not root.exists():
                raise _missing(corpus)
        corpus, told_by = str(root), "size and time"
        tally = _of_files(root, select, keep=contents is not None and contents.verify)
        digest = tally.summary()["sha256"]
        if contents and (known := contents.digest(corpus, select, digest, tally.items)):
            digest, told_by = known, "content"
    return {"corpus": corpus, "select": select, **tally.summary(), "sha256": digest, "told_by": told_by,
            "pseudonym_key": _key_in_use()}


def content_of(path: str, *, parameter: str) -> dict[str, Any]:
    """Describe another file or folder that a parameter names: by content, in an object store by size and ETag.

    Returns:
        files, bytes and sha256.

    Raises:
        ParamsError: there is no such file or folder.
        CorpusError: something of it cannot be read.
    """
    tally, root = _Tally(), Path(path)
    with readable(path):
        is_folder = root.is_dir()
        if is_object_url(path):
            place = ObjectPath.at(path)
            for name, entry in [("", place.entry())] if place.is_file() else place.entries():
                tally.add_object(name, entry)
        elif is_folder:
            for name, found, is_file in _Tree().files(root):
                (tally.add_index if is_file else tally.add_link)(name, Path(found.path))
        elif root.is_file():
            tally.add_index("", root)
    if not tally.files and not is_folder:
        raise ParamsError(name=parameter, rule="name a file or folder that exists", value=path,
                          action="Correct the path, or clear the parameter.")
    return tally.summary()


def _of_files(root: Path, select: str, *, keep: bool) -> _Tally:
    tally = _Tally(keep=keep)
    if root.is_file():
        tally.add_index(root.name, root)
        _add_named(tally, [root], select, None)
    else:
        _add_named(tally, _add_tree(tally, root, select), select, root)
    return tally


def _of_objects(root: ObjectPath, select: str) -> _Tally:
    tally = _Tally()
    indexes: list[Place] = []
    single = root.is_file()
    for name, entry in [(root.name, root.entry())] if single else root.entries():
        if _is_index(name):
            indexes.append(root if single else root / name)
        if _is_index(name) or _counts(name, select):
            tally.add_object(name, entry)
    if not tally.files:
        raise _missing(str(root))
    _add_named(tally, indexes, select, None if single else root)
    return tally


def _missing(corpus: str) -> CorpusError:
    return CorpusError(name=f"corpus {corpus}", rule="exist", value="no such file or directory",
                       action="Check ingest.corpus, or CORPUS= of `make run`.")


class _Tally:
    """Sums up files in the order they are added.

    Args:
        keep: hold on to each of them, in ``items``.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.files = 0
        self.bytes = 0
        self.items: list[Item] = []
        self._keep = keep
        self._digest = hashlib.sha256()

    def add_status(self, name: str, status: os.stat_result, path: str) -> None:
        """Add a file by name, size, times of change and inode."""
        state = f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        self._add(Item(name, status.st_size, state, status.st_mtime_ns, path))

    def add_index(self, name: str, path: Path) -> None:
        """Add a file by content: copying it changes nothing."""
        with readable(path), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._add(Item(name, size, hashlib.file_digest(file, "sha256").hexdigest()))

    def add_link(self, name: str, path: Path) -> None:
        """Add a link that leads nowhere by what it says, so that its repair is seen."""
        with readable(path):
            self._add(Item(name, 0, f"link to {path.readlink()}"))

    def add_object(self, name: str, entry: StoredObject) -> None:
        """Add an object by key, size and ETag."""
        self._add(Item(name, entry.bytes, entry.etag))

    def summary(self) -> dict[str, Any]:
        """files, bytes and sha256."""
        return {"files": self.files, "bytes": self.bytes, "sha256": self._digest.hexdigest()}

    def _add(self, item: Item) -> None:
        self.files += 1
        self.bytes += item.size
        self._digest.update(item.line())
        if self._keep:
            self.items.append(item)


def _add_named(tally: _Tally, indexes: Sequence[Place], select: str, inside: Place | None) -> None:
    """Add the audio that indexes name and that was not counted already where it lies ``inside``.

    Objects are looked up in one listing per bucket, of what their keys have in common.
    """
    paths: set[str] = set()
    keys: dict[str, set[str]] = defaultdict(set)
    for index in indexes:
        for path in _named(index, select, inside) if _is_searched(index, inside) else ():
            if not is_object_url(path):
                paths.add(path)
            elif address := _address(path):
                keys[address.bucket].add(address.key)
    for path in sorted(filter(os.path.isfile, paths)):
        with readable(path):
            tally.add_status(path, os.stat(path), path)  # noqa: PTH116 - a Path for each of a million files
    for bucket, named in sorted(keys.items()):
        common = os.path.commonprefix(list(named))  # noqa: RUF071 - of keys, which have no components
        for entry in ObjectStore(Address(bucket)).list(common):
            if entry.key in named:
                tally.add_object(f"{bucket}/{entry.key}", entry)


def _is_searched(index: Place, inside: Place | None) -> bool:
    suffix = index.suffix.lower()
    if suffix == ".parquet":
        return inside is None or index == inside / PARQUET
    return suffix in (TABLE_SUFFIXES if isinstance(index, ObjectPath) else TEXT_SUFFIXES)


def _named(index: Place, select: str, inside: Place | None) -> Iterator[str]:
    """Yield where the audio may lie that an index names."""
    folders_of = _folders(index, inside)
    top = f"{str(inside).rstrip('/')}/"
    for name in names(index):
        if not name.startswith(select):
            continue
        absolute = "://" in name or name.startswith("/")
        for path in [name] if absolute else [f"{folder}/{name}" for folder in folders_of(name)]:
            if not is_object_url(path):
                path = os.path.normpath(path.removeprefix("file://"))
            if not (inside and path.startswith(top) and _counts(path[len(top):], select)):
                yield path


def _folders(index: Place, inside: Place | None) -> Callable[[str], tuple[str, ...]]:
    """Tell where a relative name may start: Kaldi's also at the parent, Common Voice's in a folder of its own."""
    here, above, clips = str(index.parent), str(index.parent.parent), str(index.parent / CLIPS)
    if index.suffix != ".scp":
        return lambda _name: (here, clips) if inside else (here,)
    if not isinstance(index, ObjectPath):
        return lambda _name: (here, above)
    present = {name for name, _ in index.parent.entries()}
    return lambda name: (here if name in present else above,)


def _address(url: str) -> Address | None:
    """None for what no object can be called: ingest rejects that recording."""
    try:
        url.encode()
        return Address.parse(url)
    except (ParamsError, UnicodeEncodeError):
        return None


def _add_tree(tally: _Tally, root: Path, select: str) -> list[Path]:
    """Add every file of a directory, audio only where it is selected, and return the indexes among them."""
    tree, indexes = _Tree(), []
    for name, entry, is_file in tree.files(root):
        if not _is_index(name) and not _counts(name, "" if tree.twice else select):
            continue
        if not is_file:
            tally.add_link(name, Path(entry.path))
        elif _is_index(name):
            tally.add_index(name, Path(entry.path))
            indexes.append(Path(entry.path))
        else:
            with readable(entry.path):
                tally.add_status(name, entry.stat(), entry.path)
    return indexes


class _Tree:
    """The files below a folder, and the links that lead nowhere."""

    def __init__(self) -> None:
        self.twice = False
        """A folder was met again: it is read once, so its files have names by which they are not found here."""
        self._seen: set[tuple[int, int]] = set()

    def files(self, root: Path) -> list[tuple[str, os.DirEntry[str], bool]]:
        """Names relative to ``root``, in order, with False for a link that leads nowhere."""
        return sorted(self._below(root, ""), key=lambda found: found[0])

    def _below(self, folder: Path | str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
        with readable(folder):
            status = os.stat(folder)  # noqa: PTH116 - folders come as the paths of entries
            if (status.st_dev, status.st_ino) in self._seen:
                self.twice = True
                return
            self._seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as found:
                entries = sorted(((entry, *_kind(entry)) for entry in found), key=lambda item: item[0].name)
        for entry, is_folder, is_file in entries:
            if is_folder:
                yield from self._below(entry.path, f"{prefix}{entry.name}/")
            elif is_file or (entry.is_symlink() and not os.path.exists(entry.path)):  # noqa: PTH110 - as above
                yield prefix + entry.name, entry, is_file


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    """Whether an entry is a folder, and whether it is a file; neither where its link leads nowhere, or to itself."""
    try:
        return entry.is_dir(), entry.is_file()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False, False


def _is_index(name: str) -> bool:
    return name.lower().endswith((*TEXT_SUFFIXES, ".parquet")) or name.rpartition("/")[2] in KALDI_TABLES


def _counts(name: str, select: str) -> bool:
    return name.startswith(select) or not AUDIO_PATH.fullmatch(name)


def _key_in_use() -> str:
    """Commitment to the secret key, or ``seed`` where there is none."""
    names = from_environment(0, people=True)
    return names.commitment() if names.source == "environment" else "seed"
