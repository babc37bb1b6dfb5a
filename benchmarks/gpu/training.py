"""Training on the device: speed and memory beside the ordinary loop, and one training whose errors are counted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.drawn_speech import N_MELS, drawn_store, drawn_tokenizer, speaking_store, speaking_tokenizer
from benchmarks.gpu.device import here, unless_out_of_memory, with_peak
from benchmarks.gpu.scale import Scale
from benchmarks.ordinary_training import Measured, OrdinaryTraining
from benchmarks.train_throughput import FEATURIZE, UNITS_PER_S, Quiet, built, ours
from evenvoice.data.feature_store import FeatureStore
from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.models.presets import PRESETS, architecture
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import AUTO, Train
from evenvoice.progress import Progress
from evenvoice.training.compiled import COMPILED
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings

RECIPE: Final = Train(
    encoder="lstm", size="1.5M", stack=4, lookahead=0, dropout=0.1, steps=1200, batch_s=25.0, optimiser="adamw",
    learning_rate=0.002, warmup_share=0.15, weight_decay=0.01, gradient_clip=5.0, ctc_weight=1.0, listen_first_s=0.0,
    time_masks=1, time_mask_s=0.1, frequency_masks=1, frequency_mask_bands=6, nonfinite_budget=3,
    checkpoint_every_s=30.0, processes=1)
"""The section of params.yaml, which a machine without PyYAML cannot read; a test compares them."""
TEST_SHARE: Final = 0.05


def speed(item: str, scale: Scale) -> dict[str, Any]:
    """Seconds of speech per second and peak MiB of our loop, with and without compiled pieces, and of the ordinary one.

    They take turns after one of each, which pays for compiling.
    """
    train = _train(item, batch_s=scale.batch_s, steps=scale.steps)
    store = _noise(train.size, 12 * scale.batch_s)
    settings = FitSettings.for_base(train)
    ordinary = OrdinaryTraining(built(train, store), store, settings, here())
    loops: dict[str, Callable[[], Measured]] = {"ours": lambda: ours(built(train, store), store, settings)}
    if train.encoder in ("conformer", "transformer"):
        loops["uncompiled"] = lambda: _uncompiled(loops["ours"])
    loops["ordinary"] = lambda: ordinary.run(scale.steps)
    found = {name: unless_out_of_memory(lambda loop=loop: {"peak_mib": with_peak(loop)[1]})
             for name, loop in loops.items()}
    running = [name for name in loops if "peak_mib" in found[name]]
    turns: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(scale.turns):
        for name in running:
            turns[name].append(loops[name]().audio_s_per_s)
    for name in running:
        found[name] |= {"audio_s_per_s": statistics.median(turns[name]), "turns": turns[name]}
    return {"batch_s": scale.batch_s, "steps_per_turn": scale.steps, "compiled": COMPILED.given_up or "nothing failed",
            **found}


def automatic(item: str, scale: Scale) -> dict[str, Any]:
    """What ``batch_s: auto`` chooses on this card, how much speech a second that trains, and what it takes."""
    train = _train(item, batch_s=AUTO, steps=scale.steps)
    store = _noise(train.size, 60 * scale.batch_s)
    recogniser, progress = built(train, store), Quiet()
    settings = FitSettings.for_base(train)
    curve, peak_mib = with_peak(lambda: fit(recogniser=recogniser, store=store, indices=store.indices("train"),
                                            settings=settings, seed=1, progress=progress, checkpoint_dir=None))
    return {"chosen_batch_s": curve.chosen_batch_s, "peak_mib": peak_mib, **progress.figures}


def _uncompiled(loop: Callable[[], Measured]) -> Measured:
    before, COMPILED.given_up = COMPILED.given_up, "not asked for"
    try:
        return loop()
    finally:
        COMPILED.given_up = before


def learning(item: str, scale: Scale) -> dict[str, Any]:
    """Word error rate on speech that was not trained on, before and after a training."""
    train = _train(item, batch_s=scale.learning_batch_s, steps=scale.learning_steps)
    store = speaking_store(seconds=scale.learning_speech_s, test_seconds=TEST_SHARE * scale.learning_speech_s)
    tokenizer = speaking_tokenizer()
    recogniser = Recogniser.build(architecture(train, n_mels=N_MELS, vocabulary=tokenizer.size), tokenizer=tokenizer,
                                  featurize=FEATURIZE, sample_rate=16000, mean=store.mean, std=store.std, seed=1)
    before, began = _wer(recogniser, store), time.monotonic()
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"),
                settings=FitSettings.for_base(train), seed=1, progress=Progress("training to WER"),
                checkpoint_dir=None)
    seconds = time.monotonic() - began
    return {"wer_before": before, "wer": _wer(recogniser, store), "training_s": seconds, "steps": curve.steps,
            "batches_skipped": curve.batches_skipped, "audio_s": curve.audio_s,
            "audio_s_per_s": curve.audio_s / seconds, "final_loss": curve.points[-1].loss,
            "test_words": sum(len(store.texts[i].split()) for i in store.indices("test"))}


def _train(item: str, *, batch_s: float | str, steps: int) -> Train:
    encoder, size = item.split()
    return RECIPE.model_copy(update={"encoder": encoder, "size": size, "batch_s": batch_s, "steps": steps})


@cache
def _noise(size: str, seconds: float) -> FeatureStore:
    return drawn_store(drawn_tokenizer(PRESETS[size].vocabulary), seconds=seconds, units_per_s=UNITS_PER_S[size])


def _wer(recogniser: Recogniser, store: FeatureStore) -> float:
    recogniser.transducer.to(here())
    tests = store.indices("test")
    heard = transcribe_labels(recogniser, [store.features(int(i)) for i in tests], batch_s=600.0)
    recogniser.transducer.to("cpu")
    said = [cast(str, store.texts[i]).split() for i in tests]
    errors = sum(edits(words, recogniser.tokenizer.decode(labels).split())
                 for words, labels in zip(said, heard, strict=True))
    return errors / sum(map(len, said))


def edits(said: list[str], heard: list[str]) -> int:
    """Fewest words to replace, leave out or put in (Levenshtein 1966); rapidfuzz need not be there."""
    costs: NDArray[np.int64] = np.arange(len(heard) + 1)
    places = np.arange(len(heard) + 1)
    for word in said:
        arrived = np.minimum(costs[1:] + 1, costs[:-1] + np.array([word != other for other in heard], dtype=np.int64))
        # a run of words put in costs one each: the least of (arrival - place) so far, plus the place
        costs = np.minimum.accumulate(np.concatenate([costs[:1] + 1, arrived]) - places) + places
    return int(costs[-1])
