"""Large inputs are worked on in shards: mapped tasks before a stage, each of which computes some of its pieces.

How many there are is decided from the size of what the stage before wrote, for ingest from what corpus.json says of the
source. So for small corpora there are none, and Airflow skips the mapped task without running anything. The stage
itself stands in dvc.yaml as ever: it puts pieces together, computes what is missing, and has the same result without
any.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowSkipException

from dags.dvc_graph import SOURCE
from dags.operators import JobOperator, StageOperator, reported, run_of, runner_of, stage_job
from dags.plan import is_stale
from dags.runs import Run
from evenvoice import dvc_lock
from evenvoice.params import Params, load_params
from evenvoice.storage import read_json

if TYPE_CHECKING:
    from airflow.sdk import Context

SYNTHETIC_S: Final = 2.6
"""Length of a recording of the synthetic world, on the average."""
MOST_SHARDS: Final = 1000
"""Airflow maps over at most 1024 values unless it is set up otherwise (core.max_map_length)."""


class ShardedOutput(StageOperator):
    """A stage whose output others work on in shards; its task returns their names: ``1/16``, ``2/16``, ..."""

    def execute(self, context: Context) -> list[str]:
        super().execute(context)
        return shards_of(run_of(context), self.stage)


class ShardOperator(JobOperator):
    """Computes the pieces of one shard; tried again alone when it is lost."""

    template_fields = ()

    def __init__(self, *, stage: str, size: str, shard: str, **options: Any) -> None:
        super().__init__(**options)
        self.stage = stage
        self.size = size
        self.shard = shard

    def execute(self, context: Context) -> None:
        run = run_of(context)
        if not is_stale(run, self.stage):
            raise AirflowSkipException(f"{self.stage} is unchanged")
        job = stage_job(run, self.stage, self.size)
        number, _, count = self.shard.partition("/")
        with reported(run, self.stage) as ending:
            # a name of its own, and so a log and a container of its own
            self.work(replace(job, name=f"{job.name}-shard-{number}-of-{count}",
                              arguments=(*job.arguments, "--shard", self.shard)), runner_of(context))
            ending.state = "started"  # as the stage is, of which this was a part


def shards_of(run: Run, stage: str) -> list[str]:
    """The shards in which the output of ``stage`` is worked on; none where one process does it soon enough."""
    [out] = dvc_lock.entries(run.workspace / "dvc.lock")[stage]["outs"]
    return _shards(out["size"], load_params(run.workspace / "params.yaml"))


def shards_of_source(run: Run) -> list[str]:
    """The shards in which the corpus itself is worked on, by the bytes that lie there or that will be spoken."""
    params, described = load_params(run.workspace / "params.yaml"), read_json(run.workspace / SOURCE)
    world = params.synthetic
    spoken = world.speakers * max(world.train_utterances, world.other_utterances) * SYNTHETIC_S
    return _shards(described.get("bytes", spoken * params.ingest.sample_rate * 2), params)


def _shards(size: float, params: Params) -> list[str]:
    limit = params.resources.shard_gb * 1e9
    count = 0 if limit == 0 or size <= limit else min(MOST_SHARDS, math.ceil(size / limit))
    return [f"{number}/{count}" for number in range(1, count + 1)]
