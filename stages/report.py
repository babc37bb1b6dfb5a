"""The report and the model card, from the files of all earlier stages."""

from evenvoice.params import Params
from evenvoice.report import Sources, read_contents, render_model_card, render_page
from evenvoice.storage import write_text
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Write reports/index.html and reports/model_card.md."""
    sources = Sources(corpus=paths.CORPUS, evaluation=paths.EVALUATION, verdict=paths.VERDICT, cohorts=paths.COHORTS,
                      models=paths.MODELS, hypotheses=paths.HYPOTHESES)
    contents = read_contents(sources, params.report.min_speakers)
    write_text(paths.REPORT, render_page(contents, ingest=params.ingest, report=params.report, seed=params.seed))
    write_text(paths.MODEL_CARD, render_model_card(contents, ingest=params.ingest, seed=params.seed))


if __name__ == "__main__":
    run_stage(main, __doc__)
