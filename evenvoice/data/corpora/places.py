"""Where a corpus lies: a path on a disk, or one in an object store with as much of a path's interface as is needed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TextIO

from evenvoice.errors import ArtifactError
from evenvoice.object_store import Address, ObjectStore, StoredObject, is_object_url

HELD_BYTES: Final = 16 << 20
"""Longest object that is read as a whole and verified; index files and audio beyond it are read by ranges."""


@dataclass(frozen=True, slots=True)
class ObjectPath:
    """A path in an object store; it reads like :class:`pathlib.Path`."""

    address: Address

    @classmethod
    def at(cls, url: str) -> ObjectPath:
        """Read ``s3://bucket/path``.

        Raises:
            ParamsError: the address is malformed.
        """
        return cls(Address.parse(url))

    def __str__(self) -> str:
        return str(self.address)

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(self.address.under(name))

    @property
    def name(self) -> str:
        return PurePosixPath(self.address.key).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.address.key).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.address.key).suffix

    @property
    def parent(self) -> ObjectPath:
        """The folder above; a bucket's is itself."""
        return ObjectPath(Address(self.address.bucket, self.address.key.rpartition("/")[0]))

    def with_name(self, name: str) -> ObjectPath:
        return self.parent / name

    def relative_to(self, folder: ObjectPath) -> PurePosixPath:
        return PurePosixPath(self.address.key).relative_to(folder.address.key)

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        return bool(self.address.key) and self._store.exists("")

    def is_dir(self) -> bool:
        return next(self._store.list(), None) is not None

    def entries(self) -> Iterator[tuple[str, StoredObject]]:
        """Yield what lies at any depth below, with its name relative to here."""
        for entry in self._store.list():
            if not entry.key.endswith("/"):  # consoles make empty objects that stand for folders
                yield entry.key, entry

    def entry(self) -> StoredObject:
        """Return what the listing of the folder above says of this object.

        Raises:
            FileNotFoundError: there is none.
        """
        found = next(self.parent._store.list(self.name), None)  # a name sorts before those that go on after it
        if found is None or found.key != self.name:
            raise FileNotFoundError(str(self))
        return found

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield the objects below whose path fits the pattern part by part."""
        wanted = pattern.split("/")
        for path in self.rglob("*"):
            parts = path.relative_to(self).parts
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield path

    def rglob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield the objects at any depth below whose name fits the pattern."""
        for name, _ in self.entries():
            if fnmatchcase(name.rpartition("/")[2], pattern):
                yield self / name

    def open_binary(self) -> BinaryIO:
        """Open the object.

        Raises:
            FileNotFoundError: there is none.
            ArtifactError: truncated or damaged.
        """
        try:
            return self._store.open("", hold_bytes=HELD_BYTES)
        except ArtifactError as error:
            if error.rule == "exist":
                raise FileNotFoundError(str(self)) from error
            raise

    def open(self, *, encoding: str, errors: str | None = None, newline: str | None = None) -> TextIO:
        """:meth:`open_binary` as text."""
        return io.TextIOWrapper(self.open_binary(), encoding=encoding, errors=errors, newline=newline)

    @property
    def _store(self) -> ObjectStore:
        return ObjectStore(self.address)


Place = Path | ObjectPath


def place(path: str) -> Place:
    """Return the path that a setting names.

    Raises:
        ParamsError: an address in an object store that is malformed.
    """
    return ObjectPath.at(path) if is_object_url(path) else Path(path)
