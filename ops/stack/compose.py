"""The compose command of this machine: the plug-in of Docker (2.x), or docker-compose 1.29."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evenvoice.errors import PreflightError
from ops.stack.settings import StackFile

OLDEST: Final = (1, 29)
"""The first that waits for a service that has to end well (service_completed_successfully)."""


@dataclass(frozen=True)
class Compose:
    """One stack, and the command that works on it."""

    command: tuple[str, ...]
    settings: StackFile
    file: Path
    computed: Mapping[str, str]
    """Settings that follow from others and are not kept in the env file."""

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line; it holds no secret."""
        return [*self.command, "--project-name", self.settings["STACK_NAME"], "--env-file", str(self.settings.path),
                "--file", str(self.file), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Without what the env file decides: compose would let this shell's variables overrule it."""
        ours = {*self.settings.values, "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
        return {**{name: value for name, value in os.environ.items() if name not in ours}, **self.computed}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(self.argv(*arguments), env=self.environment, capture_output=True, text=True,  # noqa: S603
                              check=False, stdin=subprocess.DEVNULL)


def find_compose() -> tuple[str, ...]:
    """The plug-in where there is one, otherwise docker-compose.

    Raises:
        PreflightError: there is neither, or it is too old.
    """
    found = {}
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True,  # noqa: S603
                              check=False)
        version = re.match(r"v?(\d+)\.(\d+)", done.stdout.strip())
        if done.returncode == 0 and version:
            if (int(version[1]), int(version[2])) >= OLDEST:
                return command
            found[" ".join(command)] = done.stdout.strip()
    raise PreflightError(
        name="compose", rule=f"be there, {'.'.join(map(str, OLDEST))} or newer", value=found or "none",
        action="Debian: apt install docker-compose; elsewhere install the plug-in docker-compose-plugin.")
