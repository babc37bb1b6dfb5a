"""The base model trained on with gates that switch parts of its encoder off, or its control, trained on without."""

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import Arbitrators
from evenvoice.origins import SUMMARY, features_digest, model_digest
from evenvoice.params import AMORTIZED, DENSE, SAVINGS, Amortize, Params
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from evenvoice.training.amortising import Amortising
from evenvoice.training.checkpoints import discard
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings
from evenvoice.training.trained import leave_out, write_trained
from stages import paths
from stages.entry import run_matrix_stage

SEED = 9
"""Sets this stage's random numbers apart; both models share them, so they see the same speech in the same order."""
TITLES = {DENSE: "Dense (trained on alike)", AMORTIZED: "Amortized"}


def main(params: Params, name: str) -> None:
    """Train on all training speakers, as long with gates as without."""
    settings, progress = params.amortize, Progress(f"amortize@{name}")
    summary = {"title": TITLES[name], "control": name == DENSE, "base": model_digest(paths.BASE_MODEL),
               "features": features_digest(paths.FEATURES)}
    base = Recogniser.load(paths.BASE_MODEL)
    if not settings.enabled:
        leave_out(paths.MODELS / name, base, summary, progress, "amortize.enabled is false")
        return
    seed = int(np.random.SeedSequence([params.seed, SEED]).generate_state(1)[0])
    store = FeatureStore.open(paths.FEATURES)
    checkpoints = paths.CHECKPOINTS / name
    learner = base if name == DENSE else base.with_gates(_arbitrators(settings), seed=seed)
    progress.note(f"{TITLES[name]}: {learner.cost}")
    curve = fit(recogniser=learner, store=store, indices=store.indices("train"),
                settings=FitSettings.for_mitigation(
                    params.train, steps=settings.steps, learning_rate=settings.learning_rate,
                    chosen_batch_s=read_json(paths.BASE_MODEL / SUMMARY).get("chosen_batch_s")),
                seed=seed, progress=progress, checkpoint_dir=checkpoints,
                amortising=None if name == DENSE else _amortising(settings))
    write_trained(paths.MODELS / name, learner, curve, **summary)
    discard(checkpoints)


def _arbitrators(settings: Amortize) -> Arbitrators:
    return Arbitrators(see="input" if settings.arbitrators == "each" else "stem", hidden=settings.hidden)


def _amortising(settings: Amortize) -> Amortising:
    return Amortising(weight=settings.weight, target=settings.wanted_share, warmup_share=settings.warmup_share)


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "saving", SAVINGS)
