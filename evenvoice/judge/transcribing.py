"""What registered models write of a corpus, as a table that is judged like any other.

Each model is asked batch by batch, in a process of its own. What it wrote is kept in a folder beside the judgement, so
that a call that was ended, by a limit or by a person, is gone on with by the same call.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final, cast

import pyarrow as pa

from evenvoice.data.checks import Prepared
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.tables import write_table
from evenvoice.errors import ParamsError, TrackingError, TransientError
from evenvoice.judge.served_corpus import SpokenCorpus, sent
from evenvoice.judge.served_notebook import Notebook, notebook
from evenvoice.judge.utterances import WRITTEN
from evenvoice.params import OWN_COLUMNS
from evenvoice.progress import Progress
from evenvoice.served import Described, Feed, OverdueError, Served, Transcriber

Open = Callable[[str, Feed | None], Transcriber]
"""Makes the model of an address, in the process that is to hold it."""
HYPOTHESES: Final = "hypotheses.parquet"
KEPT: Final = "What was heard is kept."
FAILED: Final = f"See what the model needs; --batch 1 finds the recording. {KEPT}"
ROWS_AT_ONCE: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How models are asked.

    Attributes:
        feed: None to go by what each model says of itself.
        batch: recordings that a model gets at once.
        batch_limit_s: a model that takes longer for one batch has failed.
        limit_s: of everything; None for no end.
    """

    feed: Feed | None = None
    batch: int = 16
    batch_limit_s: float = 600.0
    limit_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came of it.

    Attributes:
        table: recordings with their speakers, texts and what each model wrote, the base first.
        files: digests of the models and of the corpus.
        notes: what a reader of the judgement has to know.
    """

    table: Path
    files: dict[str, str]
    notes: tuple[str, ...]


def hear_corpus(models: Sequence[str], corpus: SpokenCorpus, folder: Path, open_model: Open, asking: Asking) -> Heard:
    """Let every model write down the corpus.

    Args:
        models: addresses, the base first.
        folder: where what they wrote is kept.

    Raises:
        CorpusError: too much of the corpus breaks a rule.
        TrackingError: a model cannot be loaded, raised an error, took too long, or answers with something else than
            texts; what was heard before is kept.
        TransientError: the time is over; what was heard is kept.
    """
    clock = _Clock(asking.limit_s)
    digest = corpus.sha256()
    texts: dict[str, dict[str, str]] = {}
    files = {corpus.path: digest}
    # the standard output is for the verdict
    with ExitStack() as stack, redirect_stdout(sys.stderr):
        for uri in models:
            with Served(partial(open_model, uri, asking.feed), name=f"the model {uri}") as model:
                described: Described = _call(model, "describe", clock, doing="be found in the registry")
                if described.name in texts:
                    raise ParamsError(name="--model", rule="name each model once", value=f"{described.uri} twice",
                                      action="Leave one of the two out.")
                rate = described.rate or corpus.settings.sample_rate
                about = {"model": described.uri, "identity": described.identity, "feed": described.feed, "rate": rate,
                         "corpus_sha256": digest}
                notes = stack.enter_context(notebook(folder, described.name, about))
                _Listener(model, described, rate, corpus, notes, asking, clock).listen()
            texts[described.name] = notes.texts
            files[described.uri] = hashlib.sha256(described.identity.encode()).hexdigest()
    table = folder / HYPOTHESES
    write_table(table, _table(corpus, texts))
    return Heard(table=table, files=files, notes=corpus.notes())


@dataclass
class _Clock:
    """The time that is left."""

    limit_s: float | None
    _started: float = field(default_factory=monotonic)

    def left_s(self, at_most: float | None = None) -> float | None:
        """At least 0; None without any limit."""
        whole = None if self.limit_s is None else max(0.0, self._started + self.limit_s - monotonic())
        limits = [limit for limit in (whole, at_most) if limit is not None]
        return min(limits, default=None)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.left_s() == 0


@dataclass(frozen=True)
class _Listener:
    """One model before one corpus."""

    model: Served
    described: Described
    rate: int
    corpus: SpokenCorpus
    notes: Notebook
    asking: Asking
    clock: _Clock

    def listen(self) -> None:
        """Let it write down what it has not written down yet."""
        progress = Progress(f"judge {self.described.name}", self.corpus.total, "recording")
        kept = sum(recording.key in self.notes.texts for recording in self.corpus.described())
        if kept:
            progress.resume_at(kept)
            progress.note(f"goes on after {kept} of {self.corpus.total} recordings that it wrote down before")
        remaining = (recording for recording in self.corpus.described() if recording.key not in self.notes.texts)
        # closed as soon as anything ends the loop: workers decode ahead of it
        with closing(cast("Any", self.corpus.audible(remaining, self.rate))) as audible:
            try:
                for number, batch in enumerate(_batches(audible, self.asking.batch)):
                    if not number:
                        _call(self.model, "load", self.clock, doing="be loaded")
                    self._add(batch, progress)
            except KeyboardInterrupt:
                progress.note(KEPT)
                raise

    def _add(self, batch: Sequence[tuple[Recording, Prepared]], progress: Progress) -> None:
        progress.total = self.corpus.total
        if self.clock.is_over:
            raise self._out_of_time(progress)
        try:
            texts = self._hear(batch)
        except OverdueError:
            if self.clock.is_over:
                raise self._out_of_time(progress) from None
            raise TrackingError(name=f"the model {self.described.uri}", value="no answer", action=FAILED,
                                rule=f"{_doing(batch)} within {self.asking.batch_limit_s:g} s (--batch-limit)",
                                ) from None
        self.notes.add({recording.key: text for (recording, _), text in zip(batch, texts, strict=True)})
        progress.advance(len(batch))

    def _hear(self, batch: Sequence[tuple[Recording, Prepared]]) -> list[str]:
        with TemporaryDirectory(prefix="evenvoice-") as scratch:
            recordings = [sent(recording, audio, self.described.feed, self.rate, Path(scratch))
                          for recording, audio in batch]
            texts: list[str] = self.model.call(
                "hear", recordings, limit_s=self.clock.left_s(self.asking.batch_limit_s), doing=_doing(batch),
                action=FAILED)
        return texts

    def _out_of_time(self, progress: Progress) -> TransientError:
        return TransientError(name="--time-limit", rule="leave time for every recording",
                              value=f"{self.corpus.total - progress.done} of {self.corpus.total} that "
                                    f"{self.described.uri} has not heard",
                              action=f"{KEPT} The same command goes on from there.")


def _doing(batch: Sequence[tuple[Recording, Prepared]]) -> str:
    key = batch[0][0].key
    return f"write down recording {key!r}" if len(batch) == 1 else (
        f"write down the {len(batch)} recordings that begin with {key!r}")


def _call(model: Served, method: str, clock: _Clock, *, doing: str) -> Any:
    """Have a model do what it may take all of the time for."""
    try:
        return model.call(method, limit_s=clock.left_s(), doing=doing, action="See what it needs where it is loaded: "
                          "its packages have to be those of this environment.")
    except OverdueError:
        raise TransientError(name="--time-limit", rule=f"leave the models time to {doing}", value=f"{clock.limit_s} s",
                             action="Give the same command again, or more time.") from None


def _batches(items: Iterator[tuple[Recording, Prepared]], size: int) -> Iterator[list[tuple[Recording, Prepared]]]:
    while batch := list(islice(items, size)):
        yield batch


def _table(corpus: SpokenCorpus, texts: dict[str, dict[str, str]]) -> pa.Table:
    """What was said and written, in the columns that `evenvoice judge` reads."""
    written = {f"{WRITTEN[0]}_{name}": of for name, of in texts.items()}
    schema = pa.schema([*((name, pa.string()) for name in ("utterance", "speaker", "text", *written, *OWN_COLUMNS)),
                        ("lat", pa.float64()), ("lon", pa.float64()),
                        *((column, pa.string()) for column in corpus.columns)])
    rows = ({**row, **{column: of[row["utterance"]] for column, of in written.items()}} for row in corpus.rows())
    batches = []
    while some := list(islice(rows, ROWS_AT_ONCE)):
        batches.append(pa.RecordBatch.from_pylist(some, schema=schema))
    table = pa.Table.from_batches(batches, schema=schema)
    known = {*OWN_COLUMNS, "lat", "lon"}
    return table.drop_columns([name for name in known if table[name].null_count == len(table)])
