"""Hypotheses and compute of one model on everyone but the training speakers."""

from typing import Final

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tables import write_table
from evenvoice.decoding.hypotheses import transcribe_recordings
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Params
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json
from evenvoice.training.distributed import current_world
from stages import paths
from stages.entry import run_matrix_stage

MODELS: Final = ("base", "finetune", "l2sp", "ewc", "oversample", "placebo")


def main(params: Params, model: str) -> None:
    """Cohorts are discovered with the base model alone, so only it needs the discovery speakers."""
    splits = ("discover", "validate", "test") if model == "base" else ("validate", "test")
    store = FeatureStore.open(paths.FEATURES)
    recogniser = Recogniser.load(paths.MODELS / model)
    recogniser.transducer.to(current_world().device)
    found = transcribe_recordings(recogniser, store, store.indices(*splits), params.transcribe,
                                  Progress(f"transcribe@{model}"))
    with fresh_directory(paths.HYPOTHESES / model) as draft:
        write_table(draft / "hypotheses.parquet", found.table)
        write_json(draft / "compute.json", found.compute)


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "model", MODELS)
