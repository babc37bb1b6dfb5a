"""A point of the learning curve: the base recogniser without a part of the bottom cohort's training speakers."""

from dataclasses import replace

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tables import write_table
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.hypotheses import TABLE, transcribe_recordings
from evenvoice.metrics.partitions import Partition, read_partition
from evenvoice.origins import SUMMARY as OF_MODEL
from evenvoice.origins import features_digest, model_digest
from evenvoice.params import PARTS, Params
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, read_json, write_json
from evenvoice.training.checkpoints import discard
from evenvoice.training.distributed import process_group
from evenvoice.training.launch import is_launcher, launch
from evenvoice.training.loop import fit
from evenvoice.training.scratch import training_seed, untrained
from evenvoice.training.settings import FitSettings
from evenvoice.wanted.thinning import FEWEST, MEASURED_ON, SUMMARY, Thinned, thinned, training_members
from stages import paths
from stages.entry import run_matrix_stage


def main(params: Params, part: str) -> None:
    """Train without some of the bottom cohort and transcribe; where there is nothing to learn, say why."""
    store = FeatureStore.open(paths.FEATURES)
    progress = Progress(f"thin@{part}")
    found = _thinned(params, store, part)
    summary = {"part": PARTS[part], "base": model_digest(paths.BASE_MODEL), "features": features_digest(paths.FEATURES)}
    if isinstance(found, str):
        progress.note(f"no learning curve: {found}")
        with fresh_directory(paths.LEARNING / part) as draft:
            write_json(draft / SUMMARY, {**summary, "refused": found})
        return
    if is_launcher(params.train.processes):
        launch("stages.thin", params.train.processes, part)
        return
    progress.note(f"{found.speakers} of the bottom cohort's {found.of} training speakers stay")
    seed = training_seed(params.seed)
    recogniser = untrained(params, store, Tokenizer.load(paths.TOKENIZER), seed)
    chosen_batch_s = read_json(paths.BASE_MODEL / OF_MODEL).get("chosen_batch_s")
    settings = FitSettings.for_base(params.train)
    checkpoints = paths.CHECKPOINTS / f"thin-{part}"
    with process_group() as world:
        fit(recogniser=recogniser, store=store, indices=found.indices, seed=seed, progress=progress,
            settings=replace(settings, batch_s=chosen_batch_s or settings.batch_s), checkpoint_dir=checkpoints)
        if not world.is_main:
            return
    heard = transcribe_recordings(recogniser, store, store.indices(*MEASURED_ON), params.transcribe,
                                  Progress(f"thin@{part}", unit="recording"))
    with fresh_directory(paths.LEARNING / part) as draft:
        write_table(draft / TABLE, heard.table)
        write_json(draft / SUMMARY, {**summary, "refused": "", "speakers": found.speakers, "of": found.of,
                                     "hours": found.hours})
    discard(checkpoints)


def _thinned(params: Params, store: FeatureStore, part: str) -> Thinned | str:
    """Who stays in training, or why there is nothing to learn."""
    partition = _partition(params)
    if not params.wanted.learn:
        return "wanted.learn is false"
    if not partition.comparable:
        return f"the {partition.method} method found no cohort that is worse off"
    members = training_members(paths.COHORTS / partition.method, partition.bottom)
    found = thinned(store, members, PARTS[part], params.seed)
    if found.of < FEWEST:
        return f"{partition.bottom} has {found.of} training speakers, {FEWEST} needed"
    return found


def _partition(params: Params) -> Partition:
    method = params.mitigate.cohorts
    source = paths.COHORTS / method / "description.json"
    return read_partition(method, read_json(source), str(source))


if __name__ == "__main__":
    run_matrix_stage(main, __doc__, "part", tuple(PARTS))
