"""From recordings in the feature store to augmented batches on the device."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.models.padding import pad_features
from evenvoice.models.recogniser import Recogniser
from evenvoice.training.augment import mask
from evenvoice.training.objective import Batch, Targets
from evenvoice.training.settings import SpecAugment
from evenvoice.training.told import ToldCohorts
from evenvoice.training.variants import Altered, Variants


class Strings(Protocol):
    """A column of strings: all of them in memory, or each read when it is asked for."""

    def __getitem__(self, rows: Any, /) -> Any:
        """One string, or those of an array of rows."""
        ...


class Speech(Protocol):
    """Recordings as a training reads them: of one speaker each (FeatureStore), or mixtures."""

    durations_s: NDArray[np.float32]

    @property
    def frames(self) -> NDArray[np.integer[Any]]:
        """(recordings,) feature frames."""
        ...

    @property
    def ids(self) -> Strings:
        """(recordings,) strings."""
        ...

    @property
    def texts(self) -> Strings:
        """(recordings,) transcripts, or what else there is to be learned."""
        ...

    def __len__(self) -> int:
        """Recordings."""
        ...

    def features(self, i: int) -> NDArray[np.float16]:
        """(frames, n_mels) of recording ``i``."""
        ...


class MakeTargets(Protocol):
    """Makes what is to be learned of recordings."""

    def __call__(self, indices: NDArray[np.int64], frames: int) -> Targets:
        """Targets of these recordings, whose longest has so many encoder frames."""
        ...


class Feed:
    """Makes the batch of given recordings.

    Args:
        recogniser: its tokenizer and corpus statistics are used.
        store: features and transcripts.
        augment: masks to lay over the features; None leaves them clean.
        device: where the batch is needed.
        variants: recordings that are altered before that.
        told: cohorts that the model is told; None tells it nothing.
        targets: what is to be learned; None makes labels of the transcripts.
    """

    def __init__(self, recogniser: Recogniser, store: Speech, augment: SpecAugment | None, device: torch.device,
                 variants: Variants | None = None, told: ToldCohorts | None = None,
                 targets: MakeTargets | None = None) -> None:
        self._tokenizer = recogniser.tokenizer
        self._store = store
        self._augment = augment
        self._device = device
        self._altered = Altered(variants, recogniser.featurize) if variants is not None else None
        self._told = told
        self._targets = targets or self._transcripts
        self._hop_s = recogniser.featurize.hop_ms / 1000
        self._least_frames = recogniser.transducer.encoder.subsampling
        self._fill_M = recogniser.transducer.mean_M.cpu().numpy()

    def batch(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """Read, pad and augment recordings, and encode their transcripts."""
        padded = pad_features([self._heard(int(i), rng) for i in indices], fill_M=self._fill_M,
                              least_frames=self._least_frames)
        if self._augment is not None:
            mask(padded.features_BTM.numpy(), frames=padded.frame_lengths_B.numpy(), fill_M=self._fill_M,
                 hop_s=self._hop_s, settings=self._augment, rng=rng)
        found = self._targets(indices, padded.features_BTM.shape[1] // self._least_frames)
        # drawn after the masks, which so are the same with and without cohorts
        cohorts_B = None if self._told is None else self._told.drawn(indices, rng).to(self._device)
        return Batch(ids=tuple(self._store.ids[indices]), features_BTM=padded.features_BTM.to(self._device),
                     frame_lengths_B=padded.frame_lengths_B.to(self._device),
                     labels_BU=found.labels_BU.to(self._device),
                     label_lengths_B=found.label_lengths_B.to(self._device), cohorts_B=cohorts_B,
                     due_BU=None if found.due_BU is None else found.due_BU.to(self._device),
                     active_BT=None if found.active_BT is None else found.active_BT.to(self._device))

    def _transcripts(self, indices: NDArray[np.int64], _frames: int) -> Targets:
        labels = [self._tokenizer.encode(self._store.texts[i]) for i in indices]
        lengths = [len(one) for one in labels]
        labels_BU = np.zeros((len(labels), max(lengths)), np.int64)
        for row, one in enumerate(labels):
            labels_BU[row, :len(one)] = one
        return Targets(torch.from_numpy(labels_BU), torch.tensor(lengths))

    def _heard(self, index: int, rng: np.random.Generator) -> NDArray[np.floating]:
        features_TM = self._store.features(index)
        return features_TM if self._altered is None else self._altered(index, features_TM, rng)
