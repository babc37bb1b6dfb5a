"""The arm that trains nothing: weights between those of the base model and of the fine-tuned one."""

from evenvoice.data.feature_store import FeatureStore
from evenvoice.mitigation import load_arm
from evenvoice.mitigation.bottom import bottom_cohorts
from evenvoice.mitigation.interpolate import move_towards
from evenvoice.mitigation.summary import pass_on, summary_of
from evenvoice.mitigation.tuning import Jury
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import MADE_FROM, Params
from evenvoice.progress import Progress
from evenvoice.training.curve import Curve
from evenvoice.training.trained import leave_out, write_trained
from stages import paths
from stages.entry import run_stage

NAME = "interpolate"
OUT = paths.MODELS / NAME
FINE_TUNED = paths.MODELS / MADE_FROM[NAME]


def main(params: Params) -> None:
    """Try as many shares as other arms have trials; without a bottom cohort the base model is passed on unchanged."""
    method, arm, progress = params.mitigate.cohorts, load_arm(NAME), Progress(NAME)
    summary = summary_of(arm, base=paths.BASE_MODEL, features=paths.FEATURES)
    base = Recogniser.load(paths.BASE_MODEL)
    if NAME not in params.mitigate.arms:
        leave_out(OUT, base, summary, progress)
        return
    bottom = bottom_cohorts(paths.COHORTS / method, method, params.mitigate.bottom_share)
    if not bottom.speakers:
        pass_on(OUT, base, summary, progress, method)
        return
    shares = params.arms.interpolate.shares[:len(params.mitigate.trials)]
    between = [Recogniser.load(paths.BASE_MODEL) for _ in shares]
    for recogniser, share in zip(between, shares, strict=True):
        move_towards(recogniser, Recogniser.load(FINE_TUNED), share)
    jury = Jury(store=FeatureStore.open(paths.FEATURES), base=paths.BASE_HYPOTHESES, cohorts=paths.COHORTS,
                method=method, regression_margin=params.gate.regression_margin, decoding=params.transcribe)
    kept, heard = jury.best(between, progress)
    trials = [{"share": share, **wers, "kept": number == kept}
              for number, (share, wers) in enumerate(zip(shares, heard, strict=True))]
    write_trained(OUT, between[kept], Curve(), **summary, bottom_speakers=len(bottom.speakers), recordings=0,
                  trials=trials)


if __name__ == "__main__":
    run_stage(main, __doc__)
