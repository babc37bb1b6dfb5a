"""The speaker encoder: log-mel frames of a recording in, one unit vector out that tells voices apart.

Shapes: B recordings, T frames, M mel bands, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.errors import ArtifactError
from evenvoice.speakers.conv import ConvTrunk
from evenvoice.speakers.ecapa import EcapaTrunk
from evenvoice.speakers.pooling import inside
from evenvoice.storage import read_json, sha256, write_json

WEIGHTS, WEIGHTS_HASH = "model.safetensors", "weights_sha256"
TRUNKS: Final[dict[str, type[ConvTrunk] | type[EcapaTrunk]]] = {"conv": ConvTrunk, "ecapa": EcapaTrunk}


@dataclass(frozen=True, kw_only=True)
class SpeakerEncoderConfig:
    """Shape of a speaker encoder; stored beside its weights."""

    encoder: str
    n_mels: int
    width: int
    embedding: int


class SpeakerEncoder(nn.Module):
    """A trunk over normalised log-mel bands, one linear layer, unit length.

    An embedding does not depend on what a recording is batched with.
    """

    def __init__(self, config: SpeakerEncoderConfig, mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        """``mean`` and ``std`` (M,) normalise the log-mel bands; they are stored with the weights."""
        super().__init__()
        self.config = config
        trunk = TRUNKS[config.encoder](config.n_mels, config.width)
        self.trunk = trunk
        self.projection = nn.Linear(trunk.outputs, config.embedding)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.as_tensor(np.asarray(mean, dtype=np.float32)).clone())
        self.register_buffer("std", torch.as_tensor(np.asarray(std, dtype=np.float32)).clone())

    def forward(self, features_BTM: Tensor, lengths_B: Tensor) -> Tensor:
        """Embeddings (B, D) of unit length; ``lengths_B`` counts the frames that are not padding, at least 1."""
        frames_BMT = ((features_BTM - self.mean) / self.std).transpose(1, 2)
        frames_BMT = frames_BMT * inside(lengths_B, frames_BMT.shape[2])
        return functional.normalize(self.projection(self.trunk(frames_BMT, lengths_B)), dim=-1)

    def save(self, directory: Path) -> None:
        """Write model.safetensors, and config.json with its hash, so that the latter alone tells models apart."""
        save_file(self.state_dict(), directory / WEIGHTS)
        write_json(directory / "config.json", {**asdict(self.config), WEIGHTS_HASH: sha256(directory / WEIGHTS)})

    @classmethod
    def load(cls, directory: Path) -> SpeakerEncoder:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: a file is missing, truncated or of another model.
        """
        try:
            content = read_json(directory / "config.json")
            expected = content.pop(WEIGHTS_HASH)
            config = SpeakerEncoderConfig(**content)
            unset = np.zeros(config.n_mels, dtype=np.float32)
            encoder = cls(config, unset, unset)
            encoder.load_state_dict(load_file(directory / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError, TypeError, KeyError) as error:
            raise ArtifactError(name=str(directory), rule="hold a speaker encoder", value=str(error).splitlines()[0],
                                action="Run the stage train_speaker again.") from error
        if (found := sha256(directory / WEIGHTS)) != expected:
            raise ArtifactError(name=str(directory / WEIGHTS), rule=f"have SHA-256 {expected}", value=found,
                                action="Run the stage train_speaker again.")
        return encoder.eval()


def padded(recordings: Sequence[NDArray[np.float16]], frames: int = 0) -> tuple[Tensor, Tensor]:
    """Log-mel recordings of (frames, M) as one batch of at least ``frames``: features_BTM float32 and lengths_B."""
    lengths = [len(recording) for recording in recordings]
    features_BTM = torch.zeros(len(recordings), max(*lengths, frames), recordings[0].shape[1])
    for row, recording in enumerate(recordings):
        features_BTM[row, :len(recording)] = torch.from_numpy(recording.astype(np.float32))
    return features_BTM, torch.tensor(lengths)
