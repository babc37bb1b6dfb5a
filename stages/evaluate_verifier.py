"""Error rates of every verifier for every group; the challenger is chosen on discover and validate speakers."""

from evenvoice.params import WEIGHTINGS, Params
from evenvoice.progress import Progress
from evenvoice.verification.evaluation import Settings, evaluate
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Scored trials and what is known of speakers in, tables out."""
    evaluate(trials=paths.TRIALS, models=paths.SPEAKER_MODELS, corpus=paths.CORPUS, embeddings=paths.EMBEDDINGS,
             out=paths.VERIFICATION, names=WEIGHTINGS,
             settings=Settings(verify=params.verify, gate=params.verifier_gate, evaluate=params.evaluate,
                               seed=params.seed),
             progress=Progress("evaluate_verifier"))


if __name__ == "__main__":
    run_stage(main, __doc__)
