"""Reads YAML by libyaml, ten times as fast as in pure Python: dvc.lock is read once for every stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from evenvoice.errors import ParamsError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a file holds.

    Raises:
        ParamsError: the file is missing, is not YAML, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        raise ParamsError(name=str(path), rule="exist", value="no such file",
                          action="Run from the root of a checkout.") from None
    except yaml.YAMLError as error:
        raise ParamsError(name=str(path), rule="be YAML", value=" ".join(str(error).split()),
                          action="Correct the line it names.") from error
    if not isinstance(content, dict):
        raise ParamsError(name=str(path), rule="hold a mapping of names to values", value=repr(content)[:60],
                          action="Look at params.yaml for the form.")
    return content
