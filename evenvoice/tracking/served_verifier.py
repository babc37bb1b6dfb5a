"""The registered verifier: tells whether two recordings, given as bytes or as paths, are of one speaker.

MLflow copies this file into the model and runs it when the model is loaded (models-from-code), so nothing is pickled.

Input, one row per pair, both recordings in the same form:

    first_audio, second_audio    bytes of WAV or FLAC files; base64 in JSON
    first_path, second_path      paths of such files where the model runs; refused behind HTTP, where a caller could
                                 otherwise have the server listen to any recording it can open

Output, in the order of the input: ``llr``, the natural logarithm of how much likelier the recordings are if one speaker
said both, and ``same``, whether that reaches the calibrated threshold. No embedding is ever returned.

    model = mlflow.pyfunc.load_model("models:/evenvoice-verifier@champion")
    model.predict({"first_path": "a.wav", "second_path": "b.wav"})
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from evenvoice.data.audio import Waveform, decode
from evenvoice.errors import RecordingRejected
from evenvoice.tracking.manifest import verify
from evenvoice.tracking.served_audio import is_filled, read_path

if TYPE_CHECKING:
    from evenvoice.verification.verifier import Verifier

FORMS = ("audio", "path")


class ServedVerifier(PythonModel):  # type: ignore[misc, unused-ignore]  # mlflow is typed only where it is installed
    """Loads the verifier once, after checking every file against its hash."""

    _verifier: Verifier
    _max_duration_s: float

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the model files.

        Raises:
            ArtifactError: a file is missing, altered or unexpected; it is named.
        """
        from evenvoice.verification.verifier import Verifier

        directory = Path(context.artifacts["verifier"])
        verify(directory)
        self._verifier = Verifier.load(directory)
        self._max_duration_s = float(context.model_config["max_duration_s"])

    def predict(self, context: PythonModelContext | None, model_input: pd.DataFrame,
                params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Compare the recordings of every row.

        Raises:
            RecordingRejected: a row has other columns filled than one form of both recordings, its audio cannot be
                used, or its recordings have different rates; the row is named.
        """
        answers = [self._compare(row, f"pair {number}")
                   for number, row in enumerate(model_input.to_dict("records"), start=1)]
        return pd.DataFrame({"llr": [answer.llr for answer in answers], "same": [answer.same for answer in answers]})

    def _compare(self, row: dict[Any, Any], name: str) -> Any:
        given = [form for form in FORMS if any(is_filled(row.get(f"{place}_{form}")) for place in ("first", "second"))]
        whole = len(given) == 1 and all(is_filled(row.get(f"{place}_{given[0]}")) for place in ("first", "second"))
        if not whole:
            filled = [column for column, value in row.items() if is_filled(value)]
            raise RecordingRejected(name=name, rule="fill first_audio and second_audio, or first_path and second_path",
                                    value=", ".join(map(str, filled)) or "none",
                                    action="Send both recordings in one form.")
        one, other = (self._verifier.hear(self._waveform(row[f"{place}_{given[0]}"], given[0], f"{name}, {place}"),
                                          f"{name}, {place}") for place in ("first", "second"))
        return self._verifier.compare(one, other)

    def _waveform(self, value: Any, form: str, name: str) -> Waveform:
        if form == "audio":
            return decode(bytes(value), name=name, max_duration_s=self._max_duration_s)
        return read_path(Path(value), name, self._max_duration_s,
                         instead="Send the files' bytes in first_audio and second_audio.")


set_model(ServedVerifier())
