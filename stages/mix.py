"""Mixtures of several talkers: fixed lists that the seed draws, or a corpus's own."""

from evenvoice.multitalker.mixtures import Settings, mix_corpus
from evenvoice.multitalker.taking import take_mixtures
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Recordings of one speaker each in, or of several talkers; mixtures with their turns out."""
    settings, progress = Settings(mix=params.mix, featurize=params.featurize, sample_rate=params.ingest.sample_rate,
                                  seed=params.seed), Progress("mix")
    if params.mix.corpus:
        take_mixtures(corpus=params.mix.corpus, out=paths.MIXTURES, settings=settings, progress=progress,
                      allow_speaker_overlap=params.ingest.allow_speaker_overlap, columns=params.ingest.columns)
    else:
        mix_corpus(corpus=paths.CORPUS, out=paths.MIXTURES, settings=settings, progress=progress)


if __name__ == "__main__":
    run_stage(main, __doc__)
