"""Which recogniser a command uses."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evenvoice.errors import ArtifactError

DEFAULT_MODEL: Final = Path("reports/model")
"""Where `make run` leaves the recogniser that it judged last."""


def model_directory(given: Path | None) -> Path:
    """Return the directory that was named, or the default one.

    Raises:
        ArtifactError: there is no such directory.
    """
    path = given or DEFAULT_MODEL
    if not path.is_dir():
        raise ArtifactError(name=str(path), rule="be the directory of a trained recogniser",
                            value="a file" if path.exists() else "no such directory",
                            action="Correct the path." if given else "Train one with `make run`, or name it (--model).")
    return path
