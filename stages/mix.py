"""Mixtures of several talkers: fixed lists that the seed draws, or a corpus's own."""

from evenvoice.multitalker.mixtures import Settings, mix_corpus
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Recordings of one speaker each in, mixtures with their turns out."""
    settings = Settings(mix=params.mix, featurize=params.featurize, sample_rate=params.ingest.sample_rate,
                        seed=params.seed)
    mix_corpus(corpus=paths.CORPUS, out=paths.MIXTURES, settings=settings, progress=Progress("mix"))


if __name__ == "__main__":
    run_stage(main, __doc__)
