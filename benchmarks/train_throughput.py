"""Seconds of speech trained on per second, beside the same encoder trained the ordinary way, in one run.

Turns alternate; the figure is the median of the ratios of neighbouring turns. On a GPU torchaudio's and SpeechBrain's
recipes belong beside it as well.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import asdict

import torch

from benchmarks.drawn_speech import N_MELS, drawn_store, drawn_tokenizer
from benchmarks.hardware import hardware, write_result
from benchmarks.ordinary_training import Measured, OrdinaryTraining
from evenvoice.data.feature_store import FeatureStore
from evenvoice.models.presets import PRESETS, architecture
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Featurize, Train, load_params
from evenvoice.progress import Progress
from evenvoice.training.distributed import current_world
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings

UNITS_PER_S = {"tiny": 12.0, "1.5M": 12.0, "10M": 4.0, "30M": 4.0, "85M": 4.0}
"""Characters for the small sizes, word pieces for the others."""
FEATURIZE = Featurize(n_mels=N_MELS, window_ms=25.0, hop_ms=10.0, low_hz=20.0, high_hz=7600.0, shard_mb=128)
NOT_MEASURED = {"torchaudio": "its RNN-T recipe needs the CUDA runtime", "speechbrain": "its recipe needs torchaudio"}


class Quiet(Progress):
    """Keeps what the loop measured instead of printing it."""

    def __init__(self) -> None:
        super().__init__("train")
        self.figures: dict[str, float] = {}

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Say nothing."""

    def measured(self, **figures: float) -> None:
        """Keep."""
        self.figures = figures


def main() -> None:
    """Measure every size that was asked for."""
    options = _options()
    device = current_world().device
    rows = []
    for size in options.sizes:
        for encoder in options.encoders:
            rows.append(measure(size, encoder, options, device))
            print("  ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                            for name, value in rows[-1].items() if not isinstance(value, list)), flush=True)
    left_out = {} if device.type == "cuda" else NOT_MEASURED
    for peer, reason in left_out.items():
        print(f"{peer}: not measured, {reason}")
    print(write_result("train_throughput", {"hardware": hardware(), "device": str(device), "batch_s": options.batch_s,
                                            "steps_per_turn": options.steps, "threads": torch.get_num_threads(),
                                            "rows": rows, "not_measured": left_out}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("--sizes", nargs="+", choices=PRESETS, default=["1.5M", "10M", "30M", "85M"])
    parser.add_argument("--encoders", nargs="+", default=["convrnnt"])
    parser.add_argument("--batch-s", type=float, default=800.0 if cuda else 50.0, help="seconds of speech per batch")
    parser.add_argument("--steps", type=int, default=20 if cuda else 4, help="steps of a turn")
    parser.add_argument("--turns", type=int, default=5)
    return parser.parse_args()


def measure(size: str, encoder: str, options: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """One line of the result: medians over turns, and every turn's ratio."""
    tokenizer = drawn_tokenizer(PRESETS[size].vocabulary)
    store = drawn_store(tokenizer, seconds=40 * options.batch_s, units_per_s=UNITS_PER_S[size])
    train = load_params().train.model_copy(update={"size": size, "encoder": encoder, "batch_s": options.batch_s})
    settings = FitSettings.for_base(train.model_copy(update={"steps": options.steps}))
    ordinary = OrdinaryTraining(built(train, store), store, settings, device)
    mine, theirs = [], []
    for turn in range(options.turns + 1):
        found = ordinary.run(options.steps), ours(built(train, store), store, settings)
        if turn:  # the first one pays for the start
            theirs.append(found[0])
            mine.append(found[1])
    ratios = [one.audio_s_per_s / other.audio_s_per_s for one, other in zip(mine, theirs, strict=True)]
    return {"size": size, "encoder": encoder, "ratio": statistics.median(ratios), "ratios": ratios,
            **{f"{name}_{key}": statistics.median(asdict(one)[key] for one in found)
               for name, found in (("ours", mine), ("ordinary", theirs)) for key in asdict(found[0])}}


def built(train: Train, store: FeatureStore) -> Recogniser:
    """An untrained recogniser for drawn speech."""
    tokenizer = drawn_tokenizer(PRESETS[train.size].vocabulary)
    return Recogniser.build(architecture(train, n_mels=N_MELS, vocabulary=tokenizer.size), tokenizer=tokenizer,
                            featurize=FEATURIZE, sample_rate=16000, mean=store.mean, std=store.std, seed=1)


def ours(recogniser: Recogniser, store: FeatureStore, settings: FitSettings) -> Measured:
    """A training by evenvoice's own loop."""
    progress = Quiet()
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"), settings=settings, seed=1,
                progress=progress, checkpoint_dir=None)
    return Measured(progress.figures["audio_s_per_s"], progress.figures["data_wait_share"],
                    curve.summary()["padding_share"])


if __name__ == "__main__":
    main()
