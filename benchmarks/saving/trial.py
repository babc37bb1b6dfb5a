"""One trial, in a process of its own: make the model, train it as long as all others, transcribe test speakers.

    python -m benchmarks.saving.trial WORK WAY AMOUNT SEED

Everything is kept under WORK, so asking again costs nothing. All start from the base model of their seed, but for the
narrower ones, which have another shape: they are trained from nothing, with as many updates as base and trial together.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.saving.plan import Trial
from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.decoding.hypotheses import compute_of, executed_shares, transcribe_recordings
from evenvoice.decoding.work import WorkMeter
from evenvoice.models.gates import gating
from evenvoice.models.padding import pad_features
from evenvoice.models.presets import architecture
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import Arbitrators, Architecture, Chance, TransformerShape
from evenvoice.params import Params, load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json
from evenvoice.training.amortising import Amortising
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings

MODEL: Final = "model"
SCORES: Final = "test.json"
LOOKED_AT: Final = 64
"""Validate recordings that rates and use of gates are read off."""


@dataclass(frozen=True)
class Bench:
    """What all trials of a seed share."""

    work: Path
    seed: int
    params: Params
    store: FeatureStore

    @classmethod
    def open(cls, work: Path, seed: int) -> Bench:
        """From the prepared corpus."""
        return cls(work, seed, load_params(work / "params.yaml"), FeatureStore.open(work / "artifacts" / "features"))

    @property
    def base(self) -> Path:
        """The model that trials start from."""
        return self.work / f"seed-{self.seed}" / "base"

    @property
    def shape(self) -> Architecture:
        """Of the base model."""
        return architecture(self.params.train, n_mels=self.params.featurize.n_mels,
                            vocabulary=Tokenizer.load(self.work / "artifacts" / "tokenizer").size)

    def untrained(self, shape: Architecture) -> Recogniser:
        """A model of the corpus."""
        return Recogniser.build(shape, tokenizer=Tokenizer.load(self.work / "artifacts" / "tokenizer"),
                                featurize=self.params.featurize, sample_rate=self.params.ingest.sample_rate,
                                mean=self.store.mean, std=self.store.std, seed=self.seed)

    def train(self, recogniser: Recogniser, *, trial: str, settings: FitSettings,
              amortising: Amortising | None = None) -> None:
        """On all training speakers, in the order of the seed."""
        fit(recogniser=recogniser, store=self.store, indices=self.store.indices("train"), settings=settings,
            seed=self.seed, progress=Progress(f"{trial} {self.seed}"), checkpoint_dir=None, amortising=amortising)

    def looked_at(self) -> list[NDArray[np.floating]]:
        """Features of some validate recordings."""
        return [self.store.features(int(i)) for i in self.store.indices("validate")[:LOOKED_AT]]


def main() -> None:
    """Do what the command line says."""
    work, way, amount, seed = sys.argv[1:]
    torch.set_num_threads(1)
    bench = Bench.open(Path(work), int(seed))
    if way == "base":
        _base(bench)
        return
    trial = Trial.parse(way, amount, seed)
    directory = trial.directory(Path(work))
    if not (directory / MODEL / "config.json").exists():
        recogniser = _trained(trial, bench)
        recogniser.save(directory / MODEL)
    if not (directory / SCORES).exists():
        _score(bench, directory, trial)


def _base(bench: Bench) -> None:
    if not (bench.base / "config.json").exists():
        recogniser = bench.untrained(bench.shape)
        bench.train(recogniser, trial="base", settings=FitSettings.for_base(bench.params.train))
        recogniser.save(bench.base)


def _trained(trial: Trial, bench: Bench) -> Recogniser:
    amortize = bench.params.amortize
    settings = FitSettings.for_mitigation(bench.params.train, steps=amortize.steps,
                                          learning_rate=amortize.learning_rate)
    recogniser = _learner(trial, bench)
    amortising = (Amortising(weight=amortize.weight, target=trial.amount, warmup_share=amortize.warmup_share)
                  if trial.way == "amortized" else None)
    bench.train(recogniser, trial=trial.name, settings=settings, amortising=amortising)
    return recogniser


def _learner(trial: Trial, bench: Bench) -> Recogniser:
    if trial.way == "narrower":
        recogniser = bench.untrained(narrower(bench.shape, trial.amount))
        bench.train(recogniser, trial=trial.name, settings=FitSettings.for_base(bench.params.train))
        return recogniser
    base = Recogniser.load(bench.base)
    if trial.way == "window":
        return with_window(base, bench, trial.amount)
    if trial.way == "amortized":
        settings = bench.params.amortize
        see = "input" if settings.arbitrators == "each" else "stem"
        return base.with_gates(Arbitrators(see=see, hidden=settings.hidden), seed=bench.seed)
    if trial.way in {"chance", "removed"}:
        model = Recogniser.load(Trial("amortized", trial.amount, bench.seed).directory(bench.work) / MODEL)
        rates = (chance_rates if trial.way == "chance" else kept_rates)(base, model, bench.looked_at())
        return base.with_gates(Chance(rates=rates), seed=bench.seed)
    return base


def narrower(shape: Architecture, share: float) -> Architecture:
    """The same with so many fewer channels that its encoder does this share of the work."""
    encoder = shape.encoder
    assert isinstance(encoder, TransformerShape)
    width = max(encoder.heads, round(encoder.width * share**0.5 / encoder.heads) * encoder.heads)
    return shape.model_copy(update={"encoder": encoder.model_copy(update={"width": width})})


def with_window(base: Recogniser, bench: Bench, share: float) -> Recogniser:
    """The same weights, attending to this share of the frames."""
    encoder = bench.shape.encoder
    assert isinstance(encoder, TransformerShape)
    window = max(1, round(share * encoder.window))
    changed = bench.shape.model_copy(update={"encoder": encoder.model_copy(update={"window": window})})
    recogniser = bench.untrained(changed)
    weights = {name: tensor[:, :window] if name.endswith("distance_HW") else tensor
               for name, tensor in base.transducer.state_dict().items()}
    recogniser.transducer.load_state_dict(weights)
    return recogniser


def chance_rates(base: Recogniser, model: Recogniser, recordings: Sequence[NDArray[np.floating]]) -> tuple[float, ...]:
    """One rate for all sub-blocks at which as much work is done as ``model`` does."""
    wanted, low, high, gates = executed(model, recordings), 0.0, 1.0, _gates(base)
    for _ in range(10):
        rate = (low + high) / 2
        done = executed(base.with_gates(Chance(rates=(rate,) * gates), seed=1), recordings)
        low, high = (rate, high) if done < wanted else (low, rate)
    return (rate,) * gates


def kept_rates(base: Recogniser, model: Recogniser, recordings: Sequence[NDArray[np.floating]]) -> tuple[float, ...]:
    """1 for the sub-blocks that ``model`` uses most, 0 for others, as many as come nearest to the work it does."""
    wanted, order = executed(model, recordings), np.argsort(-used(model, recordings), kind="stable")
    candidates = [tuple(float(place in order[:kept]) for place in range(len(order))) for kept in range(len(order) + 1)]
    return min(candidates, key=lambda rates: abs(
        executed(base.with_gates(Chance(rates=rates), seed=1), recordings) - wanted))


def executed(recogniser: Recogniser, recordings: Sequence[NDArray[np.floating]]) -> float:
    """Share of the dense encoder's work."""
    meter = WorkMeter(len(recordings))
    transcribe_labels(recogniser, recordings, batch_s=600.0, meter=meter)
    return sum(done.executed for done in meter.done) / sum(done.dense for done in meter.done)


@torch.inference_mode()
def used(recogniser: Recogniser, recordings: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """(G,) share of the frames on which each sub-block works."""
    transducer = recogniser.transducer.eval()
    padded = pad_features(recordings, fill_M=transducer.mean_M.numpy(), least_frames=transducer.encoder.subsampling)
    with gating() as steps:
        transducer.encode(padded.features_BTM, padded.frame_lengths_B)
    gates_BTG, lengths_B = steps[0].gates_BTG, transducer.encoded_lengths(padded.frame_lengths_B)
    real_BT = torch.arange(gates_BTG.shape[1]) < lengths_B[:, None]
    shares: NDArray[np.float64] = gates_BTG[real_BT].double().mean(dim=0).numpy()
    return shares


def _gates(base: Recogniser) -> int:
    encoder = base.description.architecture.encoder
    assert isinstance(encoder, TransformerShape)
    return 2 * encoder.blocks


def _score(bench: Bench, directory: Path, trial: Trial) -> None:
    recogniser = Recogniser.load(directory / MODEL)
    found = transcribe_recordings(recogniser, bench.store, bench.store.indices("test"), bench.params.transcribe,
                                  Progress(f"{trial.name} test", unit="recording"))
    rows = found.table.to_pandas()
    rows["errors"] = rows["substitutions"] + rows["deletions"] + rows["insertions"]
    speakers = rows.groupby("speaker", sort=True)[["errors", "words"]].sum()
    dense = read_json(Trial("dense", 1.0, trial.seed).directory(bench.work) / SCORES) if trial.way != "dense" else None
    work: dict[str, Any] = compute_of(recogniser, found)
    encoder = work["macs_per_audio_s"]["encoder"]
    write_json(directory / SCORES, {
        "speakers": list(speakers.index), "errors": np.asarray(speakers["errors"]).tolist(),
        "words": np.asarray(speakers["words"]).tolist(), **work,
        "share": encoder / (encoder if dense is None else dense["macs_per_audio_s"]["encoder"]),
        "executed_share": None if found.work is None else executed_shares(found.work)})


if __name__ == "__main__":
    main()
