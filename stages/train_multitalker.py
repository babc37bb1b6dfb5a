"""The recogniser of two talkers at once, from the base recogniser and mixtures."""

from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import SeparatorShape
from evenvoice.multitalker.labels import FURTHER, TurnLabels
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.targets import TurnTargets
from evenvoice.origins import features_digest, model_digest
from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.training.checkpoints import discard
from evenvoice.training.distributed import process_group
from evenvoice.training.launch import is_launcher, launch
from evenvoice.training.loop import fit
from evenvoice.training.scratch import training_seed
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import write_trained
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Put a separator in front of the base recogniser, and train both on mixtures of training speakers."""
    if is_launcher(params.train.processes):
        launch("stages.train_multitalker", params.train.processes)
        return
    settings, seed = params.train_multitalker, training_seed(params.seed)
    base = Recogniser.load(paths.BASE_MODEL)
    shape = SeparatorShape(mixture_width=settings.mixture_width, branch_width=settings.branch_width,
                           tokens=settings.tokens)
    recogniser = base.with_separator(shape, further_labels=FURTHER[settings.tokens], seed=seed)
    store = MixtureStore.open(paths.MIXTURES, params.featurize.n_mels)
    checkpoints, progress = paths.CHECKPOINTS / "multitalker", Progress("train_multitalker")
    progress.note(f"{settings.tokens}: {recogniser.cost}")
    targets = TurnTargets(store, TurnLabels(recogniser.tokenizer, settings.tokens), recogniser.frame_s,
                          recogniser.transducer.encoder.lookahead)
    with process_group() as world:
        curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=seed, progress=progress,
                    settings=FitSettings.for_multitalker(params.train, settings, frame_s=recogniser.frame_s),
                    checkpoint_dir=checkpoints, targets=targets)
        if world.is_main:
            write_trained(paths.MULTITALKER_MODEL, recogniser, curve, mixtures=features_digest(paths.MIXTURES),
                          base=model_digest(paths.BASE_MODEL), tokens=settings.tokens)
            discard(checkpoints)


if __name__ == "__main__":
    run_stage(main, __doc__)
