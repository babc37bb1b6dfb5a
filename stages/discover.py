"""Cohorts by one method, found on discovery speakers, pruned on validation speakers, frozen, applied to everyone."""

from evenvoice import cohorts
from evenvoice.params import BASE, METHODS, Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_matrix_stage


def main(params: Params, method: str) -> None:
    """Read corpus, base hypotheses and embeddings; write one method's cohorts."""
    cohorts.discover(method, corpus=paths.CORPUS, hypotheses=paths.HYPOTHESES / BASE, embeddings=paths.EMBEDDINGS,
                     out=paths.COHORTS / method, settings=params.discover,
                     coordinate_decimals=params.ingest.coordinate_decimals, seed=params.seed,
                     progress=Progress(f"discover@{method}"))


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "method", METHODS)
