"""Anybody's registered model as something that writes down recordings.

What it is handed follows from its signature: a column of bytes gets WAV files, a column of strings gets paths, a column
of numbers or a tensor gets samples. What it answers may be texts in any of the usual forms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from evenvoice.errors import EvenvoiceError, ParamsError, PreflightError, TrackingError
from evenvoice.served import FEEDS, Described, Feed
from evenvoice.tracking.location import Location
from evenvoice.tracking.served_audio import COLUMNS
from evenvoice.tracking.store import Pyfunc, Store

ADDRESS: Final = re.compile(r"models:/(?P<name>[^/@']+)(?:/(?P<number>\d+)|/latest|@(?P<alias>[^/@]+))")
KINDS: Final[Mapping[str, Feed]] = {"binary": "bytes", "string": "paths", "float": "arrays", "double": "arrays"}
"""MLflow's words for types of columns; numbers stand in lists."""
UNTOLD: Final[Mapping[Feed, str]] = dict(zip(FEEDS, COLUMNS, strict=True))
"""Columns for models without a signature."""
TEXT: Final = "text"
RATE: Final = "sample_rate"


@dataclass(frozen=True, kw_only=True)
class Input:
    """How a model takes recordings.

    Attributes:
        column: None for one without a name.
        shape: of a tensor that holds one recording; None where recordings are rows of a table.
        dtype: of its numbers.
    """

    feed: Feed
    column: str | None
    shape: tuple[int, ...] | None = None
    dtype: str = "float32"


class PyfuncTranscriber:
    """A registered model; see :class:`evenvoice.served.Transcriber`."""

    def __init__(self, store: Store, found: Pyfunc, takes: Input) -> None:
        self._store, self._found, self._takes = store, found, takes
        self._model: Any = None

    def describe(self) -> Described:
        """Tell what it is, without loading it."""
        rate = self._found.metadata.get(RATE, self._found.defaults.get(RATE))
        return Described(uri=self._found.uri, name=f"{self._found.name}-{self._found.version}", rate=rate,
                         identity=self._found.identity, feed=self._takes.feed)

    def load(self) -> None:
        """Load it."""
        self._model = self._store.load_pyfunc(self._found.uri)

    def hear(self, recordings: list[Any]) -> list[str]:
        """Write down recordings.

        Raises:
            TrackingError: it answers with something else than a text for each.
        """
        # one by one: recordings of unequal lengths make no tensor
        batches = [recordings] if self._takes.shape is None else [[recording] for recording in recordings]
        return [text for batch in batches for text in texts_of(self._answer(batch), len(batch), self._found.uri)]

    def _answer(self, recordings: list[Any]) -> Any:
        try:
            return self._model.predict(handed(recordings, self._takes))
        except EvenvoiceError as error:  # it knows a recording by its place in the batch; whoever asks knows its name
            raise RuntimeError(f"{type(error).__name__}: {error}") from error


def open_pyfunc(uri: str, feed: Feed | None) -> PyfuncTranscriber:
    """Find a model in the registry that MLFLOW_TRACKING_URI names, or in the one of this checkout.

    Args:
        feed: what it is to be handed; None to go by its signature.

    Raises:
        ParamsError: the address is none of a registered model, there is no registry, or the model does not take that.
        PreflightError: MLflow is not installed.
        TrackingError: there is no such model.
        TransientError: MLflow does not answer.
    """
    address = ADDRESS.fullmatch(uri)
    if address is None:
        raise ParamsError(name="--model", rule="be models:/NAME/VERSION, models:/NAME@ALIAS or models:/NAME/latest",
                          value=uri, action="Register the model, and give the address of a version.")
    if find_spec("mlflow") is None:
        raise PreflightError(name="--model", rule="find the package mlflow", value="none in this environment",
                             action='Run pip install "evenvoice[control]", with what the model itself needs.')
    location = Location.from_environment()
    if location.database is not None and not location.database.exists():
        raise ParamsError(name="MLFLOW_TRACKING_URI", rule="name the registry of the model",
                          value=f"no database {location.database}", action="Set it to the address of the registry.")
    store = Store(location)
    found = store.pyfunc(address["name"], number=address["number"], alias=address["alias"])
    return PyfuncTranscriber(store, found, input_of(found, feed))


def input_of(found: Pyfunc, feed: Feed | None) -> Input:
    """How to hand it recordings: as it is told to, or else as its signature says.

    Raises:
        ParamsError: nothing says it, it does not take what it is told to, or wants more than a recording.
    """
    if found.inputs is None:
        if feed is None:
            raise ParamsError(name=f"--feed for {found.uri}", value="nothing", action="Name one; the model's author "
                              "knows which.", rule=f"be one of {', '.join(FEEDS)}, since the model has no signature")
        return Input(feed=feed, column=UNTOLD[feed])
    fitting = [entry for entry in map(_taken, found.inputs) if entry is not None and feed in (None, entry.feed)]
    wanted = [entry for kind in FEEDS for entry in fitting if entry.feed == kind]
    needed = [entry.get("name") for entry in found.inputs if entry.get("required", True)]
    chosen = next((entry for entry in wanted if set(needed) <= {entry.column}), None)
    if chosen is None:
        takes = ", ".join(f"{entry.get('name', 'a column')} ({entry['type']})" for entry in found.inputs)
        raise ParamsError(name=f"the model {found.uri}", value=f"a signature of {takes}",
                          rule=f"take recordings as {feed or ' or '.join(FEEDS)}, and need nothing else",
                          action="Correct --feed, or register the model with a signature of one such column.")
    return chosen


def handed(recordings: list[Any], takes: Input) -> Any:
    """Recordings as a table of one column, or one of them as a tensor."""
    import numpy as np
    import pandas as pd

    if takes.shape is None:
        return pd.DataFrame({0 if takes.column is None else takes.column: pd.Series(recordings, dtype=object)})
    tensor = np.asarray(recordings[0], dtype=takes.dtype).reshape((1,) * (len(takes.shape) - 1) + (-1,))
    return tensor if takes.column is None else {takes.column: tensor}


def texts_of(answer: Any, count: int, uri: str) -> list[str]:
    """What a model answered, as a text for each recording.

    Args:
        answer: texts, or dicts that hold one as ``text``, in a list, an array, a series or a data frame; of a single
            recording also by itself.

    Raises:
        TrackingError: it is something else.
    """
    texts = [_text(item) for item in _items(answer)]
    if len(texts) != count or any(text is None for text in texts):
        raise TrackingError(name=f"the model {uri}", rule=f"answer with {count} texts, or as many dicts with {TEXT!r}",
                            value=_shown(answer), action="Register a model that returns transcripts, in the order of "
                                                         "its input.")
    return [text for text in texts if text is not None]


def _taken(entry: Mapping[str, Any]) -> Input | None:
    """What a part of a signature takes; None for what no recording comes as."""
    if entry["type"] == "tensor":
        dtype, shape = entry["tensor-spec"]["dtype"], tuple(entry["tensor-spec"]["shape"])
        return Input(feed="arrays", column=entry.get("name"), shape=shape, dtype=dtype) if "float" in dtype else None
    kind = entry["items"].get("type") if entry["type"] == "array" else entry["type"]
    feed = KINDS.get(kind)
    if feed is None or (feed == "arrays") != (entry["type"] == "array"):
        return None
    return Input(feed=feed, column=entry.get("name"))


def _items(answer: Any) -> Sequence[Any]:
    if hasattr(answer, "columns"):  # a data frame: its texts, or its only column
        columns = list(answer.columns)
        column = TEXT if TEXT in columns else columns[0] if len(columns) == 1 else None
        return [] if column is None else list(answer[column])
    if isinstance(answer, Mapping) and isinstance(answer.get(TEXT), list | tuple):
        return list(answer[TEXT])
    if isinstance(answer, str | Mapping):
        return [answer]
    try:
        return list(answer)
    except TypeError:
        return []


def _text(item: Any) -> str | None:
    found = item.get(TEXT) if isinstance(item, Mapping) else item
    return str(found) if isinstance(found, str) else None


def _shown(answer: Any) -> str:
    text = " ".join(repr(answer).split())
    return f"{type(answer).__name__} {text if len(text) <= 80 else f'{text[:77]}...'}"
