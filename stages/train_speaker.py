"""The speaker encoder, trained on the train split and measured on validate speakers."""

from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.speakers import training
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Read features; write the encoder, its curve and its summary."""
    training.train_speaker(features=paths.FEATURES, out=paths.SPEAKER_MODEL, settings=params.train_speaker,
                           hop_ms=params.featurize.hop_ms, seed=params.seed, progress=Progress("train_speaker"))


if __name__ == "__main__":
    run_stage(main, __doc__)
