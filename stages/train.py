"""The base recogniser; where train.processes asks for several, torchrun starts them, and the first one writes."""

from evenvoice.data.feature_store import FeatureStore, feature_files
from evenvoice.data.shares import files_of_process
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
    seed, checkpoints, progress = training_seed(params.seed), paths.CHECKPOINTS / "base", Progress("train")
    files, features = feature_files(paths.FEATURES), features_digest(paths.FEATURES)
    with process_group() as world:
        own = files_of_process(files, world.rank, world.size)
        store = FeatureStore.open(paths.FEATURES, own)
        recogniser = untrained(params, store, Tokenizer.load(paths.TOKENIZER), seed)
        progress.note(f"{params.train.encoder} {params.train.size}: {recogniser.cost}")
        curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"),
                    settings=FitSettings.for_base(params.train), seed=seed, progress=progress,
                    checkpoint_dir=checkpoints, share_of=features if len(own) < len(files) else "")
        if world.is_main:
            write_trained(paths.BASE_MODEL, recogniser, curve, features=features)
            discard(checkpoints)


if __name__ == "__main__":
    run_stage(main, __doc__)
