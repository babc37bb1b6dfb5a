"""Training of the speaker encoder on crops of the train split, with any weighting of speakers.

Everything random in a step follows from the seed and the step, so a training resumed from any checkpoint takes the
same steps, bit for bit, as one that was never interrupted.

Tensor names: N speakers of a batch, M recordings of each, D embedding width.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from evenvoice.code import package_digest
from evenvoice.data.feature_store import FeatureStore
from evenvoice.errors import NonFiniteLoss
from evenvoice.losses.additive_margin import AdditiveMargin
from evenvoice.losses.angular_prototypical import AngularPrototypical
from evenvoice.params import UNWEIGHTED, Adversarial, DoubleRate, Featurize, Section, TrainSpeaker
from evenvoice.params import Focal as FocalSettings
from evenvoice.progress import Progress
from evenvoice.speakers.crops import Crops
from evenvoice.speakers.encoder import SpeakerEncoder, SpeakerEncoderConfig, padded
from evenvoice.speakers.game import Game
from evenvoice.speakers.weighting import Even, Focal, Weighting
from evenvoice.training.checkpoints import Checkpoint, Checkpoints, fingerprint
from evenvoice.training.optimiser import AdamW
from evenvoice.training.schedule import one_cycle
from evenvoice.training.weighing import effective_sample_size

WARMUP_SHARE: Final = 0.1
"""Of the steps, in which the learning rate rises."""
TRAINS: Final = ("data/feature_store.py", "losses", "speakers", "training")
"""Code that decides what a training's next step is."""
MODEL, OPTIMISER, WEIGHTING = "model/", "optimiser/", "weighting/"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimiser step; ``effective_share`` is that of the batch's speakers, None where all count alike."""

    step: int
    loss: float
    learning_rate: float
    effective_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a training leaves: the encoder, a row per step, and rows of the WEIGHING table."""

    encoder: SpeakerEncoder
    curve: list[Step]
    weighing: list[dict[str, Any]]
    speakers: int


def fit_encoder(store: FeatureStore, *, settings: TrainSpeaker, featurize: Featurize, seed: int, progress: Progress,
                weighting: str = UNWEIGHTED, weigh: Section | None = None, checkpoints: Path | None = None) -> Fitted:
    """Minimise the loss with AdamW and a one-cycle learning rate, or go on where a killed training stopped.

    Args:
        store: features of all recordings.
        settings: of the training.
        featurize: how the features were made.
        seed: of everything random.
        progress: told after every step.
        weighting: name of one of :data:`evenvoice.params.WEIGHTINGS`.
        weigh: its own settings.
        checkpoints: directory for them; None keeps none.

    Raises:
        CorpusError: fewer than two train speakers.
        NonFiniteLoss: the loss became NaN or infinite; the step and its recordings are named.
    """
    training = _Training(store, settings, featurize, seed, weighting, weigh)
    kept = None if checkpoints is None else Checkpoints(checkpoints, training.fingerprint())
    if kept is not None and (found := kept.load()) is not None:
        training.restore(found)
        progress.note(f"going on from step {found.step} of {settings.steps}")
    progress.total, progress.unit = settings.steps, "step"
    progress.advance(training.steps)
    saved_at = time.monotonic()
    while training.steps < settings.steps:
        progress.advance(loss=training.step())
        if kept is not None and time.monotonic() - saved_at >= settings.checkpoint_every_s:
            kept.save(training.checkpoint())
            saved_at = time.monotonic()
    return training.fitted()


class _Training:
    """Everything that changes from step to step."""

    def __init__(self, store: FeatureStore, settings: TrainSpeaker, featurize: Featurize, seed: int, weighting: str,
                 weigh: Section | None) -> None:
        self._settings, self._seed, self._named = settings, seed, weighting
        self._own = {} if weigh is None else weigh.model_dump()
        self._peak = settings.learning_rate * (weigh.factor if isinstance(weigh, DoubleRate) else 1.0)
        self._crops = Crops(store, settings=settings, featurize=featurize, seed=seed)
        self._heard = [featurize.model_dump(), store.ids[store.indices("train")].tolist(),
                       store.frames[store.indices("train")].tolist()]
        self._learner = _learner(store, settings, seed, self._crops.speakers)
        self._optimiser = AdamW(self._learner, settings.weight_decay)
        self._weighting = _weighting(weighting, weigh, settings, self._crops, seed)
        self._curve: list[Step] = []

    @property
    def steps(self) -> int:
        """Taken so far."""
        return len(self._curve)

    def step(self) -> float:
        """Draw a batch and update the weights; returns the loss."""
        batch, step = self._crops.draw(), self.steps
        embeddings_NMD = self._learner["encoder"](*padded(batch.features)).unflatten(0, batch.shape)
        losses_N = self._losses(embeddings_NMD, torch.tensor(batch.speakers))
        value = losses_N.detach().mean().item()
        if not torch.isfinite(losses_N).all():
            raise NonFiniteLoss(name=f"loss of step {step + 1} on recordings {', '.join(batch.ids[:4])} and others",
                                rule="be finite", value=value,
                                action="Look at these recordings, or lower train_speaker.learning_rate.")
        weights_N = self._weighting.weigh(embeddings_NMD.detach(), losses_N.detach(), step=step)
        share = None if weights_N is None else effective_sample_size(weights_N) / len(weights_N)
        self._optimiser.zero_grad()
        (losses_N if weights_N is None else weights_N * losses_N).mean().backward()  # type: ignore[no-untyped-call]
        rate = one_cycle(step, steps=self._settings.steps, peak=self._peak, warmup_share=WARMUP_SHARE)
        self._optimiser.step(rate)
        self._curve.append(Step(step=step + 1, loss=value, learning_rate=rate, effective_share=share))
        return value

    def fitted(self) -> Fitted:
        """The result."""
        encoder = self._learner["encoder"]
        assert isinstance(encoder, SpeakerEncoder)
        return Fitted(encoder=encoder.eval(), curve=self._curve, weighing=self._weighting.told(),
                      speakers=self._crops.speakers)

    def fingerprint(self) -> str:
        """All that decides the result, code included; the audio counts through the corpus statistics in the weights."""
        settings = {name: value for name, value in self._settings.model_dump().items() if name != "checkpoint_every_s"}
        weights = [tensor.numpy().tobytes() for tensor in self._learner.state_dict().values()]
        return fingerprint(package_digest(*TRAINS), settings, self._seed, self._named, self._own, *self._heard,
                           *weights)

    def checkpoint(self) -> Checkpoint:
        """Everything that later steps depend on."""
        parts = ((MODEL, self._learner.state_dict()), (OPTIMISER, self._optimiser.state_tensors()),
                 (WEIGHTING, self._weighting.state_tensors()))
        tensors = {prefix + name: tensor.detach().clone().contiguous()
                   for prefix, state in parts for name, tensor in state.items()}
        return Checkpoint(self.steps, tensors, {"curve": [asdict(step) for step in self._curve]})

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self._learner.load_state_dict(_below(MODEL, found.tensors))
        self._optimiser.load_state_tensors(_below(OPTIMISER, found.tensors))
        self._weighting.load_state_tensors(_below(WEIGHTING, found.tensors))
        self._curve = [Step(**step) for step in found.record["curve"]]
        self._crops.skip(self.steps)

    def _losses(self, embeddings_NMD: Tensor, speakers_N: Tensor) -> Tensor:
        criterion = self._learner["criterion"]
        losses_N: Tensor = (criterion(embeddings_NMD, speakers_N) if isinstance(criterion, AdditiveMargin)
                            else criterion(embeddings_NMD))
        return losses_N


def _learner(store: FeatureStore, settings: TrainSpeaker, seed: int, speakers: int) -> nn.ModuleDict:
    config = SpeakerEncoderConfig(encoder=settings.encoder, n_mels=len(store.mean), width=settings.width,
                                  embedding=settings.embedding)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = SpeakerEncoder(config, store.mean, store.std)
        criterion = (AdditiveMargin(speakers, settings.embedding) if settings.loss == "margin"
                     else AngularPrototypical())
    return nn.ModuleDict({"encoder": encoder, "criterion": criterion}).train()


def _weighting(name: str, weigh: Section | None, settings: TrainSpeaker, crops: Crops, seed: int) -> Weighting:
    if isinstance(weigh, Adversarial):
        return Game(weigh, form=name, embedding=settings.embedding, batches_per_epoch=crops.batches_per_epoch,
                    steps=settings.steps, seed=seed)
    return Focal(weigh.gamma) if isinstance(weigh, FocalSettings) else Even()


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
