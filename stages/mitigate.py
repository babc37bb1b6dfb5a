"""One mitigation arm, or a control: the base model trained on with the worst cohort in view, once per trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.mitigation import Situation, load_arm
from evenvoice.mitigation.arm import Arm, Plan
from evenvoice.mitigation.bottom import bottom_cohorts, discovered_cohorts
from evenvoice.mitigation.summary import pass_on, summary_of
from evenvoice.mitigation.tuning import Jury
from evenvoice.mitigation.voices import training_embeddings
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import RULES, SUMMARY
from evenvoice.params import ARMS, MADE_FROM, Params, Section
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from evenvoice.training.checkpoints import discard
from evenvoice.training.curve import Curve
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import leave_out, write_trained
from stages import paths
from stages.entry import run_matrix_stage

SEED = 8
"""Sets this stage's random numbers apart from those of the others; all arms share them, so they see the same order."""


def main(params: Params, name: str) -> None:
    """Plan, train and tune one arm; where no cohort is worse off, the base model is passed on unchanged."""
    method, arm = params.mitigate.cohorts, load_arm(name)
    progress = Progress(f"mitigate@{name}")
    summary = summary_of(arm, base=paths.BASE_MODEL, features=paths.FEATURES)
    base = Recogniser.load(paths.BASE_MODEL)
    if name not in params.mitigate.arms:
        leave_out(paths.MODELS / name, base, summary, progress)
        return
    discovered = paths.COHORTS / method
    bottom = bottom_cohorts(discovered, method, params.mitigate.bottom_share)
    if not bottom.speakers:
        pass_on(paths.MODELS / name, base, summary, progress, method)
        return
    cohorts = discovered_cohorts(discovered, method)
    seed = int(np.random.SeedSequence([params.seed, SEED]).generate_state(1)[0])
    situation = Situation(recogniser=base, store=FeatureStore.open(paths.FEATURES), bottom_speakers=bottom.speakers,
                          population_share=bottom.population_share, seed=seed, progress=progress,
                          embeddings=training_embeddings(paths.EMBEDDINGS), ctc_weight=params.train.ctc_weight,
                          cohorts=cohorts,
                          placement=Placement.read(discovered / "cohorts.parquet").among(cohorts.ranked),
                          rule=read_json(discovered / RULES))
    trials = params.mitigate.trials
    plans = list(_plans(situation, arm, getattr(params.arms, name), len(trials)))
    progress.note(f"{len(bottom.speakers)} training speakers are worst off; training on {len(plans[0].indices)} "
                  "recordings")
    chosen_batch_s = read_json(paths.BASE_MODEL / SUMMARY).get("chosen_batch_s")
    trained = []
    for number, (plan, trial) in enumerate(zip(plans, trials, strict=True)):
        settings = FitSettings.for_mitigation(params.train, steps=trial.steps, learning_rate=trial.learning_rate,
                                              chosen_batch_s=chosen_batch_s)
        trained.append(_trained(situation, plan, settings, _checkpoints(name, number)))
    jury = Jury(store=situation.store, base=paths.BASE_HYPOTHESES, cohorts=paths.COHORTS, method=method,
                regression_margin=params.gate.regression_margin, decoding=params.transcribe)
    kept, heard = jury.best([recogniser for recogniser, _ in trained], progress, [plan.placement for plan in plans])
    told = [{**trial.model_dump(), **plan.choice, **wers, "kept": number == kept}
            for number, (trial, plan, wers) in enumerate(zip(trials, plans, heard, strict=True))]
    recogniser, curve = trained[kept]
    telling = plans[kept].telling
    write_trained(paths.MODELS / name, recogniser, curve, telling.write if telling else None, **summary,
                  bottom_speakers=len(bottom.speakers), recordings=len(plans[kept].indices), trials=told)
    for number in range(len(trials)):
        discard(_checkpoints(name, number))


def _plans(situation: Situation, arm: Arm, settings: Section, trials: int) -> Iterator[Plan]:
    assert arm.plan is not None, "an arm without a plan has a stage of its own"
    plan = arm.plan(situation, settings)
    for trial in range(trials):
        yield arm.plan(replace(situation, trial=trial), settings) if arm.per_trial and trial else plan


def _trained(situation: Situation, plan: Plan, settings: FitSettings, checkpoints: Path) -> tuple[Recogniser, Curve]:
    recogniser = plan.learner(Recogniser.load(paths.BASE_MODEL))
    curve = fit(recogniser=recogniser, store=situation.store, indices=plan.indices, settings=settings,
                seed=situation.seed, progress=Progress(situation.progress.stage), checkpoint_dir=checkpoints,
                draw_weights=plan.draw_weights, groups=plan.groups, variants=plan.variants, frozen=plan.frozen,
                penalty=plan.penalty, weigher=plan.weigher, identity=plan.identity, told=plan.told(situation.store))
    return recogniser, curve


def _checkpoints(name: str, trial: int) -> Path:
    return paths.CHECKPOINTS / f"{name}-{trial + 1}"


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "arm", tuple(arm for arm in ARMS if arm not in MADE_FROM))
