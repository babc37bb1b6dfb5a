"""The page and the model card of the recogniser of several talkers, from the files of all earlier stages."""

from evenvoice.params import Params
from evenvoice.report.multitalker import Sources, read_multitalker, render_multitalker, render_multitalker_card
from evenvoice.storage import write_text
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Write reports/multitalker/index.html and model_card.md."""
    sources = Sources(mixtures=paths.MIXTURES, evaluation=paths.MULTITALKER,
                      verdict=paths.MULTITALKER_VERDICT, models=paths.MULTITALKER_MODELS)
    contents = read_multitalker(sources, params.report.min_speakers)
    write_text(paths.MULTITALKER_REPORT, render_multitalker(contents, seed=params.seed))
    write_text(paths.MULTITALKER_CARD, render_multitalker_card(contents, ingest=params.ingest))


if __name__ == "__main__":
    run_stage(main, __doc__)
