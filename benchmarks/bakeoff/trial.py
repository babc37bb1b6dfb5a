"""One trial of the bake-off, in a process of its own: train, then transcribe a split.

    python -m benchmarks.bakeoff.trial WORK CORPUS ARM OPTIMISER RATE SEED STEPS SPLIT

Both are kept under WORK, so asking again costs nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.bakeoff.plan import Recipe, Trial
from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.hypotheses import compute_of, transcribe_recordings
from evenvoice.models.presets import architecture
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Params, load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import write_trained

MODEL = "model"


def main() -> None:
    """Do what the command line says."""
    work, corpus, arm, optimiser, rate, seed, steps, split = sys.argv[1:]
    trial = Trial(corpus, arm, Recipe(optimiser, float(rate)), int(seed), int(steps))
    torch.set_num_threads(1)
    place = Path(work) / corpus
    params = load_params(place / "params.yaml")
    store = FeatureStore.open(place / "artifacts" / "features")
    directory = trial.directory(Path(work))
    if not (directory / MODEL).exists():
        _train(trial, params, store, place, directory)
    if not (directory / f"{split}.json").exists():
        _score(trial, params, store, directory, split)


def _train(trial: Trial, params: Params, store: FeatureStore, place: Path, directory: Path) -> None:
    train = params.train.model_copy(update={
        "encoder": trial.arm, "optimiser": trial.recipe.optimiser, "learning_rate": trial.recipe.learning_rate,
        "steps": trial.steps, "lookahead": 0})
    tokenizer = Tokenizer.load(place / "artifacts" / "tokenizer")
    recogniser = Recogniser.build(
        architecture(train, n_mels=params.featurize.n_mels, vocabulary=tokenizer.size), tokenizer=tokenizer,
        featurize=params.featurize, sample_rate=params.ingest.sample_rate, mean=store.mean, std=store.std,
        seed=trial.seed)
    began = time.process_time()
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"),
                settings=FitSettings.for_base(train), seed=trial.seed, progress=Progress(f"{trial.arm} {trial.seed}"),
                checkpoint_dir=None)
    directory.mkdir(parents=True, exist_ok=True)
    write_trained(directory / MODEL, recogniser, curve)
    write_json(directory / "cost.json", {"cpu_s": time.process_time() - began, "audio_s": curve.audio_s})


def _score(trial: Trial, params: Params, store: FeatureStore, directory: Path, split: str) -> None:
    recogniser = Recogniser.load(directory / MODEL)
    found = transcribe_recordings(recogniser, store, store.indices(split), params.transcribe,
                                  Progress(f"{trial.arm} {split}", unit="recording"))
    rows = found.table.to_pandas()
    rows["errors"] = rows["substitutions"] + rows["deletions"] + rows["insertions"]
    speakers = rows.groupby("speaker", sort=True)[["errors", "words"]].sum()
    write_json(directory / f"{split}.json", {
        "speakers": list(speakers.index), "errors": np.asarray(speakers["errors"]).tolist(),
        "words": np.asarray(speakers["words"]).tolist(), **compute_of(recogniser, found),
        **read_json(directory / "cost.json")})


if __name__ == "__main__":
    main()
