"""The speaker encoder, trained on the train split with one weighting of speakers."""

from evenvoice.data.feature_store import FeatureStore
from evenvoice.params import WEIGHTINGS, Params
from evenvoice.progress import Progress
from evenvoice.speakers.trained import write_trained
from evenvoice.speakers.training import fit_encoder
from evenvoice.training.checkpoints import discard
from stages import paths
from stages.entry import run_matrix_stage


def main(params: Params, weighting: str) -> None:
    """Read features; write the encoder, its curve and its summary."""
    checkpoints = paths.CHECKPOINTS / f"speaker-{weighting}"
    fitted = fit_encoder(FeatureStore.open(paths.FEATURES), settings=params.train_speaker, featurize=params.featurize,
                         seed=params.seed, progress=Progress(f"train_speaker@{weighting}"), weighting=weighting,
                         weigh=getattr(params.weightings, weighting), checkpoints=checkpoints)
    write_trained(paths.SPEAKER_MODELS / weighting, fitted, features=paths.FEATURES, featurize=params.featurize,
                  sample_rate=params.ingest.sample_rate, weighting=weighting)
    discard(checkpoints)


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "weighting", WEIGHTINGS)
