"""Where a corpus lies: a path on a disk, or one in an object store with as much of a path's interface as is needed.

Every adapter asks here what is there and walks folders here, so that links are followed everywhere, and a link that
leads nowhere or a folder that this user may not read is refused by name rather than taken for "not there".
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TextIO

from evenvoice.data.corpora.reading import readable
from evenvoice.errors import ArtifactError, CorpusError
from evenvoice.object_store import Address, ObjectStore, StoredObject, is_object_url

HELD_BYTES: Final = 16 << 20
"""Longest object that is read as a whole and verified; index files and audio beyond it are read by ranges."""
AUDIO_SUFFIXES: Final = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".sph", ".m4a", ".aac", ".aif", ".aiff",
                         ".au", ".caf", ".w64", ".webm", ".wma")
"""How names of audio files end, whether or not their format is taken."""


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


def is_there(path: Place) -> bool:
    """Tell whether there is a file or folder.

    Raises:
        CorpusError: a link that leads nowhere or in a circle; a folder above it that this user may not enter.
    """
    return path.exists() if isinstance(path, ObjectPath) else bool(_mode(path))


def is_file(path: Place) -> bool:
    """Tell whether there is a file; raises what :func:`is_there` does."""
    return path.is_file() if isinstance(path, ObjectPath) else stat.S_ISREG(_mode(path))


def is_folder(path: Place) -> bool:
    """Tell whether there is a folder; raises what :func:`is_there` does."""
    return path.is_dir() if isinstance(path, ObjectPath) else stat.S_ISDIR(_mode(path))


def open_index(path: Place) -> BinaryIO:
    """Open a file that the layout needs.

    Raises:
        CorpusError: missing, a link that leads nowhere, no file, or not to be read by this user.
    """
    if isinstance(path, ObjectPath):
        try:
            return path.open_binary()
        except FileNotFoundError:
            raise _missing(path) from None
    mode = _mode(path)
    if not mode:
        raise _missing(path)
    if not stat.S_ISREG(mode):  # a pipe would wait for ever
        raise CorpusError(name=str(path), rule="be a file", value="a folder" if stat.S_ISDIR(mode) else "a device",
                          action="Put the file there, or check the path of the corpus.")
    with readable(path):
        return path.open("rb")


def files_below(folder: Place, *, select: str = "", depth: int | None = None) -> Iterator[str]:
    """Yield the paths of files below, relative to ``folder``, in no order that can be relied on; links are followed.

    A link that is named like audio and leads nowhere counts as a file: what is wrong with it is the matter of one
    recording.

    Args:
        select: only look into folders that can hold paths which begin with it.
        depth: of the files looked for; 1 for those in the folder itself, None for any.

    Raises:
        CorpusError: another link that leads nowhere, or to a folder above itself; a folder that this user may not
            read.
    """
    if isinstance(folder, ObjectPath):
        for name, _ in folder.entries():
            if _may_hold(name.rpartition("/")[0], select) and (depth is None or name.count("/") < depth):
                yield name
    else:
        yield from _walk(str(folder), "", select, depth, above=())


def _walk(folder: str, prefix: str, select: str, depth: int | None, above: tuple[tuple[int, int], ...],
          ) -> Iterator[str]:
    """Files first, then folders; of all that is found, only the folders of one level are held at a time."""
    folders: list[str] = []
    with readable(folder):
        status = os.stat(folder)  # noqa: PTH116 - a Path for each of a million files takes long
        here = (status.st_dev, status.st_ino)
        if here in above:
            raise CorpusError(name=folder, rule="lead to a folder that does not hold it",
                              value=f"a link to {os.path.realpath(folder)}",
                              action="Remove the link, or let it point to the folder that was meant.")
        with os.scandir(folder) as found:
            for entry in found:
                if _is_folder(entry):
                    folders.append(entry.name)
                else:
                    yield prefix + entry.name
    if depth == 1:
        return
    for name in sorted(folders):
        if _may_hold(prefix + name, select):
            yield from _walk(f"{folder.rstrip('/')}/{name}", f"{prefix}{name}/", select, depth and depth - 1,
                             (*above, here))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    try:
        return stat.S_ISDIR(_mode(entry.path))
    except CorpusError:
        if entry.name.lower().endswith(AUDIO_SUFFIXES):
            return False
        raise


def _may_hold(folder: str, select: str) -> bool:
    return folder == "" or f"{folder}/".startswith(select) or select.startswith(f"{folder}/")


def _mode(path: Path | str) -> int:
    """Type and rights of what a path leads to; 0 where there is nothing."""
    with readable(path):
        try:
            return os.stat(path).st_mode  # noqa: PTH116 - as in _walk
        except ValueError:  # a null character
            return 0
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            if os.path.islink(path):  # noqa: PTH114 - as in _walk
                circle = ", in a circle" if error.errno == errno.ELOOP else ""
                raise CorpusError(name=str(path), rule="lead to a file or folder that exists",
                                  value=f"a link to {os.readlink(path)}{circle}",  # noqa: PTH115 - as in _walk
                                  action="Mend the link, or remove it where nothing of the corpus belongs "
                                         "there.") from error
            if error.errno == errno.ELOOP:
                raise
            return 0


def _missing(path: Place) -> CorpusError:
    return CorpusError(name=str(path), rule="exist", value="no such file",
                       action="The layout needs it; check the path of the corpus.")
