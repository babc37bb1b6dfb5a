"""Log-mel features of every recording, and their mean and spread over the training speakers."""

from __future__ import annotations

from evenvoice.data.extraction import extract, extract_pieces
from evenvoice.data.pieces import Pieces, Shard
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params, shard: str = "") -> None:
    """Corpus in, features out; with ``shard``, only its pieces."""
    progress = Progress("featurize", unit="recording")
    settings, sample_rate = params.featurize, params.ingest.sample_rate
    pieces = Pieces(paths.PIECES / "featurize", {**settings.model_dump(), "sample_rate": sample_rate}, progress)
    if shard:
        extract_pieces(corpus=paths.CORPUS, share=Shard.parse(shard), settings=settings, sample_rate=sample_rate,
                       progress=progress, pieces=pieces)
        return
    extract(corpus=paths.CORPUS, out=paths.FEATURES, settings=settings, sample_rate=sample_rate, progress=progress,
            pieces=pieces)
    pieces.discard()


if __name__ == "__main__":
    run_stage(main, __doc__, sharded=True)
