"""The Airflow DAG `judge`: anybody's recogniser, by what it wrote or by what a registered model writes now."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow.sdk import DAG, Param, chain, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.operators import JobOperator, reported, run_of
from dags.runners.job import Job, JobError
from dags.runners.process import ProcessRunner
from dags.runs import Run
from dags.trigger_form import CONF
from evenvoice.params import Section, check, refuse_unknown
from evenvoice.settings import Layer
from evenvoice.storage import read_json

if TYPE_CHECKING:
    from airflow.sdk import Context

DOC = """
Judges whether a recogniser serves every group of speakers, as `evenvoice judge` does (docs/judge.md). Give what
recognisers wrote, or a registered model and recordings for it to hear.

Any verdict is a result, and the run is green: the log has the reasons, the XCom of the task `judge` the verdict and
where its page is. With *demand* PASS, a run that ends with another verdict is red.

A model that has not heard everything when the time limit is over is tried again, and goes on from there.
"""
VERDICTS: Final = {0: "PASS", 1: "FAIL", 4: "INSUFFICIENT"}
"""By the exit status of `evenvoice judge`."""
PASS: Final = VERDICTS[0]
VERDICT: Final = "verdict.json"


class Asked(Section):
    """What the form asks."""

    hypotheses: list[str]
    references: str
    utt2spk: str
    model: list[str]
    corpus: str
    feed: Literal["", "bytes", "paths", "arrays"]
    time_limit: float
    speakers: str
    embeddings: str
    by: list[str]
    normaliser: str
    unit: Literal["", "word", "character"]
    settings: list[str]
    record: bool
    demand: Literal["", "PASS"]


def _texts(description: str, section: str) -> Param:
    return Param([], description, type="array", items={"type": "string"}, section=section)


def _text(description: str, section: str) -> Param:
    return Param("", description, type="string", section=section)


WRITTEN, HEARD, PEOPLE, JUDGED = "what recognisers wrote", "or a registered model", "speakers", "judgement"
PARAMS = {
    "hypotheses": _texts("A table with utterance, speaker, text and pred_text (TSV, CSV, JSON lines, Parquet), or with "
                         "references a file for each recogniser. Paths on this machine.", WRITTEN),
    "references": _text("What was said, where each recogniser left a file (Kaldi's text, sclite's trn).", WRITTEN),
    "utt2spk": _text("The speaker of each utterance.", WRITTEN),
    "model": _texts("models:/NAME/VERSION or models:/NAME@ALIAS, the base first. Its packages have to be those of the "
                    "tasks.", HEARD),
    "corpus": _text("Recordings for it: a path on this machine or in an object store.", HEARD),
    "feed": Param("", "What it is handed; empty goes by its signature.", type="string",
                  enum=["", "bytes", "paths", "arrays"], section=HEARD),
    "time_limit": Param(0.0, "Seconds of one try; 0 for no limit. What was heard is kept for the next.", type="number",
                        minimum=0, section=HEARD),
    "speakers": _text("A table of what is known of each speaker.", PEOPLE),
    "embeddings": _text("A Parquet table of embeddings of speakers: clusters of voices are judged too.", PEOPLE),
    "by": _texts("Columns whose groups are judged; empty takes gender, age_band, accent and country.", PEOPLE),
    "normaliser": Param("evenvoice", "evenvoice, none, english, or module:function.", type="string", minLength=1,
                        section=JUDGED),
    "unit": Param("", "What is counted; empty goes by the script.", type="string", enum=["", "word", "character"],
                  section=JUDGED),
    "settings": _texts("Changes such as gate.max_gap=0.3.", JUDGED),
    "record": Param(True, "Keep the judgement in MLflow too.", type="boolean", section=JUDGED),
    "demand": Param("", "PASS makes the run fail on any other verdict.", type="string", enum=["", PASS],
                    section=JUDGED),
}


class JudgeOperator(JobOperator):
    """`evenvoice judge` as a process beside Airflow, whatever runs stages: it reads the tables of this machine."""

    def execute(self, context: Context) -> dict[str, str]:
        """Judge, and return the verdict and where its page is."""
        run = run_of(context)
        with reported(run, self.task_id):
            asked = asked_of(context["params"], context["dag_run"].conf or {})
            out = folder(run)
            run.directory.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(out, ignore_errors=True)  # of an earlier try, which another one must not take for its own
            job = Job(name=self.task_id, run=run, directory=run.directory, trusted=True,
                      arguments=("-m", "evenvoice", "judge", *command_line(asked, run.root, out)),
                      environment={"EVENVOICE_PROGRESS": str(run.progress), "EVENVOICE_HOME": str(run.state),
                                   "PYTHONPATH": str(run.root)})
            try:
                self.work(job, ProcessRunner())
            except JobError as error:
                # Python itself ends with 1 where evenvoice cannot even be imported
                if error.exit_code not in VERDICTS or not (out / VERDICT).exists():
                    raise
        return {"verdict": read_json(out / VERDICT)["verdict"], "out": str(out)}


def asked_of(values: Mapping[str, Any], conf: Mapping[str, Any]) -> Asked:
    """Read what the form sent; see :func:`dags.trigger_form.request_of`.

    Raises:
        ParamsError: a name that the form does not have, or a value of another kind than its name wants.
    """
    refuse_unknown({**values, **conf}, known=tuple(PARAMS), source=CONF)
    content = {name: values[name] for name in PARAMS if name in values}
    return check(Asked, content, Layer(CONF, content))


def command_line(asked: Asked, root: Path, out: Path) -> list[str]:
    """Arguments of `evenvoice judge`; what the form leaves empty is left out."""
    given = {"--references": _path(asked.references, root), "--utt2spk": _path(asked.utt2spk, root),
             "--corpus": _path(asked.corpus, root), "--feed": asked.feed,
             "--time-limit": f"{asked.time_limit:g}" if asked.time_limit else "",
             "--speakers": _path(asked.speakers, root), "--embeddings": _path(asked.embeddings, root),
             "--by": ",".join(asked.by), "--normaliser": asked.normaliser, "--unit": asked.unit}
    several = [("--model", model) for model in asked.model] + [("--set", change) for change in asked.settings]
    # joined by "=", so that no value is taken for an option
    options = [f"{name}={value}" for name, value in [*given.items(), *several] if value]
    # last, since --record would take what stands behind it for an address
    return [*options, f"--out={out}", *(_path(path, root) for path in asked.hypotheses),
            *(["--record"] if asked.record else [])]


def folder(run: Run) -> Path:
    """Where the page and verdict.json of a run lie."""
    return run.state / "judged" / run.directory.name


def _path(path: str, root: Path) -> str:
    """A path of the form begins at the checkout."""
    return path if not path or "://" in path else str(root / path)


@task(task_id="demand", doc_md="Fails the run where the form demands another verdict.")
def demand(**context: Any) -> None:
    """See that the verdict is the one that was demanded."""
    wanted, told = context["params"]["demand"], context["ti"].xcom_pull(task_ids="judge")
    if not wanted:
        raise AirflowSkipException("any verdict is a result")
    if told["verdict"] != wanted:
        raise AirflowFailException(f"the verdict is {told['verdict']}, and {wanted} is demanded; the log of the task "
                                   f"judge has the reasons, and {told['out']} the page")


with DAG("judge", doc_md=DOC, description="Anybody's recogniser, judged by what it wrote", schedule=None,
         catchup=False, tags=["evenvoice"], params=PARAMS):
    chain(JudgeOperator(task_id="judge", doc_md="Runs `evenvoice judge`."), demand())
