"""What no hash covers: the packages, interpreter, processor and threads that a result was computed with.

It stands beside results and never in them, because the same inputs give the same hashes wherever a stage ran. After an
upgrade a result that is used again is still that of the old versions; these records say so.

    <folder>/<stage>/<digest of its outputs>.json    the last computation that gave exactly these outputs

Standard library only, since stages, workers and DAG files use it alike.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Self

from evenvoice.errors import ArtifactError
from evenvoice.storage import read_json, write_json

REPORT: Final = "EVENVOICE_MADE_WITH"
"""Names the file into which a stage that really worked writes what it worked with."""
PACKAGES: Final[Mapping[str, str]] = {
    "espeakng-loader": "espeakng_loader", "numpy": "numpy", "pyarrow": "pyarrow", "rapidfuzz": "rapidfuzz",
    "scikit-learn": "sklearn", "scipy": "scipy", "sentencepiece": "sentencepiece", "soundfile": "soundfile",
    "soxr": "soxr", "torch": "torch",
}
"""Packages that compute or encode what stages write, and the names they are imported by."""
KERNELS: Final = ("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES",
                  "NPY_ENABLE_CPU_FEATURES", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE")
"""Variables by which a person chooses among the kernels of these packages; each of them rounds in its own way."""
UNKNOWN: Final = "made with unknown versions"


@dataclass(frozen=True, kw_only=True)
class MadeWith:
    """The surroundings of one computation, or of one that could begin now."""

    python: str
    processor: str
    threads: int
    accelerator: str
    """Name of the GPU; empty where the processor worked, or where nobody looked."""
    packages: Mapping[str, str]
    """Package -> version; of a computation only those that it imported."""

    @classmethod
    def here(cls) -> Self:
        """What a stage would have in this environment; packages are looked up, not imported."""
        return cls._of(PACKAGES)

    @classmethod
    def used(cls) -> Self:
        """What this process has imported by now."""
        return cls._of(name for name, module in PACKAGES.items() if module in sys.modules)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            ArtifactError: names are missing, or are too many.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise ArtifactError(name="the record of what a result was made with", rule="have the names of this version",
                                value=str(error), action="Remove .evenvoice/made_with: only this knowledge is lost."
                                ) from error

    @classmethod
    def _of(cls, packages: Iterable[str]) -> Self:
        found = {name: version for name in packages if (version := _version(name))}
        return cls(python=platform.python_version(), processor=_processor(), threads=_threads(),
                   accelerator=_accelerator(), packages=found)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def differences(self, now: MadeWith) -> list[str]:
        """How ``now`` differs: ``torch 2.12.0, now 2.13.0``; packages that the computation did not import do not count.

        The accelerator counts only where both know it, since looking for one means to import torch.
        """
        pairs = [(name, version, now.packages.get(name, "none")) for name, version in sorted(self.packages.items())]
        pairs += [("Python", self.python, now.python), ("processor", self.processor, now.processor),
                  ("threads", str(self.threads), str(now.threads))]
        if self.accelerator and now.accelerator:
            pairs.append(("accelerator", self.accelerator, now.accelerator))
        return [f"{name} {then}, now {today}" for name, then, today in pairs if then != today]


def outputs_digest(entry: Mapping[str, Any]) -> str:
    """Identity of a stage's outputs, from its entry in dvc.lock."""
    outs = sorted(f"{out['path']} {out['md5']}" for out in entry["outs"])
    return hashlib.sha256("\n".join(outs).encode()).hexdigest()[:32]


def record_name(stage: str, entry: Mapping[str, Any]) -> str:
    """Where the record of these outputs stands below a folder of records."""
    return f"{stage}/{outputs_digest(entry)}.json"


def find(folder: Path, stage: str, entry: Mapping[str, Any]) -> MadeWith | None:
    """The record of these outputs, or None where nobody kept one."""
    path = folder / record_name(stage, entry)
    return MadeWith.from_json(read_json(path)) if path.exists() else None


def keep(folder: Path, stage: str, entry: Mapping[str, Any], made_with: MadeWith) -> None:
    """Remember that these outputs were computed with ``made_with``."""
    write_json(folder / record_name(stage, entry), made_with.to_json())


def age(then: MadeWith | None, now: MadeWith) -> list[str]:
    """Why a result that is used again may differ from one computed now; empty where nothing differs."""
    return [UNKNOWN] if then is None else then.differences(now)


def report_used() -> None:
    """Say what this stage worked with, where somebody wants to know."""
    if target := os.environ.get(REPORT):
        write_json(Path(target), MadeWith.used().to_json())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """What kernels are chosen by: ``x86_64, Intel(R) Xeon(R) Platinum 8481C``, and what a person chose instead."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    chosen = [f"{name}={os.environ[name]}" for name in KERNELS if os.environ.get(name)]
    return ", ".join(filter(None, (platform.machine(), model or platform.processor(), *chosen)))


def _threads() -> int:
    """How many threads numerical work gets: sums over other numbers of parts round otherwise."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _accelerator() -> str:
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_available() else ""
