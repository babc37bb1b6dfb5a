"""Files of YAML whose values were checked before, or that a tool wrote: params.yaml of a workspace, dvc.yaml, dvc.lock.

They are read in the same dialect as settings (evenvoice/settings.py), and by libyaml: dvc.lock is read once for every
stage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evenvoice.settings import mapping_of, parse, read_text


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a file holds.

    Raises:
        ParamsError: the file is missing, is not YAML, or holds no mapping.
    """
    return mapping_of(parse(read_text(path, str(path)), str(path)))
