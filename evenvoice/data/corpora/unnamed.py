"""Audio that lies in a corpus's folder although no table of it names it: counted, so that a person can tell.

That is no fault, since a table often describes a part. Of what tables name, only hashes of 8 bytes are held.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from array import array
from bisect import insort
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from evenvoice.data.corpora.named import names
from evenvoice.data.corpora.places import AUDIO_SUFFIXES, Place, files_below
from evenvoice.data.corpora.recording import Unnamed

SHOWN: Final = 3


def unnamed_audio(folder: Place, *, tables: Iterable[Place], select: str) -> Unnamed:
    """Look through ``folder``, from which the paths in ``tables`` start, for audio that none of them names.

    Args:
        select: only what begins with it counts, relative to the folder.

    Raises:
        CorpusError: a link that leads nowhere, or what this user may not read.
    """
    named = np.sort(np.array(array("Q", map(_digest, _inside(folder, tables))), np.uint64))
    count, first = 0, list[str]()
    for path in files_below(folder, select=select):
        if path.startswith(select) and _is_audio(path) and not _holds(named, _digest(path)):
            count += 1
            insort(first, path)
            del first[SHOWN:]
    return {"count": count, "first": first}


def _inside(folder: Place, tables: Iterable[Place]) -> Iterator[str]:
    """Paths that tables name inside the folder, relative to it."""
    tops = [f"{str(folder).rstrip('/')}/"]
    if isinstance(folder, Path):
        tops = [f"{top.rstrip('/')}/" for top in (os.path.abspath(folder), os.path.realpath(folder))]  # noqa: PTH100
    for name in chain.from_iterable(map(names, tables)):
        path = name.removeprefix("file://")
        if "://" not in path and not posixpath.isabs(path):
            yield posixpath.normpath(path)
        elif top := next((top for top in tops if path.startswith(top)), None):
            yield posixpath.normpath(path.removeprefix(top))


def _is_audio(path: str) -> bool:
    """Files that are hidden, as macOS and git-annex keep some beside the audio, are none."""
    return path.lower().endswith(AUDIO_SUFFIXES) and not any(part.startswith(".") for part in path.split("/"))


def _digest(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(path.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _holds(ordered: np.ndarray, wanted: int) -> bool:
    at = int(np.searchsorted(ordered, np.uint64(wanted)))
    return at < len(ordered) and int(ordered[at]) == wanted
