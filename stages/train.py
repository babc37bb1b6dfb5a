"""The base recogniser; where train.processes asks for several, torchrun starts them, and the first one writes."""

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.origins import features_digest
from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.training.checkpoints import discard
from evenvoice.training.distributed import process_group
from evenvoice.training.launch import is_launcher, launch
from evenvoice.training.loop import fit
from evenvoice.training.scratch import training_seed, untrained
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import write_trained
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Train on the train split."""
    if is_launcher(params.train.processes):
        launch("stages.train", params.train.processes)
        return
    store = FeatureStore.open(paths.FEATURES)
    seed = training_seed(params.seed)
    recogniser = untrained(params, store, Tokenizer.load(paths.TOKENIZER), seed)
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
