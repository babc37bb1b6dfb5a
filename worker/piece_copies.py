"""Pieces of a stage that was split into shards: each shard's pod sends what it computed, the stage's pod fetches all.

Nothing here is trusted: the stage passes over a piece whose hashes are wrong, and computes what is missing itself
(evenvoice/data/pieces.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evenvoice.object_store import ObjectStore

PIECES: Final = Path("pieces")


def send_pieces(store: ObjectStore, stage: str) -> list[str]:
    """Upload all pieces in this workspace; returns their names."""
    files = sorted(path for path in PIECES.rglob("*") if path.is_file())
    for path in files:
        store.upload(path, f"{_prefix(stage)}{path.relative_to(PIECES).as_posix()}")
    return [path.relative_to(PIECES).as_posix() for path in files]


def fetch_pieces(store: ObjectStore, stage: str) -> None:
    """Bring every piece that shards of ``stage`` sent."""
    for found in store.list(_prefix(stage)):
        path = PIECES / found.key.removeprefix(_prefix(stage))
        path.parent.mkdir(parents=True, exist_ok=True)
        store.download(found.key, path)


def _prefix(stage: str) -> str:
    return f"pieces/{stage}/"
