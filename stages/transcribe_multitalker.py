"""Turns that the recogniser of two talkers hears in mixtures, and what the base recogniser hears in them."""

from evenvoice.multitalker.transcribing import transcribe_mixtures
from evenvoice.params import Params
from evenvoice.progress import Progress
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Mixtures and models in, turns out."""
    transcribe_mixtures(mixtures=paths.MIXTURES, model=paths.MULTITALKER_MODEL, base=paths.BASE_MODEL, out=paths.TURNS,
                        batch_s=params.evaluate_multitalker.batch_s, progress=Progress("transcribe_multitalker"))


if __name__ == "__main__":
    run_stage(main, __doc__)
