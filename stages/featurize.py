"""Log-mel features of every recording, and their mean and spread over the training speakers."""

from __future__ import annotations

from evenvoice.data.extraction import extract
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Corpus in, features out."""
    extract(corpus=paths.CORPUS, out=paths.FEATURES, settings=params.featurize,
            sample_rate=params.ingest.sample_rate, progress=Progress("featurize", unit="recording"))


if __name__ == "__main__":
    run_stage(main, __doc__)
