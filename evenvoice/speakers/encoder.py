"""The speaker encoder: log-mel frames of a recording in, one unit vector out that tells voices apart.

Shapes: B recordings, T frames, M mel bands, C channels, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
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
from evenvoice.storage import read_json, write_json

KERNELS_AND_STRIDES: Final = ((5, 3), (3, 2), (3, 1))
"""Striding first keeps the later layers cheap: one frame per 60 ms at a hop of 10 ms."""
MIN_VARIANCE: Final = 1e-5


@dataclass(frozen=True, kw_only=True)
class SpeakerEncoderConfig:
    """Shape of a speaker encoder; stored beside its weights."""

    n_mels: int
    width: int
    embedding: int


class SpeakerEncoder(nn.Module):
    """Convolutions along time, mean and standard deviation over the recording's own frames, one linear layer.

    Padding is set to zero after every layer, so an embedding does not depend on what a recording is batched with.
    """

    def __init__(self, config: SpeakerEncoderConfig, mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        """``mean`` and ``std`` (M,) normalise the log-mel bands; they are stored with the weights."""
        super().__init__()
        self.config = config
        channels = [config.n_mels] + [config.width] * len(KERNELS_AND_STRIDES)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride=stride, padding=kernel // 2)
            for (before, after), (kernel, stride) in zip(pairwise(channels), KERNELS_AND_STRIDES, strict=True))
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in KERNELS_AND_STRIDES)
        self.projection = nn.Linear(2 * config.width, config.embedding)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.as_tensor(np.asarray(mean, dtype=np.float32)).clone())
        self.register_buffer("std", torch.as_tensor(np.asarray(std, dtype=np.float32)).clone())

    def forward(self, features_BTM: Tensor, lengths_B: Tensor) -> Tensor:
        """Embeddings (B, D) of unit length; ``lengths_B`` counts the frames that are not padding, at least 1."""
        frames_BTC = _zero_padding((features_BTM - self.mean) / self.std, lengths_B)
        for convolution, norm, (_, stride) in zip(self.convolutions, self.norms, KERNELS_AND_STRIDES, strict=True):
            frames_BTC = norm(convolution(frames_BTC.transpose(1, 2)).transpose(1, 2))
            lengths_B = torch.div(lengths_B + stride - 1, stride, rounding_mode="floor")
            frames_BTC = _zero_padding(functional.relu(frames_BTC), lengths_B)
        return functional.normalize(self.projection(_statistics(frames_BTC, lengths_B)), dim=-1)

    def save(self, directory: Path) -> None:
        """Write model.safetensors and config.json."""
        save_file(self.state_dict(), directory / "model.safetensors")
        write_json(directory / "config.json", asdict(self.config))

    @classmethod
    def load(cls, directory: Path) -> SpeakerEncoder:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: a file is missing, truncated or of another model.
        """
        try:
            config = SpeakerEncoderConfig(**read_json(directory / "config.json"))
            unset = np.zeros(config.n_mels, dtype=np.float32)
            encoder = cls(config, unset, unset)
            encoder.load_state_dict(load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, RuntimeError, TypeError) as error:
            raise ArtifactError(name=str(directory), rule="hold a speaker encoder", value=str(error).splitlines()[0],
                                action="Run the stage train_speaker again.") from error
        return encoder.eval()


def padded(recordings: Sequence[NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    """Log-mel recordings of (frames, M) as one batch: features_BTM float32 and lengths_B."""
    lengths = [len(recording) for recording in recordings]
    features_BTM = torch.zeros(len(recordings), max(lengths), recordings[0].shape[1])
    for row, recording in enumerate(recordings):
        features_BTM[row, :len(recording)] = torch.from_numpy(recording.astype(np.float32))
    return features_BTM, torch.tensor(lengths)


def _zero_padding(frames_BTC: Tensor, lengths_B: Tensor) -> Tensor:
    inside_BT = torch.arange(frames_BTC.shape[1], device=frames_BTC.device) < lengths_B[:, None]
    return frames_BTC * inside_BT[:, :, None]


def _statistics(frames_BTC: Tensor, lengths_B: Tensor) -> Tensor:
    """Mean and standard deviation (B, 2C) over frames that are not padding, whose values must be zero."""
    counts_B1 = lengths_B[:, None].to(frames_BTC.dtype)
    mean_BC = frames_BTC.sum(dim=1) / counts_B1
    variance_BC = (frames_BTC.square().sum(dim=1) / counts_B1 - mean_BC.square()).clamp_min(MIN_VARIANCE)
    return torch.cat([mean_BC, variance_BC.sqrt()], dim=1)
