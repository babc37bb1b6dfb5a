"""The form that Airflow shows before a run, made from the one schema of the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from airflow.sdk import Param

from dags.dvc_graph import Graph
from dags.pipelines import RECOGNISER
from dags.runners import RUNNERS, default_runner
from dags.workspace import RERUN, SHOW, Request
from dags.yaml_files import read_yaml
from evenvoice.params import Params, Section, check, names, refuse_unknown
from evenvoice.settings import Layer

CONF: Final = "the conf of this DAG run"
_SCHEMA: Final[dict[str, Any]] = Params.model_json_schema(by_alias=True)
_SWITCH: Final = {"true": True, "false": False}
"""A switch in the form has a third state, for "as it is", so it sends words."""
_RULES: Final = ("type", "enum", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


class RunValues(Section):
    """What the form asks beside the parameters."""

    profile: str
    corpus: str
    force: bool
    force_stage: str
    stale: Literal["show", "rerun"]
    verify: bool
    attended: bool
    runner: str


def choices() -> dict[str, tuple[str, ...]]:
    """Every value that each enumerated parameter may take in some run."""
    return {name: tuple(map(str, rules["enum"])) for name, rules in _parameters() if "enum" in rules}


def form(root: Path, graph: Graph) -> dict[str, Param]:
    """What a person may set for one run.

    A parameter that is left empty keeps the value of the profile, or of params.yaml where the profile has none. So the
    form shows the value of params.yaml in words rather than filling it in: a filled-in value would silently overrule
    the profile, and go stale when params.yaml changes.
    """
    stages = dict.fromkeys(name for node in graph for name in (node.group, node.name))
    profiles = sorted(path.stem for path in (root / "profiles").glob("*.yaml"))
    content = read_yaml(root / "params.yaml")
    run = {
        "profile": _choice(["", *profiles], "Values of profiles/<name>.yaml are laid over params.yaml.", "run"),
        "corpus": Param("", "Path of a corpus on this machine; empty takes ingest.corpus.", type="string",
                        section="run"),
        "force": Param(False, "Run every stage, also those whose inputs did not change.", type="boolean",
                       section="run"),
        "force_stage": _choice(["", *stages], "Run this stage, or this group, although nothing changed.", "run"),
        "stale": _choice([SHOW, RERUN], "Results that other packages, interpreters or processors made: show that they "
                         "are used again, or make them anew.", "run"),
        "verify": Param(False, "Read all content of a corpus on a disk, and say what was replaced although its size "
                               "and time stayed.", type="boolean", section="run"),
        "attended": Param(True, "Someone will answer when the verdict is INSUFFICIENT: ask for approval instead of "
                                "leaving the model at challenger.", type="boolean", section="run"),
        "runner": _choice(list(RUNNERS), "How stages are executed.", "run", default_runner()),
    }
    return run | {name: _parameter(name, rules, content) for name, rules in _parameters()}


def request_of(values: Mapping[str, Any], conf: Mapping[str, Any], *, dag: str = RECOGNISER.dag) -> Request:
    """Read what the form sent.

    Args:
        values: the parameters of the DAG with ``conf`` laid over them. Airflow checks the values of names that the
            form has, and hands on any other name as it is.
        conf: what was given for this run; looked at again, since Airflow may be told to lay it over nothing.

    Raises:
        ParamsError: a name that the form does not have, or a value of another kind than its name wants.
    """
    kinds = {name: rules.get("type") for name, rules in _parameters()}
    refuse_unknown({**values, **conf}, known=(*RunValues.model_fields, *names(Params)), source=CONF)
    asked = {name: value for name, value in values.items() if name in RunValues.model_fields}
    run = check(RunValues, asked, Layer(CONF, asked))
    changes = {name: _SWITCH.get(value, value) if kinds[name] == "boolean" and isinstance(value, str) else value
               for name, value in values.items() if name in kinds and value is not None}
    return Request(dag=dag, profile=run.profile, corpus=run.corpus, changes=changes, force=run.force,
                   force_stage=run.force_stage, stale=run.stale, verify=run.verify, given_in=CONF)


def _parameters() -> Iterator[tuple[str, dict[str, Any]]]:
    return _leaves(_SCHEMA, "")


def _leaves(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, rules in schema["properties"].items():
        if reference := rules.get("$ref"):
            yield from _leaves(_SCHEMA["$defs"][reference.rsplit("/", 1)[1]], f"{prefix}{name}.")
        elif "const" in rules:
            yield prefix + name, {**rules, "enum": [rules["const"]]}
        else:
            yield prefix + name, rules


def _parameter(name: str, rules: Mapping[str, Any], content: Mapping[str, Any]) -> Param:
    section, _, rest = name.partition(".")
    value: Any = content
    for part in name.split("."):
        value = value[part]
    help_text = f"{rules.get('description', '')} Empty: {value!r}, as in params.yaml, or what the profile says."
    schema = {rule: rules[rule] for rule in _RULES if rule in rules}
    if schema.get("type") == "boolean":  # a switch has no third state for "as it is"
        schema = {"type": "string", "enum": list(_SWITCH)}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if schema["type"] == "array":  # what is not a text is entered as JSON
        schema["items"] = {"type": rules["items"].get("type", "object")}
    kinds = schema["type"]
    schema["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
    return Param(None, help_text.strip(), schema={**schema, "title": name, "section": section if rest else "run"})


def _choice(values: list[str], help_text: str, section: str, default: str | None = None) -> Param:
    return Param(default or values[0], help_text, type="string", enum=values, section=section)
