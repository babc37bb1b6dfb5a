"""One unit-length embedding per speaker and split: the mean over the speaker's recordings."""

from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.speakers import embedding
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Read features and the speaker encoder; write embeddings."""
    embedding.embed(features=paths.FEATURES, model=paths.SPEAKER_MODELS / params.discover.clusters.speaker_model,
                    out=paths.EMBEDDINGS, batch_s=params.embed.batch_s, progress=Progress("embed"))


if __name__ == "__main__":
    run_stage(main, __doc__)
