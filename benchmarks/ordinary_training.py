"""Training as most recipes have it: shuffled batches of equal count, padded to the longest, over the full lattice.

Tensor names: B utterance, U label.

The model is the same; the loop, the batches, the loss and the optimiser are PyTorch's plain parts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.transducer_loss_peers import Batch as Scored
from benchmarks.transducer_loss_peers import plain
from evenvoice.data.feature_store import FeatureStore
from evenvoice.models.recogniser import Recogniser
from evenvoice.training.feed import Feed
from evenvoice.training.objective import Batch
from evenvoice.training.settings import FitSettings


@dataclass(frozen=True)
class Measured:
    """What a stretch of training took."""

    audio_s_per_s: float
    data_wait_share: float
    padding_share: float


class OrdinaryTraining:
    """A training under way; :meth:`run` goes on with it."""

    def __init__(self, recogniser: Recogniser, store: FeatureStore, settings: FitSettings,
                 device: torch.device) -> None:
        self._transducer = recogniser.transducer.to(device).train()
        self._optimiser = torch.optim.AdamW(self._transducer.parameters(), settings.learning_rate,
                                            weight_decay=settings.weight_decay)
        self._feed = Feed(recogniser, store, settings.augment, device)
        self._store, self._settings, self._device = store, settings, device
        self._count = max(1, round(settings.batch_s / float(store.durations_s.mean())))
        self._rng = np.random.default_rng(1)

    def run(self, steps: int) -> Measured:
        """Take so many steps."""
        waited = audio_frames = padded_frames = 0.0
        began = time.monotonic()
        for _ in range(steps):
            asked = time.monotonic()
            drawn = self._rng.choice(len(self._store), self._count, replace=False)
            batch = self._feed.batch(drawn, self._rng)
            waited += time.monotonic() - asked
            self._step(batch)
            audio_frames += float(batch.frame_lengths_B.sum())
            padded_frames += batch.features_BTM.shape[0] * batch.features_BTM.shape[1]
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.monotonic() - began
        return Measured(audio_frames / 100 / seconds, waited / seconds, 1 - audio_frames / padded_frames)

    def _step(self, batch: Batch) -> None:
        self._optimiser.zero_grad()
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._device.type == "cuda"):
            loss = self._losses(batch).sum() / batch.labels
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._transducer.parameters(), self._settings.gradient_clip)
        self._optimiser.step()

    def _losses(self, batch: Batch) -> Tensor:
        scores = self._transducer(batch.features_BTM, batch.frame_lengths_B, batch.labels_BU)
        output = self._transducer.joiner.output
        losses_B = plain(Scored(scores.frame_BTJ, scores.label_BUJ, output.weight, output.bias, batch.labels_BU,
                                scores.frame_lengths_B, batch.label_lengths_B))
        log_probs_TBV = scores.ctc_logits_BTV.float().log_softmax(-1).transpose(0, 1)
        return losses_B + self._settings.ctc_weight * functional.ctc_loss(
            log_probs_TBV, batch.labels_BU, scores.frame_lengths_B, batch.label_lengths_B, reduction="none",
            zero_infinity=True)
