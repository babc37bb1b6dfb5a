"""The page and the model card of a speaker verifier, from the files of all earlier stages."""

from evenvoice.params import Params
from evenvoice.report.verifier import Sources, read_verifier, render_verifier, render_verifier_card
from evenvoice.storage import write_text
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Write reports/verifier/index.html and model_card.md."""
    sources = Sources(corpus=paths.CORPUS, verification=paths.VERIFICATION, verdict=paths.VERIFIER_VERDICT,
                      models=paths.SPEAKER_MODELS)
    contents = read_verifier(sources, params.report.min_speakers)
    write_text(paths.VERIFIER_REPORT, render_verifier(contents, seed=params.seed))
    write_text(paths.VERIFIER_CARD, render_verifier_card(contents, ingest=params.ingest))


if __name__ == "__main__":
    run_stage(main, __doc__)
