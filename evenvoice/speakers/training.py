"""Training of the speaker encoder on crops of the train split, and its figures on validate speakers.

Shapes: N speakers of a batch, M recordings of each, D embedding width.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import CURVE
from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import CorpusError, NonFiniteLoss
from evenvoice.losses.angular_prototypical import AngularPrototypical
from evenvoice.params import TrainSpeaker
from evenvoice.progress import Progress
from evenvoice.speakers.embedding import embed_recordings
from evenvoice.speakers.encoder import SpeakerEncoder, SpeakerEncoderConfig, padded
from evenvoice.speakers.verification import verify
from evenvoice.storage import fresh_directory, write_json

_STREAM: Final = 0x5BEA
"""Sets this stage's random numbers apart from those of others with the same seed."""
WARMUP_SHARE: Final = 0.1
VALIDATE_BATCH_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimiser step."""

    step: int
    loss: float
    learning_rate: float


def train_speaker(*, features: Path, out: Path, settings: TrainSpeaker, hop_ms: float, seed: int,
                  progress: Progress) -> None:
    """Train on the train split and write model, curve and summary to ``out``.

    Raises:
        ArtifactError: the features are missing or broken.
        CorpusError: fewer than two train speakers.
        NonFiniteLoss: the loss became NaN or infinite.
    """
    store = FeatureStore.open(features)
    encoder, curve = fit_encoder(store, settings=settings, hop_ms=hop_ms, seed=seed, progress=progress)
    with fresh_directory(out) as draft:
        encoder.save(draft)
        write_table(draft / "curve.parquet", rows_table([asdict(step) for step in curve], CURVE))
        write_json(draft / "summary.json", _summary(encoder, store, len(curve)))


def fit_encoder(store: FeatureStore, *, settings: TrainSpeaker, hop_ms: float, seed: int,
                progress: Progress) -> tuple[SpeakerEncoder, list[Step]]:
    """Minimise the angular prototypical loss with AdamW and a one-cycle learning rate.

    Raises:
        CorpusError: fewer than two train speakers.
        NonFiniteLoss: the loss became NaN or infinite; the step and its recordings are named.
    """
    crops = Crops(store, settings=settings, frames=max(1, round(settings.crop_s * 1000 / hop_ms)), seed=seed)
    encoder, loss = _build(store, settings, seed)
    groups: list[dict[str, Any]] = [{"params": encoder.parameters()},
                                    {"params": loss.parameters(), "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.steps + 1,
                                                   pct_start=WARMUP_SHARE)
    progress.total = settings.steps
    curve = []
    for step in range(1, settings.steps + 1):
        recordings = crops.draw()
        embeddings_NMD = encoder(*padded(recordings.features)).unflatten(0, recordings.shape)
        value = loss(embeddings_NMD).mean()
        if not torch.isfinite(value):
            raise NonFiniteLoss(name=f"loss of step {step} on recordings {', '.join(recordings.ids[:4])} and others",
                                rule="be finite", value=value.item(),
                                action="Look at these recordings, or lower train_speaker.learning_rate.")
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        curve.append(Step(step=step, loss=value.item(), learning_rate=float(schedule.get_last_lr()[0])))
        schedule.step()
        progress.advance(loss=value.item())
    return encoder.eval(), curve


@dataclass(frozen=True, kw_only=True)
class CropBatch:
    """Crops of N speakers times M recordings, speaker by speaker; ``shape`` is (N, M)."""

    ids: list[str]
    features: list[NDArray[np.float16]]
    shape: tuple[int, int]


class Crops:
    """Draws batches of crops: every train speaker comes up once before anyone comes up again."""

    def __init__(self, store: FeatureStore, *, settings: TrainSpeaker, frames: int, seed: int) -> None:
        self._store = store
        self._frames = frames
        self._rng = np.random.default_rng([seed, _STREAM])
        indices = store.indices("train")
        names = store.speakers[indices].tolist()
        self._recordings = [indices[[name == speaker for name in names]] for speaker in dict.fromkeys(names)]
        if len(self._recordings) < 2:
            raise CorpusError(name="the train split", rule="hold at least 2 speakers", value=len(self._recordings),
                              action="Bring more speakers, or give ingest.split.train a larger share.")
        self._speakers_per_batch = min(settings.speakers_per_batch, len(self._recordings))
        self._recordings_per_speaker = settings.recordings_per_speaker
        self._order = self._shuffled()

    def draw(self) -> CropBatch:
        """The next batch; with fewer speakers than asked for, all of them."""
        speakers = itertools.islice(self._order, self._speakers_per_batch)
        chosen = [int(index) for speaker in speakers for index in self._recordings_of(speaker)]
        return CropBatch(ids=[str(self._store.ids[index]) for index in chosen],
                         features=[self._crop(self._store.features(index)) for index in chosen],
                         shape=(self._speakers_per_batch, self._recordings_per_speaker))

    def _shuffled(self) -> Iterator[int]:
        while True:
            # what does not fill a batch waits for the next round, so that no speaker meets itself in a batch
            whole = len(self._recordings) // self._speakers_per_batch * self._speakers_per_batch
            yield from self._rng.permutation(len(self._recordings))[:whole].tolist()

    def _recordings_of(self, speaker: int) -> NDArray[np.int64]:
        """Different recordings where there are enough, else different crops of the same."""
        own = self._recordings[speaker]
        return self._rng.choice(own, self._recordings_per_speaker, replace=len(own) < self._recordings_per_speaker)

    def _crop(self, features: NDArray[np.float16]) -> NDArray[np.float16]:
        """A random stretch; a recording that is too short is repeated until it is long enough."""
        missing = self._frames - len(features)
        if missing >= 0:
            return np.resize(features, (self._frames, features.shape[1]))
        start = int(self._rng.integers(-missing + 1))
        return features[start:start + self._frames]


def _build(store: FeatureStore, settings: TrainSpeaker, seed: int) -> tuple[SpeakerEncoder, AngularPrototypical]:
    config = SpeakerEncoderConfig(n_mels=len(store.mean), width=settings.width, embedding=settings.embedding)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SpeakerEncoder(config, store.mean, store.std), AngularPrototypical()


def _summary(encoder: SpeakerEncoder, store: FeatureStore, steps: int) -> dict[str, Any]:
    validate = store.indices("validate")
    figures = verify(embed_recordings(encoder, store, validate, VALIDATE_BATCH_S), store.speakers[validate])
    return {"parameters": sum(parameter.numel() for parameter in encoder.parameters()), "steps": steps,
            "train_speakers": len(set(store.speakers[store.indices("train")])),
            "eer_validate": figures.eer, "min_dcf_validate": figures.min_dcf,
            "trials_validate": {"same_speaker": figures.same_speaker_trials,
                                "different_speaker": figures.different_speaker_trials},
            "verification_note": figures.reason}
