"""Hypotheses and compute of one model on everyone but the training speakers."""

from evenvoice.data.pieces import Pieces, Shard
from evenvoice.data.schemas import HEARD
from evenvoice.decoding.hypotheses import Transcriber, compute_of
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import ORIGIN, PLACED, SUMMARY, Origin
from evenvoice.params import BASE, MODELS, Params
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, read_json, sha256, write_json
from evenvoice.training.distributed import current_world
from stages import paths
from stages.entry import run_matrix_stage


def main(params: Params, model: str, shard: str = "") -> None:
    """Features and a model in, hypotheses out; with ``shard``, only its pieces."""
    splits = _splits(model)
    progress = Progress(f"transcribe@{model}")
    recogniser = Recogniser.load(paths.MODELS / model)
    recogniser.transducer.to(current_world().device)
    placement = None if recogniser.cohorts is None else Placement.read(paths.MODELS / model / PLACED)
    transcriber = Transcriber(recogniser, params.transcribe, splits, progress, placement)
    pieces = Pieces(paths.PIECES / f"transcribe-{model}",
                    {**params.transcribe.model_dump(), "splits": splits, "model": _model_hashes(model)}, progress)
    if shard:
        transcriber.transcribe_pieces(paths.FEATURES, pieces, Shard.parse(shard))
        return
    found = transcriber.transcribe(paths.FEATURES, pieces)
    with fresh_directory(paths.HYPOTHESES / model) as draft:
        found.write_tables(draft)
        write_json(draft / "compute.json", compute_of(recogniser, found))
        write_json(draft / ORIGIN, Origin.of(model=paths.MODELS / model, features=paths.FEATURES).to_json())
    pieces.discard()


def _splits(model: str) -> tuple[str, ...]:
    if model == BASE:
        return HEARD
    left_out = read_json(paths.MODELS / model / SUMMARY).get("left_out")  # nobody asks what it would have said
    return () if left_out else HEARD


def _model_hashes(model: str) -> dict[str, str]:
    return {file.name: sha256(file) for file in sorted((paths.MODELS / model).iterdir())}


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "model", MODELS, sharded=True)
