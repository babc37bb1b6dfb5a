"""Speech in: checked recordings, speakers and splits out."""

from __future__ import annotations

from evenvoice.data.ingest import Source, ingest, ingest_pieces
from evenvoice.data.pieces import Shard
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage

REJECTED_LIST = paths.CHECKPOINTS / "rejected.tsv"


def main(params: Params, shard: str = "") -> None:
    """Speech in, tables out; with ``shard``, only its pieces."""
    source = Source(settings=params.ingest, synthetic=params.synthetic, seed=params.seed,
                    objects=paths.SOURCE.read_text(encoding="utf-8") if paths.SOURCE.exists() else "",
                    rejected_list=REJECTED_LIST, pieces=paths.PIECES / "ingest",
                    progress=Progress("ingest", unit="recording"))
    if shard:
        ingest_pieces(source, Shard.parse(shard))
    else:
        ingest(source, paths.CORPUS)


if __name__ == "__main__":
    run_stage(main, __doc__, sharded=True)
