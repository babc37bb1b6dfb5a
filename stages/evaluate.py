"""WER per cohort, gaps beside chance, arms beside the base; the challenger is chosen on validate speakers."""

from evenvoice.evaluation import evaluate
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Hypotheses and cohorts in, tables out."""
    evaluate(hypotheses=paths.HYPOTHESES, cohorts=paths.COHORTS, models=paths.MODELS, out=paths.EVALUATION,
             settings=params.evaluate, mitigated=params.mitigate.cohorts, arms=params.mitigate.arms,
             regression_margin=params.gate.regression_margin, seed=params.seed,
             progress=Progress("evaluate", unit="split"))


if __name__ == "__main__":
    run_stage(main, __doc__)
