"""Names for packages that the library imports and no measurement calls: a machine for measuring seldom has them.

Only importing works. Whoever calls one of them is told which package is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

NEVER_CALLED: Final = frozenset({"rapidfuzz", "safetensors", "sentencepiece", "soxr", "yaml"})


class _AbsentType(type):
    """Of a name whose package is missing."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(cls.__module__, name)

    def __call__(cls, *_: Any, **__: Any) -> Any:
        raise ModuleNotFoundError(f"{cls.__qualname__} was called, and {cls.__module__} is not installed",
                                  name=cls.__module__)

    def add_implicit_resolver(cls, *_: Any) -> None:
        """Do nothing: evenvoice/settings.py tells yaml its dialect when it is imported."""


def _absent(package: str, name: str) -> Any:
    return type.__new__(_AbsentType, name, (), {"__module__": package})


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(self.__name__.partition(".")[0], name)


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in NEVER_CALLED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _AbsentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: its names are made when they are asked for."""


def stand_in_for_what_is_absent() -> None:
    """From now on the packages above can be imported where they are not installed; the last to be asked is this."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
