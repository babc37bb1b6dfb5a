"""Which model a command uses."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evenvoice.errors import ArtifactError

DEFAULT_MODEL: Final = Path("reports/model")
"""Where `make run` leaves the recogniser that it judged last."""


def model_directory(given: Path | None, *, default: Path = DEFAULT_MODEL, what: str = "a trained recogniser",
                    made_by: str = "make run") -> Path:
    """Return the directory that was named, or the default one.

    Args:
        given: on the command line.
        default: where ``made_by`` leaves the model that it judged last.
        what: it is, for messages.
        made_by: command of a run that makes one.

    Raises:
        ArtifactError: there is no such directory.
    """
    path = given or default
    if not path.is_dir():
        raise ArtifactError(name=str(path), rule=f"be the directory of {what}",
                            value="a file" if path.exists() else "no such directory",
                            action="Correct the path." if given else f"Train one with `{made_by}`, or name it "
                                   "(--model).")
    return path
