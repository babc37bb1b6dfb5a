"""What a command takes, looked up while it runs: CPU seconds, memory, and what else the machine did meanwhile."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 0.2
MEGA: Final = 1e6
BLOCK: Final = 512
"""Bytes that the kernel counts as one block."""
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command took, and the load that it ran under."""

    wall_s: float
    cpu_s: float
    """Of the command and of everything that it started."""
    memory_mb: float
    """The largest sum, over these processes, of what is theirs alone (Pss_Anon): mapped files do not count."""
    disk_mb: float
    """Written to disks, drafts and checkpoints included."""
    load_before: float
    """Load average of the last minute when it began."""
    load_after: float
    others_cores: float
    """How many cores other processes of this machine kept busy meanwhile."""
    stolen_cores: float
    """How many cores the hypervisor gave to other machines meanwhile."""


@dataclass(frozen=True)
class Seconds:
    """Of all cores of this machine since it started."""

    busy: float
    stolen: float

    @classmethod
    def now(cls) -> Seconds:
        user, nice, system, _idle, _wait, irq, softirq, stolen = (
            int(field) / TICKS_PER_S
            for field in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9])
        return cls(user + nice + system + irq + softirq, stolen)


@dataclass
class Watch:
    """CPU seconds and memory of a process and of everything that it started, as long as they run."""

    memory_kb: int = 0
    _cpu_s: dict[int, float] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Look once; a process that ended meanwhile counts as it was last seen."""
        alive = list(descendants(root))
        self.memory_kb = max(self.memory_kb, sum(map(_own_kb, alive)))
        self._cpu_s |= {pid: seconds for pid in alive if (seconds := _cpu_s(pid))}

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())


def watched(argv: Sequence[str], directory: Path, environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end; its output goes to ``log``.

    Raises:
        CalledProcessError: it ended with another status than 0.
    """
    watch, load, before, began = Watch(), os.getloadavg()[0], Seconds.now(), time.monotonic()
    with log.open("ab") as sink:
        process = subprocess.Popen(argv, cwd=directory, env=dict(environment), stdout=sink,  # noqa: S603
                                   stderr=subprocess.STDOUT)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            watch.look(process.pid)
            time.sleep(LOOK_EVERY_S)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    wall_s, after, usage = time.monotonic() - began, Seconds.now(), ended[2]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv)
    # the kernel counts to the very end, but only what a parent waited for; looking sees the others too
    cpu_s = max(usage.ru_utime + usage.ru_stime, watch.cpu_s)
    return Cost(wall_s=round(wall_s, 2), cpu_s=round(cpu_s, 2), memory_mb=round(watch.memory_kb * 1024 / MEGA, 1),
                disk_mb=round(usage.ru_oublock * BLOCK / MEGA, 2), load_before=round(load, 2),
                load_after=round(os.getloadavg()[0], 2),
                others_cores=round(max(0.0, after.busy - before.busy - cpu_s) / wall_s, 2),
                stolen_cores=round((after.stolen - before.stolen) / wall_s, 2))


def descendants(root: int) -> Iterator[int]:
    """Yield a process and everything that it started, directly or through others."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += map(int, children.read_text(encoding="ascii").split())
            except OSError:
                continue  # it ended meanwhile


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0  # it ended meanwhile
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _own_kb(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0  # it ended meanwhile
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
