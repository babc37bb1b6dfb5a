"""Units of the recogniser, from the transcripts of the training speakers."""

from __future__ import annotations

import pyarrow.compute as pc

from evenvoice.data.schemas import UTTERANCES
from evenvoice.data.tables import read_table
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Transcripts in, tokenizer out."""
    utterances = read_table(paths.CORPUS / "utterances", UTTERANCES, ["split", "text", "duration_s"])
    train = utterances.filter(pc.equal(utterances["split"], "train"))
    hours = (pc.sum(train["duration_s"]).as_py() or 0.0) / 3600
    tokenizer = Tokenizer.train(train["text"].to_pylist(), params.tokenizer, hours=hours, seed=params.seed)
    with fresh_directory(paths.TOKENIZER) as draft:
        tokenizer.save(draft)
    Progress("tokenizer").note(f"{tokenizer.size} units ({tokenizer.kind}) from {hours:.2f} h of training speech")


if __name__ == "__main__":
    run_stage(main, __doc__)
