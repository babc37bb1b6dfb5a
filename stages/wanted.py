"""Whose speech is wanted, and how much of it, going by the learning curve of the bottom cohort."""

from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.wanted.forecast import forecast
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Points of the curve in, wanted.json out."""
    method = params.mitigate.cohorts
    found = forecast(hypotheses=paths.HYPOTHESES / "base", learning=paths.LEARNING, cohorts=paths.COHORTS / method,
                     out=paths.WANTED, method=method, limit=params.gate.max_gap, seed=params.seed)
    Progress("wanted").note(found)


if __name__ == "__main__":
    run_stage(main, __doc__)
