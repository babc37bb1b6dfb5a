"""The base recogniser; where train.processes asks for several, torchrun starts them, and the first one writes."""

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.models.presets import architecture
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import features_digest
from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.training.checkpoints import discard
from evenvoice.training.distributed import process_group
from evenvoice.training.launch import is_launcher, launch
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import write_trained
from stages import paths
from stages.entry import run_stage

SEED = 4
"""Sets this stage's random numbers apart from those of the others."""


def main(params: Params) -> None:
    """Train on the train split."""
    if is_launcher(params.train.processes):
        launch("stages.train", params.train.processes)
        return
    store = FeatureStore.open(paths.FEATURES)
    seed = int(np.random.SeedSequence([params.seed, SEED]).generate_state(1)[0])
    tokenizer = Tokenizer.load(paths.TOKENIZER)
    recogniser = Recogniser.build(
        architecture(params.train, n_mels=params.featurize.n_mels, vocabulary=tokenizer.size), tokenizer=tokenizer,
        featurize=params.featurize, sample_rate=params.ingest.sample_rate, mean=store.mean, std=store.std, seed=seed)
    checkpoints = paths.CHECKPOINTS / "base"
    progress = Progress("train")
    progress.note(f"{params.train.encoder} {params.train.size}: {recogniser.cost}")
    with process_group() as world:
        curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"),
                    settings=FitSettings.for_base(params.train), seed=seed, progress=progress,
                    checkpoint_dir=checkpoints)
        if world.is_main:
            write_trained(paths.BASE_MODEL, recogniser, curve, features=features_digest(paths.FEATURES))
            discard(checkpoints)


if __name__ == "__main__":
    run_stage(main, __doc__)
