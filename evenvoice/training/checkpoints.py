"""Checkpoints that are whole or absent: what kill -9, a full disk or a flipped byte leaves can be resumed from.

    <directory>/<fingerprint>/generation-00000120/state.safetensors   weights and optimiser
                                                 /record.json         everything else
                                                 /complete.json       hashes of both, written last

Two generations are kept. A generation without its marker, or whose files do not have the marker's hashes, is passed
over for the one before. The fingerprint holds all that the result depends on, so changed settings or data never
resume an old training. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from evenvoice.errors import ArtifactError, TrainingError
from evenvoice.storage import read_json, sha256, write_bytes, write_json

STATE = "state.safetensors"
RECORD = "record.json"
MARKER = "complete.json"
GENERATIONS = 2


def fingerprint(*parts: Any) -> str:
    """A short hash of JSON-like values and arrays that decide a training's result."""
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Checkpoint:
    """One generation."""

    step: int
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]

    def packed(self) -> tuple[bytes, bytes]:
        """Tensors as safetensors and the rest as JSON."""
        record = json.dumps({"step": self.step, **self.record}, indent=2, sort_keys=True, allow_nan=False)
        return safetensors.torch.save(dict(self.tensors)), record.encode()

    @classmethod
    def unpacked(cls, state: bytes, record: bytes) -> Checkpoint:
        """What :meth:`packed` made."""
        content = json.loads(record)
        return cls(content.pop("step"), safetensors.torch.load(state), content)


class Checkpoints:
    """The generations of one training.

    Args:
        directory: where this training and earlier versions of it keep theirs.
        identity: fingerprint of this training.
    """

    def __init__(self, directory: Path, identity: str) -> None:
        self._root = directory
        self._directory = directory / identity

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a generation, then drop all but the latest two, and those of other fingerprints.

        Raises:
            TrainingError: it cannot be written. The generation before is untouched.
        """
        path = self._directory / f"generation-{checkpoint.step:08d}"
        try:
            shutil.rmtree(path, ignore_errors=True)  # a damaged one that was passed over
            for name, content in zip((STATE, RECORD), checkpoint.packed(), strict=True):
                write_bytes(path / name, content)
            write_json(path / MARKER, {name: sha256(path / name) for name in (STATE, RECORD)})
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise TrainingError(name=f"the checkpoint of step {checkpoint.step} in {self._root}",
                                rule="be written to disk", value=error.strerror or str(error),
                                action="Make room and run again: training resumes from the one before.") from error
        self._drop_old()

    def load(self) -> Checkpoint | None:
        """Return the latest undamaged generation, or None where nothing was saved.

        Raises:
            ArtifactError: there are finished generations, and all of them are damaged.
        """
        damaged = None
        for path in reversed(self._finished()):
            problem = _damage(path)
            if problem is None:
                return Checkpoint.unpacked((path / STATE).read_bytes(), (path / RECORD).read_bytes())
            damaged = damaged or problem
        if damaged is not None:
            raise ArtifactError(name=damaged, rule="be as it was written", value="other content",
                                action=f"Delete {self._directory} to train from the beginning.")
        return None

    def _finished(self) -> list[Path]:
        return sorted(path.parent for path in self._directory.glob(f"generation-*/{MARKER}"))

    def _drop_old(self) -> None:
        keep = self._finished()[-GENERATIONS:]
        for path in self._directory.iterdir():
            if path not in keep:
                shutil.rmtree(path, ignore_errors=True)
        for other in self._root.iterdir():
            if other != self._directory and other.is_dir():
                shutil.rmtree(other, ignore_errors=True)


def _damage(path: Path) -> str | None:
    """Name the file of a generation that is not what its marker says."""
    try:
        hashes = read_json(path / MARKER)
        names = [path / name for name in (STATE, RECORD) if sha256(path / name) != hashes.get(name)]
    except (ArtifactError, OSError, AttributeError):
        return str(path / MARKER)
    return str(names[0]) if names else None


def discard(directory: Path) -> None:
    """Delete all checkpoints under ``directory``: the trained model is safely elsewhere."""
    shutil.rmtree(directory, ignore_errors=True)
