"""The registered model: transcribes audio given as bytes, as a path or as samples.

MLflow copies this file into the model and runs it when the model is loaded (models-from-code), so nothing is pickled.

Input, one row per recording, exactly one of the columns filled:

    audio     bytes of a WAV or FLAC file; base64 in JSON
    path      path of such a file where the model runs; refused behind HTTP, where a caller could otherwise have the
              server read out any recording it can open
    samples   mono float samples, at the rate of the parameter ``sample_rate``; full scale is [-1, 1], and what lies
              beyond, as integers do, is scaled down to it

A recogniser with a cohort input is told the parameter ``cohort`` of all recordings of a call; ``unknown``, the default,
is what any recogniser may be told.

Output: one column ``text``, in the order of the input.

    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@champion")
    model.predict({"path": "hello.wav"})
    model.predict(pandas.DataFrame({"audio": [first, second]}))
    model.predict({"samples": waveform}, params={"sample_rate": 8000})
    model.predict({"path": "hello.wav"}, params={"cohort": "region-1"})

    curl localhost:5000/invocations -H 'Content-Type: application/json' \\
        -d '{"dataframe_records": [{"audio": "'$(base64 -w0 hello.wav)'"}]}'
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from evenvoice.params import UNKNOWN
from evenvoice.tracking.manifest import verify
from evenvoice.tracking.served_audio import waveform_of

if TYPE_CHECKING:
    from evenvoice.models.recogniser import Recogniser


class ServedRecogniser(PythonModel):  # type: ignore[misc, unused-ignore]  # mlflow is typed only where it is installed
    """Loads the recogniser once, after checking every file against its hash."""

    _recogniser: Recogniser
    _max_duration_s: float

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the model files.

        Raises:
            ArtifactError: a file is missing, altered or unexpected; it is named.
        """
        from evenvoice.models.recogniser import Recogniser

        directory = Path(context.artifacts["recogniser"])
        verify(directory)
        self._recogniser = Recogniser.load(directory)
        self._max_duration_s = float(context.model_config["max_duration_s"])

    def predict(self, context: PythonModelContext | None, model_input: pd.DataFrame,
                params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Transcribe every row.

        Raises:
            RecordingRejected: a row fills none or several of the columns, or its audio cannot be used;
                the row is named.
            ParamsError: a cohort that the recogniser does not know.
        """
        cohort = str((params or {}).get("cohort", UNKNOWN))
        rate = int((params or {}).get("sample_rate", self._recogniser.sample_rate))
        rows = model_input.to_dict("records")
        return pd.DataFrame({"text": [self._transcribe(row, f"recording {number}", rate, cohort)
                                      for number, row in enumerate(rows, start=1)]}, dtype=object)

    def _transcribe(self, row: dict[Any, Any], name: str, rate: int, cohort: str) -> str:
        waveform = waveform_of(row, name, rate=rate, max_duration_s=self._max_duration_s)
        from evenvoice.decoding.stream import recognise

        return recognise(self._recogniser, waveform.samples, waveform.rate, cohort=cohort)[0].text


set_model(ServedRecogniser())
