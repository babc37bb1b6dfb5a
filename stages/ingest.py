"""Speech in: checked recordings, speakers and splits out."""

from __future__ import annotations

from evenvoice.data.ingest import ingest
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage

REJECTED_LIST = paths.CHECKPOINTS / "rejected.tsv"


def main(params: Params) -> None:
    """Run the stage."""
    ingest(settings=params.ingest, synthetic=params.synthetic, seed=params.seed, out=paths.CORPUS,
           rejected_list=REJECTED_LIST, progress=Progress("ingest", unit="recording"))


if __name__ == "__main__":
    run_stage(main, __doc__)
