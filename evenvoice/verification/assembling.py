"""The files of a verifier in use, put together without torch: a speaker encoder and its calibration.

    <directory>/model.safetensors, config.json   the speaker encoder
               /hearing.json                     how recordings become the features that it hears
               /calibration.json                 how a score becomes a likelihood ratio, and the threshold
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError
from evenvoice.origins import HEARING
from evenvoice.storage import write_json
from evenvoice.verification.calibration import Calibration

CALIBRATION: Final = "calibration.json"
ENCODER: Final = ("model.safetensors", "config.json", HEARING)


def assemble(model: Path, calibration: Any, into: Path) -> None:
    """Put an encoder and its calibration, as calibrations.json has it, into one folder.

    Raises:
        ArtifactError: a file of the encoder is missing.
    """
    into.mkdir(parents=True, exist_ok=True)
    for name in ENCODER:
        if not (model / name).is_file():
            raise ArtifactError(name=str(model / name), rule="exist", value="no such file",
                                action="Run the stage train_speaker again.")
        shutil.copyfile(model / name, into / name)
    write_json(into / CALIBRATION, Calibration.read(calibration, "calibrations.json").to_json())
