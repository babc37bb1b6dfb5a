"""Every file and folder that a parameter names, described by content: what corpus.json holds.

All but one: the cohorts of an earlier run reach the workspace as they are (dags/watched.py), since ingest would run
again for what corpus.json says.

Which parameters those are is said by the schema alone (``evenvoice.params.InputPath``), so one that is added later is
made absolute and described like the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from evenvoice.data.corpora.contents import Contents
from evenvoice.data.corpora.fingerprint import SYNTHETIC, content_of, fingerprint
from evenvoice.params import Params

CORPUS: Final = "ingest.corpus"
WATCHED: Final = "discover.watched.rules"
_SCHEMA: Final[dict[str, Any]] = Params.model_json_schema(by_alias=True)


def named_paths(params: Mapping[str, Any], schema: Mapping[str, Any] = _SCHEMA) -> dict[str, str]:
    """Dotted parameter -> the path that it names; parameters that name none are left out."""
    found: dict[str, str] = {}

    def collect(name: str, path: str) -> str:
        found[name] = path
        return path

    _with_paths(schema, params, schema, "", collect)
    return found


def absolute(root: Path, params: Mapping[str, Any], schema: Mapping[str, Any] = _SCHEMA) -> dict[str, Any]:
    """``params`` with each path meant from the checkout ``root``, since stages work elsewhere."""
    def change(name: str, path: str) -> str:
        if "://" in path or (name, path) == (CORPUS, SYNTHETIC):
            return path
        return os.path.realpath(root / Path(path).expanduser())

    changed: dict[str, Any] = _with_paths(schema, params, schema, "", change)
    return changed


def describe(params: Mapping[str, Any], contents: Contents | None = None) -> dict[str, Any]:
    """Describe what the parameters name, so that equal descriptions mean that nothing has changed.

    Args:
        contents: as :func:`evenvoice.data.corpora.fingerprint.fingerprint` takes it.

    Raises:
        ParamsError: a parameter names what does not exist.
        CorpusError: the corpus does not exist, or something cannot be read.
    """
    paths = named_paths(params)
    paths.pop(WATCHED, None)
    corpus = fingerprint(paths.pop(CORPUS, ""), params["ingest"]["select"], contents=contents)
    others = {name: content_of(path, parameter=name) for name, path in paths.items()}
    return {**corpus, "others": others} if others else corpus


def _with_paths(rules: Mapping[str, Any], value: Any, schema: Mapping[str, Any], name: str,
                change: Callable[[str, str], str]) -> Any:
    """``value`` with each path in it replaced by what ``change`` makes of its name and itself."""
    if reference := rules.get("$ref"):
        rules = schema["$defs"][reference.rpartition("/")[2]]
    if isinstance(value, str):
        is_path = any(option.get("is_input_path") for option in (rules, *rules.get("anyOf", ())))
        return change(name, value) if is_path and value else value
    for option in rules.get("anyOf", ()):
        value = _with_paths(option, value, schema, name, change)
    if isinstance(value, Mapping):
        fields, others = rules.get("properties", {}), rules.get("additionalProperties") or {}
        return {key: _with_paths(fields.get(key, others), inner, schema, f"{name}.{key}" if name else key, change)
                for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_paths(rules.get("items", {}), inner, schema, f"{name}.{place}", change)
                for place, inner in enumerate(value)]
    return value
