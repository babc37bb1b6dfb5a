"""The training loop: batches in, weights changed in place, a curve out.

It knows no mitigation. Whoever has one says which recordings to draw, how often, how much each
counts, and what to add to the loss.

Everything random in a step follows from (seed, step, process) and the learning rate from the step, so a training
resumed from any checkpoint takes the same steps, bit for bit, as one that was never interrupted.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenvoice.code import package_digest
from evenvoice.data.batches import BatchPlan, BatchStream
from evenvoice.errors import TrainingError
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import AUTO
from evenvoice.progress import Progress
from evenvoice.training import nonfinite
from evenvoice.training.ahead import Ahead
from evenvoice.training.amortising import Amortising
from evenvoice.training.batch_size import chosen_batch_s
from evenvoice.training.checkpoints import Checkpoint, Checkpoints, fingerprint
from evenvoice.training.compiled import quickened
from evenvoice.training.curve import Curve, Pace, Point
from evenvoice.training.distributed import World, current_world
from evenvoice.training.feed import Feed, MakeTargets, Speech, Strings
from evenvoice.training.muon import Muon
from evenvoice.training.objective import Batch, Objective
from evenvoice.training.optimiser import AdamW
from evenvoice.training.schedule import one_cycle, step_seed
from evenvoice.training.settings import FitSettings
from evenvoice.training.told import COHORT_VECTORS, ToldCohorts
from evenvoice.training.variants import Variants
from evenvoice.training.weighing import Weigher, effective_sample_size

Penalty = Callable[[nn.Module], Tensor]

ORDER, DROPOUT, MASKS = 1, 2, 3
"""Purposes of random seeds."""
LISTENING_SHARE = 0.5
"""Of the steps, in which the beginning of an utterance writes nothing, where that is asked for [design]."""
HASHED_AT_ONCE = 65536
"""Strings, so that no more of them are in memory."""
TRAINS = ("data/batches.py", "data/feature_store.py", "data/shares.py", "losses", "mitigation", "models",
          "multitalker/labels.py", "multitalker/targets.py", "multitalker/turns.py", "training")
"""Code that decides what a training's next step is."""


def fit(*, recogniser: Recogniser, store: Speech, indices: NDArray[np.int64], settings: FitSettings, seed: int,
        progress: Progress, checkpoint_dir: Path | None, draw_weights: NDArray[np.float64] | None = None,
        groups: NDArray[np.int64] | None = None, variants: Variants | None = None,
        frozen: Collection[str] = (), penalty: Penalty | None = None, weigher: Weigher | None = None,
        identity: str = "", told: ToldCohorts | None = None, amortising: Amortising | None = None,
        targets: MakeTargets | None = None, share_of: str = "") -> Curve:
    """Train a recogniser in place, on a GPU where there is one, and with all processes that torchrun started.

    Args:
        recogniser: changed in place; comes back on the processor, in evaluation mode.
        store: features and transcripts.
        indices: recordings to train on.
        settings: how.
        seed: of order, masks and dropout.
        progress: counts the steps.
        checkpoint_dir: where to checkpoint and to resume from; None does neither. Delete it (``checkpoints.discard``)
            once the trained model is saved.
        draw_weights: expected draws of each of ``indices`` per epoch; None draws each once.
        groups: group of each of ``indices``; every batch holds them in the proportion in which they are drawn.
        variants: recordings that are altered whenever they are drawn.
        frozen: parameters of ``recogniser.transducer`` that stay as they are, weight decay included.
        penalty: added to the loss of every step; called with ``recogniser.transducer``.
        weigher: says how much each recording of a batch counts; without one all count alike.
        identity: names penalty or weigher and its settings, which the fingerprint of a checkpoint cannot see by itself.
        told: cohorts of speakers that a recogniser with a cohort input is told; None tells it nothing.
        amortising: what less computation is worth, for an encoder with gates.
        targets: what is to be learned of recordings; None makes labels of their transcripts.
        share_of: digest of the features of which ``store`` is this process's own share (evenvoice/data/shares.py);
            empty where every process has all of them. Processes then go through their shares in epochs of their own.

    Raises:
        NonFiniteLoss: more batches with a NaN or infinite loss or gradient than ``settings.nonfinite_budget``.
        TrainingError: a checkpoint cannot be written, a penalty or weigher without identity would be checkpointed, or
            a weigher is to work in several processes, or a process's share holds nothing to train on.
        ArtifactError: all checkpoints of this very training are damaged.
        ShapeError: cohorts that do not fit the store or the recogniser.
    """
    if (penalty or weigher) is not None and checkpoint_dir is not None and not identity:
        raise TrainingError(name="identity", rule="name the penalty or weigher where checkpoints are kept",
                            value="nothing", action="Pass the arm and its weight, e.g. identity='ewc 0.01'.")
    world = current_world()
    if share_of and len(indices) == 0:
        raise TrainingError(name=f"the share of process {world.rank} of {world.size}",
                            rule="hold recordings of the train split", value="none",
                            action="Lower train.processes: too few files of features hold any.")
    if weigher is not None and world.size > 1:
        raise TrainingError(name="a training that weighs recordings", rule="run in one process", value=world.size,
                            action="Start it without torchrun: each process would weigh against its own batch alone.")
    devices = [world.device] if world.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        run = _Run(recogniser=recogniser, store=store, indices=indices, settings=settings, seed=seed, world=world,
                   draw_weights=draw_weights, groups=groups, variants=variants, frozen=frozen, penalty=penalty,
                   weigher=weigher, told=told, amortising=amortising, targets=targets, share_of=share_of)
        with closing(run), quickened(recogniser.transducer, world.device):
            run.check_agreement(identity)
            checkpoints = None if checkpoint_dir is None else Checkpoints(checkpoint_dir, run.fingerprint(identity))
            curve = _train(run, checkpoints, checkpoint_dir, progress)
    recogniser.transducer.to("cpu").eval().requires_grad_(True)
    return curve


def _train(run: _Run, checkpoints: Checkpoints | None, dump: Path | None, progress: Progress) -> Curve:
    settings, curve = run.settings, run.curve
    if checkpoints is not None and (found := _latest(checkpoints, run.world)) is not None:
        run.restore(found)
    progress.total = settings.steps
    progress.resume_at(curve.steps)
    saved_at = time.monotonic()
    while curve.steps < settings.steps:
        run.step(dump)
        if run.world.is_main:
            progress.advance(1, **run.figures())
        if checkpoints is not None and run.world.is_main and time.monotonic() - saved_at >= settings.checkpoint_every_s:
            checkpoints.save(run.checkpoint())
            saved_at = time.monotonic()
    if run.world.is_main and run.pace.seconds:
        progress.measured(**run.pace.figures())
    return curve


def _latest(checkpoints: Checkpoints, world: World) -> Checkpoint | None:
    """The first process's latest, for all of them: machines that train together need not share a disk."""
    found = checkpoints.load() if world.is_main else None
    if world.size == 1:
        return found
    state, record = (world.broadcast(content) for content in (found.packed() if found is not None else (b"", b"")))
    return Checkpoint.unpacked(state, record) if state else None


class _Run:
    """One training under way."""

    def __init__(self, *, recogniser: Recogniser, store: Speech, indices: NDArray[np.int64],
                 settings: FitSettings, seed: int, world: World, draw_weights: NDArray[np.float64] | None,
                 groups: NDArray[np.int64] | None, variants: Variants | None, frozen: Collection[str],
                 penalty: Penalty | None, weigher: Weigher | None, told: ToldCohorts | None,
                 amortising: Amortising | None, targets: MakeTargets | None, share_of: str) -> None:
        if told is not None:
            told.check(recordings=len(store), known=recogniser.cohorts)
        self.settings, self.world, self.curve, self.pace = settings, world, Curve(), Pace()
        self._seed, self._penalty, self._weigher, self._description = seed, penalty, weigher, recogniser.description
        self._variants, self._amortising, self._told, self._share_of = variants, amortising, told, share_of
        self._store = store
        self._transducer = recogniser.transducer.to(world.device).train()
        self._frozen = sorted(frozen)
        for name in self._frozen:
            self._transducer.get_parameter(name).requires_grad_(False)
        self._objective = world.wrap(Objective(self._transducer, settings.ctc_weight, settings.turns),
                                     every_parameter_used=settings.ctc_weight > 0
                                     and (settings.turns is None or settings.turns.activity > 0))
        self._silent_frames = round(settings.listen_first_s / recogniser.frame_s)
        optimiser = {"adamw": AdamW, "muon": Muon}[settings.optimiser]
        self._optimiser = optimiser(self._transducer, settings.weight_decay,
                                    None if told is None else {COHORT_VECTORS: told.rate})
        self._feed = Feed(recogniser, store, settings.augment, world.device, variants, told, targets)
        self._hop_s = recogniser.featurize.hop_ms / 1000
        batch_s = settings.batch_s
        if batch_s == AUTO:
            batch_s = self.curve.chosen_batch_s = chosen_batch_s(self._try, durations_s=store.durations_s,
                                                                 indices=indices, world=world)
        self._plan = BatchPlan(frames=store.frames, indices=indices, frames_per_batch=recogniser.frames_in(batch_s),
                               seed=step_seed(seed, step=0, rank=world.rank if share_of else 0, purpose=ORDER),
                               draw_weights=draw_weights, groups=groups)
        self._batches = self._opened()
        self._places: list[list[int]] = []

    def fingerprint(self, identity: str) -> str:
        """All that decides the result, code included; the audio counts through the corpus statistics in the weights."""
        plan = self._plan
        weights = [tensor.detach().cpu().numpy().tobytes() for tensor in self._transducer.state_dict().values()]
        draws = b"" if plan.draw_weights is None else plan.draw_weights.astype(np.float64).tobytes()
        groups = b"" if plan.groups is None else plan.groups.tobytes()
        variants = None if self._variants is None else self._variants.identity()
        result_settings = {key: value for key, value in asdict(self.settings).items() if key != "checkpoint_every_s"}
        return fingerprint(package_digest(*TRAINS), self._description.content(), result_settings, self._seed,
                           self.world.size, identity, self._heard_of, draws, groups, variants, self._frozen,
                           *self._telling(), *self._amortised(), *weights)

    @cached_property
    def _heard_of(self) -> list[str]:
        """Of all recordings together, which all processes can tell: a share's are known by the whole's digest alone."""
        if self._share_of:
            return [self._share_of]
        indices = self._plan.indices
        return [_digest(self._store.ids, indices), _digest(self._store.texts, indices),
                hashlib.sha256(self._plan.frames[indices].astype(np.int64).tobytes()).hexdigest()]

    def _telling(self) -> list[float | bytes]:
        told = self._told
        return [] if told is None else [told.dropout, told.rate, told.numbers[self._plan.indices].tobytes()]

    def _amortised(self) -> list[str]:
        return [] if self._amortising is None else [self._amortising.identity]

    def step(self, dump: Path | None) -> None:
        """Draw a batch and update the weights, or skip it within the budget."""
        started_at = time.monotonic()
        step, settings, curve = self.curve.steps, self.settings, self.curve
        batch = self._batches.next(step)
        data_seconds = time.monotonic() - started_at
        if self._share_of:
            self._places = self.world.gathered([*self._place(), int(batch.frame_lengths_B.sum())])
        torch.manual_seed(step_seed(self._seed, step=step, rank=self.world.rank, purpose=DROPOUT))
        learning_rate = one_cycle(step, steps=settings.steps, peak=settings.learning_rate,
                                  warmup_share=settings.warmup_share)
        point, losses_B = self._update(batch, step, learning_rate)
        curve.steps += 1
        self._account(batch, time.monotonic() - started_at, data_seconds)
        if point is not None:
            curve.points.append(point)
            return
        curve.batches_skipped += 1
        if curve.batches_skipped > settings.nonfinite_budget:
            raise nonfinite.stop(batch, losses_B, step=step, skipped=curve.batches_skipped,
                                 budget=settings.nonfinite_budget,
                                 dump=None if dump is None else dump / f"nonfinite-{self.world.rank}")

    def _batch(self, indices: NDArray[np.int64], step: int) -> Batch:
        seed = step_seed(self._seed, step=step, rank=self.world.rank, purpose=MASKS)
        return self._feed.batch(indices, np.random.default_rng(seed))

    def _opened(self) -> Ahead:
        rank, size = (0, 1) if self._share_of else (self.world.rank, self.world.size)
        return Ahead(BatchStream(self._plan, rank=rank, world=size), self._batch)

    def _place(self) -> tuple[int, int]:
        """Where this process's batches stand."""
        state = self._batches.state_dict()
        return state["epoch"], state["position"]

    def _try(self, indices: NDArray[np.int64]) -> None:
        """Go forward and back over these recordings, and change nothing."""
        self._losses(self._feed.batch(indices, np.random.default_rng(self._seed))).sum().backward()  # type: ignore[no-untyped-call]
        self._optimiser.zero_grad()

    def _losses(self, batch: Batch, step: int | None = None) -> Tensor:
        """(B,); without a step, those of the whole loss."""
        settings = self.settings
        listening = step is not None and step < LISTENING_SHARE * settings.steps
        with torch.autocast(self.world.device.type, dtype=torch.bfloat16, enabled=self.world.device.type == "cuda"):
            losses_B: Tensor = self._objective(batch, self._silent_frames if listening else 0)
        return losses_B

    def close(self) -> None:
        """End what works ahead."""
        self._batches.close()

    def _update(self, batch: Batch, step: int, learning_rate: float) -> tuple[Point | None, Tensor]:
        """Take one step down the loss; None instead of a point means that it was not finite and no weight changed."""
        self._optimiser.zero_grad()
        losses_B, share = self._heard(batch, step)
        totals = self.world.sum(torch.stack([losses_B.detach().sum(), batch.label_lengths_B.sum().to(losses_B)]))
        total, labels = totals.tolist()
        if not np.isfinite(total):
            return None, losses_B
        counted_B, effective_share = self._weighed(batch, losses_B, step)
        # data parallelism averages gradients over processes; per label of all processes, a sum is wanted
        loss = counted_B.sum() * (self.world.size / max(1.0, labels))
        penalties = self._penalties(share, step)
        sum(penalties, start=loss).backward()
        norm = nn.utils.clip_grad_norm_(self._transducer.parameters(), self.settings.gradient_clip, foreach=True)
        if not torch.isfinite(norm):
            return None, losses_B
        self._optimiser.step(learning_rate)
        shown = total / max(1.0, labels) + sum(penalty.item() for penalty in penalties)
        executed = None if share is None else share.item()
        return Point(step, shown, learning_rate, effective_share, executed), losses_B

    def _heard(self, batch: Batch, step: int) -> tuple[Tensor, Tensor | None]:
        """Losses (B,), and the share of the dense encoder's work that was done, where gates decide that."""
        if self._amortising is None:
            return self._losses(batch, step), None
        with self._amortising.gated(step, self.settings.steps) as work:
            losses_B = self._losses(batch, step)
        return losses_B, work[0].share(self._transducer.encoded_lengths(batch.frame_lengths_B))

    def _penalties(self, share: Tensor | None, step: int) -> list[Tensor]:
        penalties = [] if self._penalty is None else [self._penalty(self._transducer)]
        if self._amortising is not None and share is not None:
            penalties.append(self._amortising.term(share, step, self.settings.steps))
        return penalties

    def _weighed(self, batch: Batch, losses_B: Tensor, step: int) -> tuple[Tensor, float | None]:
        """Losses (B,) times weights, and the effective share of the batch; without a weigher the losses alone."""
        if self._weigher is None:
            return losses_B, None
        per_label_B = losses_B.detach() / batch.label_lengths_B.clamp(min=1)
        weights_B = self._weigher.weigh(batch.ids, per_label_B, step=step, steps=self.settings.steps)
        return weights_B * losses_B, effective_sample_size(weights_B) / len(weights_B)

    def _account(self, batch: Batch, seconds: float, data_seconds: float) -> None:
        frames = int(batch.frame_lengths_B.sum())
        audio_s = frames * self._hop_s * self.world.size
        if self._share_of:
            audio_s = sum(of_process for *_, of_process in self._places) * self._hop_s
        self.pace.seconds += seconds
        self.pace.data_seconds += data_seconds
        self.pace.audio_s += audio_s
        self.curve.frames += frames
        self.curve.padded_frames += batch.features_BTM.shape[0] * batch.features_BTM.shape[1]
        self.curve.audio_s += audio_s

    def figures(self) -> dict[str, float]:
        """What progress shows."""
        if not self.curve.points:
            return {"skipped": self.curve.batches_skipped}
        return {"loss": self.curve.points[-1].loss, "lr": self.curve.points[-1].learning_rate}

    def checkpoint(self) -> Checkpoint:
        """Everything that later steps depend on."""
        tensors = {f"model/{name}": tensor.detach().cpu().contiguous()
                   for name, tensor in self._transducer.state_dict().items()}
        tensors |= {f"optimiser/{name}": tensor for name, tensor in self._optimiser.state_tensors().items()}
        if self._weigher is not None:
            tensors |= {f"weigher/{name}": tensor for name, tensor in self._weigher.state_tensors().items()}
        places = [(epoch, position) for epoch, position, _ in self._places] or [self._place()]
        record = {"curve": asdict(self.curve), "places": places}
        return Checkpoint(self.curve.steps, tensors, record)

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self._transducer.load_state_dict(_below("model/", found))
        self._optimiser.load_state_tensors(_below("optimiser/", found))
        if self._weigher is not None:
            self._weigher.load_state_tensors(_below("weigher/", found))
        kept = dict(found.record["curve"])
        self.curve.__dict__.update(kept, points=[Point(**point) for point in kept["points"]])
        if self.curve.chosen_batch_s is not None:  # not what would be chosen now
            self._plan = replace(self._plan, frames_per_batch=round(self.curve.chosen_batch_s / self._hop_s))
            self._batches.close()
            self._batches = self._opened()
        epoch, position = found.record["places"][self.world.rank if self._share_of else 0]
        self._batches.load_state_dict({"epoch": epoch, "position": position})

    def check_agreement(self, identity: str) -> None:
        """Make sure that all processes train the same.

        Raises:
            TrainingError: settings, data or code of this one differ from the first one's.
        """
        if self.world.size == 1:
            return
        found = self.fingerprint(identity).encode()
        first = self.world.broadcast(found)
        if found != first:
            raise TrainingError(name=f"the training of process {self.world.rank}",
                                rule=f"be that of the first one ({first.decode()})", value=found.decode(),
                                action="Give all machines the same parameters, features and tokenizer.")


def _digest(strings: Strings, rows: NDArray[np.int64]) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(rows), HASHED_AT_ONCE):
        digest.update(json.dumps([*strings[rows[start:start + HASHED_AT_ONCE]]]).encode())
    return digest.hexdigest()


def _below(prefix: str, found: Checkpoint) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in found.tensors.items() if name.startswith(prefix)}
