"""WER per cohort, gaps beside chance, arms beside the base; the challenger is chosen on validate speakers."""

from evenvoice.evaluation import Margins, evaluate
from evenvoice.params import Params, models_of
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Hypotheses and cohorts in, tables out."""
    evaluate(hypotheses=paths.HYPOTHESES, cohorts=paths.COHORTS, models=paths.MODELS, out=paths.EVALUATION,
             timing=paths.TIMING, settings=params.evaluate, mitigated=params.mitigate.cohorts,
             names=models_of(arms=params.mitigate.arms, amortized=params.amortize.enabled),
             margins=Margins(regression=params.gate.regression_margin, saving=params.gate.saving_margin),
             seed=params.seed, progress=Progress("evaluate", unit="split"))


if __name__ == "__main__":
    run_stage(main, __doc__)
