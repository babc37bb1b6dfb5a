"""How long the amortized model takes beside its dense control, on this machine."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.errors import ArtifactError
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import model_digest
from evenvoice.params import AMORTIZED, DENSE, Params
from evenvoice.progress import Progress
from evenvoice.saving.timing import ROUNDS, Features, time_batches, time_stream
from evenvoice.storage import write_json
from stages import paths
from stages.entry import run_stage

SPLIT: Final = "validate"
STREAM_S: Final = 60.0
"""Seconds of speech that are streamed; that, and ten times as much in batches, takes some ten seconds."""
BATCHES_S: Final = 600.0
TOGETHER: Final = 16
"""Recordings of a batch at most."""
BATCHES: Final = 8
"""At least, where there are so many recordings: of one batch nobody could tell how sure its time is."""


def main(params: Params) -> None:
    """Both models in, seconds out; what is measured differs from time to time, so DVC keeps the first answer."""
    found = _timed() if params.amortize.enabled else {"left_out": True}
    write_json(paths.TIMING, {**found, "models": {name: model_digest(paths.MODELS / name)
                                                  for name in (DENSE, AMORTIZED)}})


def _timed() -> dict[str, object]:
    dense, amortized = (Recogniser.load(paths.MODELS / name) for name in (DENSE, AMORTIZED))
    store = FeatureStore.open(paths.FEATURES)
    speech = store.indices(SPLIT)
    if not len(speech):
        raise ArtifactError(name=f"{SPLIT} split", rule="hold recordings to measure time on", value="none",
                            action="Give ingest.split.validate a larger share.")
    streamed, whole = (_first(store, speech, seconds) for seconds in (STREAM_S, BATCHES_S))
    together = max(1, min(TOGETHER, len(whole) // BATCHES))
    progress = Progress("timing", total=ROUNDS * (len(streamed) + -(-len(whole) // together)), unit="piece of speech")
    stream = time_stream(dense, amortized, streamed, progress)
    batches = time_batches(dense, amortized, whole, progress, together=together)
    progress.note(f"amortized takes {stream.ratio:.2f} of the time of its dense control in a stream "
                  f"({stream.ratio_low:.2f} to {stream.ratio_high:.2f}) and {batches.ratio:.2f} in batches "
                  f"({batches.ratio_low:.2f} to {batches.ratio_high:.2f})")
    return {"stream": asdict(stream), "batches": asdict(batches)}


def _first(store: FeatureStore, speech: NDArray[np.int64], seconds: float) -> Sequence[Features]:
    """As many recordings as hold so many seconds, at least one."""
    enough = 1 + int(np.searchsorted(np.cumsum(store.durations_s[speech]), seconds))
    return [store.features(int(i)) for i in speech[:enough]]


if __name__ == "__main__":
    run_stage(main, __doc__)
