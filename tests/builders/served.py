"""Recognisers that behave as they are told, for the process that holds one; importable there by name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from evenvoice.served import Described, Feed


class Toy:
    """Writes down the size of what it is handed, or of a path its folder and name.

    Args:
        address: ``models:/<behaviour>/<number>``: what it does once it is asked.
    """

    def __init__(self, address: str, feed: Feed | None) -> None:
        self.behaviour, number = address.removeprefix("models:/").split("/")
        self.name, self.feed = f"{self.behaviour}-{number}", feed or "paths"

    def describe(self) -> Described:
        return Described(uri=f"models:/{self.name.replace('-', '/')}", name=self.name, identity=f"files of {self.name}",
                         feed=self.feed, rate=8000 if self.feed == "arrays" else None)

    def load(self) -> None:
        print(f"loaded {self.name}", flush=True)
        self._note("load")

    def hear(self, recordings: list[Any]) -> list[str]:
        self._note(f"hear {len(recordings)}")
        getattr(self, f"_{self.behaviour}", lambda _: None)(recordings)
        return [" ".join(Path(heard).parts[-2:]) if isinstance(heard, str) else f"{len(heard)}" for heard in recordings]

    def pids(self) -> list[int]:
        """Of its process and of one that it starts."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        return [os.getpid(), child.pid]

    def _note(self, line: str) -> None:
        with Path(os.environ.get("TOY_LOG", os.devnull)).open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    def _hangs(self, recordings: list[Any]) -> None:
        time.sleep(600)

    def _raises_later(self, recordings: list[Any]) -> None:
        if any("voice04" in str(heard) for heard in recordings):
            raise ValueError("no such thing as voice04")

    def _raises(self, recordings: list[Any]) -> None:
        print("about to fail", file=sys.stderr, flush=True)
        raise ValueError("no such thing as a tone")

    def _dies(self, recordings: list[Any]) -> None:
        os.write(2, b"out of memory\n")
        os.abort()


def open_toy(address: str, feed: Feed | None = None) -> Toy:
    return Toy(address, feed)
