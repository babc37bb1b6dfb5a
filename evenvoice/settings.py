"""Reads YAML the way DVC does, and refuses in settings what another reader of YAML would take for something else.

YAML 1.1, which PyYAML speaks, takes 01200 for 640, 20:00 for 1200, `yes` for true and 1e-3 for a text. To YAML 1.2,
which DVC speaks, they are 1200, a text, a text and 0.001. So words and numbers mean here what they mean in YAML 1.2.
Where a person writes, in settings, more is refused, with its line: plain values that readers disagree about, and names
that stand twice. What DVC wrote (dvc.lock) is only read in the same dialect; it may hold such values as texts.

Values come in layers (params.yaml, a profile, the command line or a form); a layer knows where each of its values
stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from evenvoice.errors import ParamsError

_TAG: Final = "tag:yaml.org,2002:"
_DEEPEST: Final = 20
"""Settings nest three deep. Beyond some ten thousand libyaml's older readers end the whole process."""
_TOO_DEEP: Final = "nesting depth"
"""What newer ones say."""
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+"
                           r"|[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)"
                           r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DISPUTED: Final = re.compile(r"[-+]?0[0-9_]+|[-+]?0[box][0-9a-fA-F_]+"  # bases 8, 2 and 16
                              r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"  # base 60
                              r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"  # a date, or a text
                      r"|[-+]?\.[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]_[0-9_]*|[-+]?\._[0-9_]*|=")


@dataclass(frozen=True)
class Layer:
    """Values that were given in one place."""

    source: str
    """As a person calls it: params.yaml, SET, the conf of this DAG run."""
    content: Any
    node: yaml.Node | None = field(default=None, repr=False, compare=False)
    """What the content was made of; it knows lines, and values as they were written."""

    def place(self, path: tuple[int | str, ...]) -> str:
        """``params.yaml, line 131``, or the source alone where there are no lines; for what is missing, its section."""
        lines = [line for line, _ in self._steps(path)]
        return f"{self.source}, line {lines[-1]}" if lines else self.source

    def written(self, path: tuple[int | str, ...]) -> str | None:
        """The plain word or number as it stands in the file; None where there is none."""
        steps = list(self._steps(path))
        node = steps[-1][1] if path and len(steps) == len(path) else None
        return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag != _TAG + "str" else None

    def _steps(self, path: tuple[int | str, ...]) -> Iterator[tuple[int, yaml.Node]]:
        """Line and node of each part of ``path``, as far as it goes."""
        node = self.node
        for part in path:
            below = None
            if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                below = (node.value[part], node.value[part])
            elif isinstance(node, yaml.MappingNode):  # a value of its own follows those that were merged in
                below = next((pair for pair in reversed(node.value) if str(pair[0].value) == str(part)), None)
            if below is None:
                return
            node = below[1]
            yield below[0].start_mark.line + 1, node


def read_settings(path: Path, source: str = "") -> Layer:
    """The layer that a file of settings gives; ``source`` is its name in errors, by default its path.

    Raises:
        ParamsError: the file cannot be read, is not YAML, holds no mapping, or one that readers disagree about.
    """
    source = source or str(path)
    layer = _read(_Text(read_text(path, source), source), strict=True)
    mapping_of(layer)
    return layer


def read_value(text: str, name: str, source: str) -> Any:
    """One value as it would be read behind ``name:`` in a file of settings.

    Raises:
        ParamsError: it is not YAML, or readers disagree about it.
    """
    return _read(_Text(text, source, name), strict=True).content


def parse(text: str, source: str) -> Layer:
    """YAML 1.2 as data, with nothing refused that is YAML.

    Raises:
        ParamsError: it is not YAML, or more than plain data.
    """
    return _read(_Text(text, source), strict=False)


def mapping_of(layer: Layer) -> dict[str, Any]:
    """The content of a file that holds names and values.

    Raises:
        ParamsError: it holds something else.
    """
    if not isinstance(layer.content, dict):
        raise ParamsError(name=layer.source, rule="hold a mapping of names to values",
                          value="nothing" if layer.content is None else repr(layer.content)[:60],
                          action="Look at params.yaml for the form.")
    return layer.content


def read_text(path: Path, source: str) -> str:
    """A file of settings as text.

    Raises:
        ParamsError: it is missing, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(name=source, rule="exist", value="no such file",
                          action="Run from the root of a checkout.") from None
    except OSError as error:
        raise ParamsError(name=source, rule="be a file that can be read", value=error.strerror or str(error),
                          action="Correct the path or its permissions.") from error
    except UnicodeDecodeError as error:
        line, byte = error.object.count(b"\n", 0, error.start) + 1, error.object[error.start]
        raise ParamsError(name=f"{source}, line {line}", rule="be UTF-8", value=f"the byte 0x{byte:02x}",
                          action="Save the file as UTF-8.") from error


def dump(content: Any) -> str:
    """YAML that this module, DVC and PyYAML read alike: whatever any of them takes for a number or a word is quoted.

    Names stay in their order; equal content gives equal text.
    """
    return str(yaml.dump(content, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=1000))


@dataclass(frozen=True)
class _Text:
    """What is read, and what it is called in errors."""

    content: str
    source: str
    name: str = ""
    """Of the one value that all of the text is, if it is; its lines say nothing then."""

    def place(self, line: int | None, *path: str) -> str:
        """``params.yaml, line 131: gate.max_gap``."""
        where = self.source if line is None or self.name else f"{self.source}, line {line}"
        dotted = ".".join(filter(None, (self.name, *path)))
        return f"{where}: {dotted}" if dotted else where


def _read(text: _Text, *, strict: bool) -> Layer:
    with _must_be_yaml(text):
        if strict:
            _demand_shallow(text)
        reader = _Reader(text.content)
        node = reader.get_single_node()
        if strict and node is not None:  # before mappings are merged, and names stand twice for that
            _demand_clear(node, text, (), set())
        return Layer(text.source, None if node is None else reader.construct_document(node), node)


def _demand_shallow(text: _Text) -> None:
    """Count before anything is built: see :data:`_DEEPEST`."""
    depth = 0
    try:
        for event in yaml.parse(text.content, Loader=_Reader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise _too_deep(text, event.start_mark)
    except yaml.MarkedYAMLError as error:
        if _TOO_DEEP in str(error):
            raise _too_deep(text, error.problem_mark) from error
        raise


def _too_deep(text: _Text, mark: Any) -> ParamsError:
    return ParamsError(name=text.place(mark.line + 1 if mark else None), rule=f"nest at most {_DEEPEST} deep",
                       value="more", action="Look at params.yaml for the form.")


def _demand_clear(node: yaml.Node, text: _Text, path: tuple[str, ...], seen: set[int], *, flow: bool = False) -> None:
    """Every name once, and no value that another reader takes for something else; ``flow`` is between brackets."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        _demand_undisputed(node, text, path, flow=flow)
    if isinstance(node, yaml.SequenceNode):
        for number, below in enumerate(node.value):
            _demand_clear(below, text, (*path, str(number)), seen, flow=flow or bool(node.flow_style))
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for name, below in node.value:
            if isinstance(name, yaml.ScalarNode):  # another kind cannot be a name, and is refused as such
                line, key = name.start_mark.line + 1, (name.tag, name.value)
                if key in lines:
                    raise ParamsError(name=text.place(line, *path, name.value), rule="stand once",
                                      value=f"it here and on line {lines[key]}", action="Keep one of the two.")
                lines[key] = line
                inside = flow or bool(node.flow_style)
                _demand_readable(name, text, (*path, name.value), flow=inside)
                _demand_clear(below, text, (*path, name.value), seen, flow=inside)


def _demand_undisputed(node: yaml.ScalarNode, text: _Text, path: tuple[str, ...], *, flow: bool) -> None:
    if not node.style and _DISPUTED.fullmatch(node.value):
        raise ParamsError(name=text.place(node.start_mark.line + 1, *path),
                          rule="mean the same to every reader of YAML", value=node.value,
                          action="Write a decimal number without leading zeros, or put quotes around a text.")
    _demand_readable(node, text, path, flow=flow)


def _demand_readable(node: yaml.ScalarNode, text: _Text, path: tuple[str, ...], *, flow: bool) -> None:
    """The reader in C that DVC uses where it is installed takes ``{a: b:c}`` for an error."""
    if flow and not node.style and ":" in node.value:
        raise ParamsError(name=text.place(node.start_mark.line + 1, *path),
                          rule="mean the same to every reader of YAML", value=f"{node.value} between brackets",
                          action="Put quotes around what holds a colon.")


@contextmanager
def _must_be_yaml(text: _Text) -> Iterator[None]:
    try:
        yield
    except yaml.reader.ReaderError as error:  # it counts bytes
        line = text.content.encode()[:error.position].count(b"\n") + 1
        raise ParamsError(name=text.place(line), rule="be YAML", action="Delete it.",
                          value=f"a character that YAML forbids ({error.reason})") from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
        raise ParamsError(name=text.place(None), rule="be YAML", value=said,
                          action="Correct the line it names.") from error
    except UnicodeEncodeError as error:  # an argument of a command whose bytes are no UTF-8
        raise ParamsError(name=text.place(None), rule="be UTF-8", value=repr(text.content)[:60],
                          action="Write it as UTF-8.") from error


def _scalar(read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    def construct(reader: Any, node: Any) -> Any:
        try:
            return read(str(reader.construct_scalar(node)))
        except (ValueError, KeyError):
            raise ConstructorError(None, None, f"{node.value[:40]} is no {node.tag.removeprefix(_TAG)}",
                                   node.start_mark) from None

    return construct


def _float(text: str) -> float:
    return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))


def _reader() -> Any:
    """libyaml's loader, ten times as fast as Python's, with YAML 1.2's idea of words and numbers."""
    constructors: dict[str | None, Any] = {
        None: SafeConstructor.construct_undefined,
        _TAG + "null": _scalar(lambda _: None),
        _TAG + "bool": _scalar(lambda text: {"true": True, "false": False}[text.lower()]),
        _TAG + "int": _scalar(lambda text: int(text.replace("_", ""))),
        _TAG + "float": _scalar(_float),
        _TAG + "str": SafeConstructor.construct_yaml_str,
        _TAG + "seq": SafeConstructor.construct_yaml_seq,
        _TAG + "map": SafeConstructor.construct_yaml_map,
    }
    reader: Any = type("_Reader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {
        "yaml_implicit_resolvers": {}, "yaml_multi_constructors": {}, "yaml_constructors": constructors})
    reader.add_implicit_resolver(_TAG + "null", re.compile(r"(~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
    reader.add_implicit_resolver(_TAG + "merge", re.compile(r"<<\Z"), ["<"])
    _add_words_and_numbers(reader)
    return reader


def _writer() -> Any:
    """PyYAML's dumper quotes what YAML 1.1 would misread; this one also what YAML 1.2 would."""
    writer: Any = type("_Writer", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
    _add_words_and_numbers(writer)
    writer.add_implicit_resolver(_TAG + "disputed", re.compile(rf"({_DISPUTED.pattern})\Z"), list("-+.=0123456789"))
    return writer


def _add_words_and_numbers(kind: Any) -> None:
    kind.add_implicit_resolver(_TAG + "bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
    kind.add_implicit_resolver(_TAG + "int", re.compile(rf"({_INT.pattern})\Z"), list("-+0123456789"))
    kind.add_implicit_resolver(_TAG + "float", re.compile(rf"({_FLOAT.pattern})\Z"), list("-+0123456789."))


_Reader: Final[Any] = _reader()
_Writer: Final[Any] = _writer()
