"""Results by their hash: from the DVC remote into a cache and a workspace, and back.

    <remote>/files/md5/<2>/<30>          a file of results
    <remote>/files/md5/<2>/<30>.dir      the list of a directory's files, as JSON
    <remote>/runs/<2>/<key>/<value>      an entry of DVC's run-cache

What a stage read and wrote stands in its entry of dvc.lock, so nobody has to ask DVC. `dvc pull` reads dvc.lock anew
for each of its targets, and every command of DVC imports a client of the store for 4 s of a core. The remote stays one
that DVC itself reads and writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from evenvoice import dvc_lock
from evenvoice.errors import ArtifactError
from evenvoice.object_store import ObjectStore

Out = Mapping[str, Any]
"""An output in an entry of dvc.lock: path, md5, size."""
SMALL: Final = 8 << 20
"""Up to so many bytes an object is fetched by one request and held in memory."""
AT_ONCE: Final = 8
"""Small objects under way together."""
LARGE_AT_ONCE: Final = 2
"""Large ones; each of them comes in several ranges at a time."""
READ_ONLY: Final = 0o444
"""As DVC protects what hard links share."""
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class ResultFile:
    """A file of results."""

    path: str
    """Relative to the workspace."""
    md5: str
    is_small: bool


class Results:
    """The results of all runs.

    Args:
        remote: the DVC remote.
        cache: DVC's cache on this machine, which several runs may share.
    """

    def __init__(self, remote: ObjectStore, cache: Path) -> None:
        self._remote = remote
        self._cache = cache

    def files(self, outs: Iterable[Out]) -> dict[str, list[ResultFile]]:
        """Path of each output -> its files; lists of directories are fetched.

        Raises:
            ArtifactError: such a list is missing or damaged.
        """
        outs = list(outs)
        lists = {out["md5"]: ResultFile(out["path"], out["md5"], is_small=True) for out in outs
                 if out["md5"].endswith(".dir")}  # each once: outputs may be equal
        at_once(AT_ONCE, self._fetch, list(lists.values()))
        return {out["path"]: self._files(out) for out in outs}

    def bring(self, files: Iterable[ResultFile], workspace: Path) -> None:
        """Fetch what the cache does not have, verify its MD5, and link it into the workspace.

        Raises:
            ArtifactError: an object is missing or damaged; the message has its path and its hash.
        """
        wanted = list({file.md5: file for file in files if not self._at(file.md5).exists()}.values())
        at_once(AT_ONCE, self._fetch, [file for file in wanted if file.is_small])
        at_once(LARGE_AT_ONCE, self._fetch_large, [file for file in wanted if not file.is_small])
        for file in files:
            _link(self._at(file.md5), workspace / file.path)

    def bring_whole(self, outs: Iterable[Out], workspace: Path) -> None:
        """Likewise for all files of these outputs, in place of what lies there.

        Raises:
            ArtifactError: as :meth:`bring` does.
        """
        files = self.files(outs)
        for path in files:
            _remove(workspace / path)
        self.bring(list(chain.from_iterable(files.values())), workspace)

    def missing(self, outs: Iterable[Out]) -> list[str]:
        """Addresses of what these outputs consist of and the remote does not have.

        Raises:
            ArtifactError: the list of a directory's files is damaged.
        """
        lists = [out["md5"] for out in outs if out["md5"].endswith(".dir")]
        gone = [md5 for md5, there in zip(lists, self._there(lists), strict=True) if not there]
        single = [out["md5"] for out in outs if not out["md5"].endswith(".dir")]
        listed = [entry["md5"] for md5 in lists if md5 not in gone for entry in self._list(md5, md5)]
        rest = list(dict.fromkeys([*single, *listed]))
        gone += [md5 for md5, there in zip(rest, self._there(rest), strict=True) if not there]
        return [self._remote.url(_key(md5)) for md5 in gone]

    def send(self, outs: Iterable[Out]) -> None:
        """Send what the cache has of these outputs and the remote has not: files before the lists that name them."""
        lists = [out["md5"] for out in outs if out["md5"].endswith(".dir")]
        single = [out["md5"] for out in outs if not out["md5"].endswith(".dir")]
        listed = [entry["md5"] for md5 in lists for entry in json.loads(self._at(md5).read_bytes())]
        files = list(dict.fromkeys([*single, *listed]))
        at_once(AT_ONCE, self._send, [md5 for md5 in files if self._at(md5).stat().st_size <= SMALL])
        at_once(LARGE_AT_ONCE, self._send, [md5 for md5 in files if self._at(md5).stat().st_size > SMALL])
        at_once(AT_ONCE, self._send, lists)

    def remembered(self, key: str) -> list[dict[str, Any]]:
        """Entries of dvc.lock that earlier runs had under this key of DVC's run-cache, newest first."""
        found = sorted(self._remote.list(f"runs/{key[:2]}/{key}/"), key=lambda entry: (entry.modified, entry.key))
        entries = []
        for stored in reversed(found):
            try:
                text = self._remote.read(stored.key).decode("utf-8", errors="replace")
                entries.append(dvc_lock.parse_entry(text, self._remote.url(stored.key)))
            except ArtifactError as error:
                print(f"passed over: {error}", flush=True)
        return entries

    def remember(self) -> None:
        """Send the entries that DVC added to its run-cache here."""
        for path in sorted((self._cache / "runs").rglob("*")):
            key = path.relative_to(self._cache).as_posix()
            if path.is_file() and not self._remote.exists(key):
                self._remote.write(key, path.read_bytes())

    def _files(self, out: Out) -> list[ResultFile]:
        path, md5 = str(out["path"]), str(out["md5"])
        is_small = int(out.get("size", SMALL + 1)) <= SMALL
        if not md5.endswith(".dir"):
            return [ResultFile(path, md5, is_small)]
        return [ResultFile(f"{path}/{entry['relpath']}", entry["md5"], is_small) for entry in self._list(md5, path)]

    def _list(self, md5: str, path: str) -> list[dict[str, str]]:
        self._fetch(ResultFile(path, md5, is_small=True))
        listed: list[dict[str, str]] = json.loads(self._at(md5).read_bytes())
        return listed

    def _fetch(self, file: ResultFile) -> None:
        target = self._at(file.md5)
        if target.exists():
            return
        try:
            content = self._remote.read(_key(file.md5))
        except ArtifactError as error:
            raise self._refused(file, error.rule, error.value) from error
        self._demand(file, hashlib.md5(content, usedforsecurity=False))
        draft = self._draft(file)
        draft.write_bytes(content)
        _become(draft, target)

    def _fetch_large(self, file: ResultFile) -> None:
        draft = self._draft(file)
        try:
            self._remote.download(_key(file.md5), draft)
        except ArtifactError as error:
            raise self._refused(file, error.rule, error.value) from error
        with draft.open("rb") as content:
            found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
        try:
            self._demand(file, found)
        except ArtifactError:
            draft.unlink()
            raise
        _become(draft, self._at(file.md5))

    def _demand(self, file: ResultFile, found: hashlib._Hash) -> None:
        if found.hexdigest() != file.md5.removesuffix(".dir"):
            raise self._refused(file, "have the MD5 that it is stored under", found.hexdigest())

    def _refused(self, file: ResultFile, rule: str, value: object) -> ArtifactError:
        return ArtifactError(name=f"{file.path} ({self._remote.url(_key(file.md5))})", rule=rule, value=value,
                             action="Run the stage that writes it again: make run FORCE_STAGE=...")

    def _send(self, md5: str) -> None:
        key, path = _key(md5), self._at(md5)
        if self._remote.exists(key):
            return
        if path.stat().st_size <= SMALL:
            self._remote.write(key, path.read_bytes())
        else:
            self._remote.upload(path, key)

    def _there(self, hashes: Sequence[str]) -> list[bool]:
        return at_once(AT_ONCE, lambda md5: self._remote.exists(_key(md5)), hashes)

    def _at(self, md5: str) -> Path:
        return self._cache / _key(md5)

    def _draft(self, file: ResultFile) -> Path:
        """On the cache's own disk; of this process alone, since other runs may bring the same object."""
        directory = self._cache / "arriving"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{file.md5}-{os.getpid()}"


def at_once(most: int, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Map by threads, at most so many at a time, in order; the first error is raised."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(most) as threads:
        return list(threads.map(work, items))


def _key(md5: str) -> str:
    """Where DVC keeps an object, in a cache as in a remote."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def _become(draft: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.chmod(READ_ONLY)
    draft.rename(target)


def _link(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        os.link(source, path)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
