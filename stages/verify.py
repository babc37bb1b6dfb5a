"""Pairs of recordings of everyone but the training speakers, scored by one verifier."""

from evenvoice.params import WEIGHTINGS, Params
from evenvoice.progress import Progress
from evenvoice.verification.scoring import score_trials
from stages import paths
from stages.entry import run_matrix_stage


def main(params: Params, weighting: str) -> None:
    """Read features and one speaker encoder; write scored trials."""
    score_trials(features=paths.FEATURES, corpus=paths.CORPUS, model=paths.SPEAKER_MODELS / weighting,
                 out=paths.TRIALS / weighting, settings=params.verify, hop_ms=params.featurize.hop_ms,
                 seed=params.seed, progress=Progress(f"verify@{weighting}"))


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "weighting", WEIGHTINGS)
