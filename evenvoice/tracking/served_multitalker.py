"""The registered recogniser of two talkers: turns of recordings given as bytes, as paths or as samples.

MLflow copies this file into the model and runs it when the model is loaded (models-from-code), so nothing is pickled.

Input, one row per recording, exactly one of the columns filled, as :mod:`evenvoice.tracking.served_audio` has them:
``audio``, ``path`` or ``samples``.

Output, in the order of the input: one column ``turns`` of JSON texts. Each is a list of

    {"start_s": 0.84, "end_s": 3.12, "channel": 1, "text": "will it snow"}

by start. The channel is 1 or 2: whoever begins while another speaks is on the other one. It tells people apart who
speak at once, and does not say who they are. A turn whose start or end was never told begins with its first word, or
ends with its last one.

    model = mlflow.pyfunc.load_model("models:/evenvoice-multitalker@champion")
    json.loads(model.predict({"path": "meeting.wav"})["turns"][0])
    model.predict({"samples": waveform}, params={"sample_rate": 8000})
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from evenvoice.multitalker.formats import written
from evenvoice.tracking.manifest import verify
from evenvoice.tracking.served_audio import waveform_of

if TYPE_CHECKING:
    from evenvoice.models.recogniser import Recogniser


class ServedMultitalker(PythonModel):  # type: ignore[misc, unused-ignore]  # mlflow is typed only where it is installed
    """Loads the recogniser once, after checking every file against its hash."""

    _recogniser: Recogniser
    _max_duration_s: float

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the model files.

        Raises:
            ArtifactError: a file is missing, altered or unexpected; it is named.
        """
        from evenvoice.models.recogniser import Recogniser

        directory = Path(context.artifacts["multitalker"])
        verify(directory)
        self._recogniser = Recogniser.load(directory)
        self._max_duration_s = float(context.model_config["max_duration_s"])

    def predict(self, context: PythonModelContext | None, model_input: pd.DataFrame,
                params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Find the turns of every row.

        Raises:
            RecordingRejected: a row fills none or several of the columns, or its audio cannot be used;
                the row is named.
        """
        rate = int((params or {}).get("sample_rate", self._recogniser.sample_rate))
        rows = model_input.to_dict("records")
        return pd.DataFrame({"turns": [self._turns(row, f"recording {number}", rate)
                                       for number, row in enumerate(rows, start=1)]}, dtype=object)

    def _turns(self, row: dict[Any, Any], name: str, rate: int) -> str:
        from evenvoice.multitalker.transcribing import hear_recording

        waveform = waveform_of(row, name, rate=rate, max_duration_s=self._max_duration_s)
        found = hear_recording(self._recogniser, waveform.samples, waveform.rate)
        turns = json.loads(written(found, session=name, form="json"))["turns"]
        return json.dumps([{"start_s": turn["start_s"], "end_s": turn["end_s"],
                            "channel": int(turn["speaker"].rpartition("-")[2]), "text": turn["text"]}
                           for turn in turns], ensure_ascii=False)


set_model(ServedMultitalker())
