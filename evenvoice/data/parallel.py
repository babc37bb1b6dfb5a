"""One function over many recordings on every core, with results in the order of the input.

Workers come from a fork server rather than a fork, since Arrow and others run threads in this process. At most a few
chunks are in flight, so memory stays flat however large the corpus is.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Final, TypeVar

from evenvoice.data.checks import label
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.fetching import ahead
from evenvoice.errors import CorpusError, RecordingRejected
from evenvoice.params import Ingest

T = TypeVar("T")
Work = Callable[[Recording, Ingest], T]
CHUNK: Final = 16
WORTH_A_POOL: Final = 64
"""Below this many recordings, starting workers takes longer than the work."""


def over_recordings(work: Work[T], recordings: Iterable[Recording],
                    settings: Ingest) -> Iterator[tuple[Recording, T | RecordingRejected]]:
    """Yield each recording with what ``work`` made of it, or with its rejection.

    Raises:
        CorpusError: a worker died, as hostile audio or too little memory may bring about.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    waiting = iter(recordings)
    first = list(islice(waiting, WORTH_A_POOL))
    chunks = _chunks(chain(first, waiting))
    if workers == 1 or len(first) < WORTH_A_POOL:
        for chunk in chunks:
            yield from zip(chunk, _run_chunk(work, chunk, settings), strict=True)
        return
    with ProcessPoolExecutor(workers, mp_context=_context()) as pool:
        yield from _windowed(pool, work, chunks, settings, window=4 * workers)


def _chunks(recordings: Iterator[Recording]) -> Iterator[list[Recording]]:
    while chunk := list(islice(recordings, CHUNK)):
        yield chunk


def _windowed(pool: ProcessPoolExecutor, work: Work[T], chunks: Iterator[list[Recording]], settings: Ingest,
              window: int) -> Iterator[tuple[Recording, T | RecordingRejected]]:
    running: deque[tuple[list[Recording], Future[list[T | RecordingRejected]]]] = deque()
    try:
        while True:
            for chunk in islice(chunks, window - len(running)):
                running.append((chunk, pool.submit(_run_chunk, work, chunk, settings)))
            if not running:
                return
            chunk, future = running.popleft()
            yield from zip(chunk, _result(future, chunk), strict=True)
    finally:
        for _, future in running:
            future.cancel()


def _result(future: Future[list[T | RecordingRejected]], chunk: Sequence[Recording]) -> list[T | RecordingRejected]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise CorpusError(name=f"{label(chunk[0])} or one soon after it",
                          rule="be readable without ending the process that reads it", value="a worker that died",
                          action="Free some memory, or remove the recording: decoding it crashes.") from error


def _run_chunk(work: Work[T], chunk: Sequence[Recording], settings: Ingest) -> list[T | RecordingRejected]:
    return [_run(work, fetched, settings) for fetched in ahead(chunk)]


def _run(work: Work[T], fetched: Callable[[], Recording], settings: Ingest) -> T | RecordingRejected:
    try:
        return work(fetched(), settings)
    except RecordingRejected as rejection:
        return rejection


def _context() -> multiprocessing.context.BaseContext:
    """A fork server that has numpy and libsndfile loaded already, so each worker starts at once."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
