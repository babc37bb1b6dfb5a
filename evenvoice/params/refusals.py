"""Values and names that break a rule are refused with the rule, what was given, and where it stands."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from evenvoice.errors import ParamsError
from evenvoice.params.section import names
from evenvoice.settings import Layer

_RULES: Final = {"missing": "be given", "extra_forbidden": "be a known name", "bool_type": "be true or false",
                 "model_type": "be a section of names and values", "string_type": "be a text",
                 "tuple_type": "be a list", "too_short": "hold one value at least"}
"""Where pydantic's own words would not help."""
_SPELLING: Final = {"string_type": " Put quotes around a text that looks like something else."}
ONE_OF: Final = "Input should be one of "
"""Begins the words about a name of a list that is not known, so that its refusal can suggest another."""
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
AnySection = TypeVar("AnySection", bound=BaseModel)


def check(section: type[AnySection], content: Any, layer: Layer) -> AnySection:
    """Validate ``content``, to which ``layer`` gave the last values.

    Raises:
        ParamsError: a rule is broken; unknown names come first, because a misspelt name is also a missing one.
    """
    try:
        return section.model_validate(content)
    except ValidationError as error:
        problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _refusal(section, problems, layer) from error


def refuse_unknown(given: Mapping[Any, Any], *, known: Collection[str], source: str) -> None:
    """Refuse single values whose dotted names are none of ``known``.

    Raises:
        ParamsError: it suggests the nearest name, or the dotted spelling of one that is written as a mapping.
    """
    for name, value in given.items():
        if name in known:
            continue
        dotted, single = str(name), value
        while isinstance(single, Mapping) and single and dotted not in known:
            below, single = next(iter(single.items()))
            dotted = f"{dotted}.{below}"
        if dotted in known and dotted != name:
            raise ParamsError(name=f"{source}: {name}", rule=f"be given by its dotted name {dotted}",
                              value=_short(value), action=f"Write {dotted} and its value, one name for each value.")
        first = next((other for other in known if other.startswith(f"{dotted}.")), None)
        rule = f"be the name of one value, such as {first}" if first else "be a known name"
        raise ParamsError(name=f"{source}: {dotted}", rule=rule, value=_short(single),
                          action=f"Correct {dotted} in {source}.{_nearest(dotted, known)}")


def _refusal(section: type[BaseModel], problems: list[Any], layer: Layer) -> ParamsError:
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole file"
    suggestion = ""
    if first["type"] == "extra_forbidden":
        suggestion = _nearest(field, list(names(section, sections=True)))
    elif ONE_OF in str(first["msg"]):
        suggestion = _nearest(first["input"], str(first["msg"]).partition(ONE_OF)[2].split(", "))
    spelling = _SPELLING.get(first["type"], "")
    others = f" ({len(problems) - 1} more problems follow.)" if len(problems) > 1 else ""
    return ParamsError(name=f"{layer.place(first['loc'])}: {field}", rule=_rule(first), value=_shown(first, layer),
                       action=f"Correct {field} in {layer.source}.{spelling}{suggestion}{others}")


def _nearest(name: str, known: Collection[str]) -> str:
    """``Did you mean train.steps?`` for train.stepz, or for stepz in a section of another name."""
    by_last = {other.rpartition(".")[2]: other for other in known}
    close = get_close_matches(name, known, n=1)
    close = close or [by_last[last] for last in get_close_matches(name.rpartition(".")[2], by_last, n=1)]
    return f" Did you mean {close[0]}?" if close else ""


def _rule(error: Any) -> str:
    if error["type"] in _RULES:
        return _RULES[error["type"]]
    message = str(error["msg"]).removeprefix("Value error, ")
    what_it_should_be = message.removeprefix("Input should be ")
    return f"satisfy: {message}" if what_it_should_be == message else f"be {what_it_should_be}"


def _shown(error: Any, layer: Layer) -> str:
    if error["type"] == "missing":
        return "nothing"
    return layer.written(error["loc"]) or _short(error["input"])


def _short(value: Any) -> str:
    return _SHORT.repr(value)
