"""What the timing stage wrote, for whoever judges by it or shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError
from evenvoice.origins import model_digest
from evenvoice.params import AMORTIZED, DENSE
from evenvoice.storage import read_json

Row = Mapping[str, Any]
WAYS: Final[Mapping[str, str]] = {"stream": "a stream", "batches": "batches"}
"""Ways to use a recogniser that are timed, and what they are called."""


def read_timing(path: Path, models: Path) -> dict[str, Row]:
    """What the timing stage measured of these very models.

    Raises:
        ArtifactError: missing, or about other models.
    """
    content = read_json(path)
    wanted = {name: model_digest(models / name) for name in (DENSE, AMORTIZED)}
    if content.get("models") != wanted or not all(way in content for way in WAYS):
        raise ArtifactError(name=str(path), rule=f"be about the models in {models}", value="others",
                            action="Run timing again: make run FORCE_STAGE=timing.")
    return {way: content[way] for way in WAYS}
