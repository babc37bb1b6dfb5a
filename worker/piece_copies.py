"""Pieces of a stage that was split into shards: each shard's pod sends what it computed, the stage's pod fetches all.

Nothing here is trusted: the stage passes over a piece whose hashes are wrong, and computes what is missing itself
(evenvoice/data/pieces.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evenvoice.object_store import ObjectStore
from worker.results import AT_ONCE, LARGE_AT_ONCE, at_once

PIECES: Final = Path("pieces")


def send_pieces(store: ObjectStore, stage: str) -> list[str]:
    """Upload all pieces in this workspace; returns their names."""
    files = sorted(path for path in PIECES.rglob("*") if path.is_file())
    at_once(AT_ONCE, lambda path: store.upload(path, f"{_prefix(stage)}{path.relative_to(PIECES).as_posix()}"), files)
    return [path.relative_to(PIECES).as_posix() for path in files]


def fetch_pieces(store: ObjectStore, stage: str) -> None:
    """Bring every piece that shards of ``stage`` sent."""
    keys = [found.key for found in store.list(_prefix(stage))]
    at_once(LARGE_AT_ONCE, lambda key: store.download(key, PIECES / key.removeprefix(_prefix(stage))), keys)


def _prefix(stage: str) -> str:
    return f"pieces/{stage}/"
