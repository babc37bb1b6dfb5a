"""Errors, times and groups of the recogniser of several talkers, beside the base recogniser."""

from evenvoice.multitalker.evaluation import Settings, evaluate
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Mixtures, turns that were heard and what is known of speakers in, tables out."""
    evaluate(mixtures=paths.MIXTURES, turns=paths.TURNS, models=paths.MULTITALKER_MODELS, base_model=paths.BASE_MODEL,
             corpus=paths.CORPUS, cohorts=paths.COHORTS, method=params.mitigate.cohorts, out=paths.MULTITALKER,
             settings=Settings(evaluate=params.evaluate, multitalker=params.evaluate_multitalker,
                               min_speakers=params.multitalker_gate.min_speakers, n_mels=params.featurize.n_mels,
                               hop_ms=params.featurize.hop_ms, seed=params.seed),
             progress=Progress("evaluate_multitalker"))


if __name__ == "__main__":
    run_stage(main, __doc__)
