"""Hashes of the files a registered model is loaded from, so that an altered weight is refused by name.

The digest of the manifest itself identifies the inputs of a registered version: the same model judged by the same
figures is the same version, the same model judged anew is another.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Final

from evenvoice.errors import ArtifactError
from evenvoice.origins import PLACED, SUMMARY
from evenvoice.storage import read_json, sha256, write_json

MANIFEST: Final = "manifest.json"
NOT_SERVED: Final = frozenset({"curve.parquet", SUMMARY, PLACED})
"""What training leaves beside a model and loading never reads; the last names speakers."""
PLAIN_SUFFIXES: Final = frozenset({".safetensors", ".json", ".model"})
"""Weights, settings and sentencepiece units: none of them can run code when read."""


def collect(model: Path, verdict: Path, into: Path) -> str:
    """Copy the files of ``model`` that serving needs, with their manifest; return the digest of the inputs.

    Raises:
        ArtifactError: the model has no weights, or a file that is not plain data.
    """
    files = {path.name: sha256(path) for path in sorted(model.glob("*")) if path.name not in NOT_SERVED}
    for name in files:
        if (model / name).suffix not in PLAIN_SUFFIXES:
            raise ArtifactError(name=str(model / name), rule=f"be one of {', '.join(sorted(PLAIN_SUFFIXES))}",
                                value=(model / name).suffix or "no suffix",
                                action="Models are saved as safetensors and JSON: train it again.")
    if "model.safetensors" not in files:
        raise ArtifactError(name=str(model), rule="hold model.safetensors", value=", ".join(files) or "nothing",
                            action="Run the stage that trains it again.")
    into.mkdir(parents=True)
    for name in files:
        shutil.copyfile(model / name, into / name)
    write_json(into / MANIFEST, {"files": files, "verdict": sha256(verdict)})
    return inputs_digest(into)


def inputs_digest(directory: Path) -> str:
    """Hex digest of the manifest in ``directory``."""
    return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()


def verify(directory: Path) -> None:
    """Check every file of a served model against its manifest.

    Raises:
        ArtifactError: a file is missing, altered or not listed; it is named.
    """
    listed = read_json(directory / MANIFEST)["files"]
    present = {path.name for path in directory.iterdir()} - {MANIFEST}
    for name in sorted(present | set(listed)):
        expected = listed.get(name, "not listed")
        found = sha256(directory / name) if name in present else "no such file"
        if found != expected:
            raise ArtifactError(name=str(directory / name), rule=f"have SHA-256 {expected}", value=found,
                                action="The registered model was altered: do not use it, register it again from "
                                       "the run that trained it.")
