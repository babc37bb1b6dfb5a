"""A corpus through ingest, as the stage calls it."""

from __future__ import annotations

from pathlib import Path

from evenvoice.data.ingest import Source, ingest
from evenvoice.params import Params
from evenvoice.progress import Progress


def source_of(params: Params, root: Path, *, seed: int = 1) -> Source:
    """Pieces and the list of refused recordings lie in ``root``."""
    return Source(settings=params.ingest, synthetic=params.synthetic, seed=seed, objects="",
                  rejected_list=root / "checkpoints" / "rejected.tsv", pieces=root / "pieces" / "ingest",
                  progress=Progress("ingest", unit="recording"))


def ingest_into(out: Path, params: Params, *, seed: int = 1) -> Path:
    """Ingest into ``out``, beside which everything else is written."""
    ingest(source_of(params, out.parent, seed=seed), out)
    return out
