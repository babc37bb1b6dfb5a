"""One mitigation arm, or its placebo: the base model fine-tuned with the worst cohort in view."""

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.mitigation import Situation, load_arm
from evenvoice.mitigation.bottom import bottom_speakers, discovered_cohorts
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import RULES, SUMMARY, features_digest, model_digest
from evenvoice.params import ARMS, Params
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from evenvoice.training.checkpoints import discard
from evenvoice.training.curve import Curve
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import write_trained
from stages import paths
from stages.entry import run_matrix_stage

SEED = 8
"""Sets this stage's random numbers apart from those of the others; all arms share them, so they see the same order."""


def main(params: Params, name: str) -> None:
    """Plan and train one arm; where no cohort is worse off than another, the base model is passed on unchanged."""
    settings, arm = params.mitigate, load_arm(name)
    recogniser = Recogniser.load(paths.BASE_MODEL)
    store = FeatureStore.open(paths.FEATURES)
    progress = Progress(f"mitigate@{name}")
    summary = {"title": arm.title, "control": arm.control, "base": model_digest(paths.BASE_MODEL),
               "features": features_digest(paths.FEATURES)}
    discovered = paths.COHORTS / settings.cohorts
    bottom = bottom_speakers(discovered, settings.cohorts, settings.bottom_share)
    if not bottom:
        progress.note(f"{settings.cohorts} found no cohort that is worse off: the base model is passed on unchanged")
        write_trained(paths.MODELS / name, recogniser, Curve(), **summary, bottom_speakers=0, recordings=0)
        return
    seed = int(np.random.SeedSequence([params.seed, SEED]).generate_state(1)[0])
    situation = Situation(recogniser=recogniser, store=store, bottom_speakers=bottom,
                          cohorts=discovered_cohorts(discovered, settings.cohorts),
                          placement=Placement.read(discovered / "cohorts.parquet"),
                          rule=read_json(discovered / RULES),
                          ctc_weight=params.train.ctc_weight, seed=seed, progress=progress)
    plan = arm.plan(situation, getattr(params.arms, name))
    learner = plan.learner(recogniser)
    progress.note(f"{len(bottom)} training speakers are worst off; training on {len(plan.indices)} recordings")
    checkpoints = paths.CHECKPOINTS / name
    chosen_batch_s = read_json(paths.BASE_MODEL / SUMMARY).get("chosen_batch_s")
    curve = fit(recogniser=learner, store=store, indices=plan.indices,
                settings=FitSettings.for_mitigation(params.train, settings, chosen_batch_s), seed=seed,
                progress=Progress(f"mitigate@{name}"), checkpoint_dir=checkpoints, draw_weights=plan.draw_weights,
                penalty=plan.penalty, identity=plan.identity, told=plan.told(store))
    write_trained(paths.MODELS / name, learner, curve, plan.telling.write if plan.telling else None,
                  **summary, bottom_speakers=len(bottom), recordings=len(plan.indices))
    discard(checkpoints)


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "arm", ARMS)
