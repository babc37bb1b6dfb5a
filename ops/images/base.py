"""What images are built from where no registry and no index can be reached from a build: a base and a wheelhouse."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from dags.runs import state_of
from evenvoice.errors import PreflightError
from ops.bootstrap import running
from ops.images.context import KINDS, missing_wheels, torch_requirement
from ops.images.engine import DockerClient
from ops.locks import IMAGE_PYTHON
from ops.pythons import interpreter

BASE_TAG = "evenvoice/base:bookworm"
PACKAGES = ("ca-certificates", "libstdc++6", "python3", "python3-venv", "usr-is-merged")
"""libstdc++6 for numpy, torch and pyarrow; python3-venv brings the pip that installs the rest and goes again;
usr-is-merged in place of usrmerge, which would bring 45 MB of Perl."""
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def make_base(client: DockerClient, console: Console) -> str:
    """A Debian bookworm with Python 3.11 from a Debian mirror, as :data:`BASE_TAG`; returns the tag.

    Raises:
        PreflightError: mmdebstrap is missing or failed.
    """
    tool = shutil.which("mmdebstrap")
    if tool is None:
        raise PreflightError(name="mmdebstrap", rule="be installed to make a base image", value="none on PATH",
                             action="Debian and Ubuntu: apt install mmdebstrap. Or name a base that is there: "
                                    "make images BASE_IMAGE=...")
    began = time.monotonic()
    console.print(f"making {BASE_TAG} with mmdebstrap, about a minute", highlight=False)
    with tempfile.TemporaryDirectory(prefix="evenvoice-base-") as folder:
        tar = Path(folder) / "base.tar"
        paths = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        argv = [tool, "--quiet", "--variant=essential", f"--hook-dir={MERGED_USR}",
                f"--include={','.join(PACKAGES)}", *paths,
                "--dpkgopt=path-include=/usr/share/doc/*/copyright", "bookworm", str(tar)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise PreflightError(name="mmdebstrap", rule="make a Debian bookworm", value=done.stderr.strip()[-600:],
                                 action="Is a Debian mirror reachable from here?")
        client.run("import", "--change", 'CMD ["bash"]', str(tar), BASE_TAG)
    console.print(f"{BASE_TAG} in {time.monotonic() - began:.0f} s", highlight=False)
    return BASE_TAG


def python_of_images() -> str:
    """An interpreter of the version that the images hold: wheels are for one version, and .venv may have another.

    Raises:
        PreflightError: there is none.
    """
    found = sys.executable if running() == IMAGE_PYTHON else interpreter(IMAGE_PYTHON)
    if found is None:
        raise PreflightError(name=f"python{IMAGE_PYTHON}", rule="be there, since the images hold it",
                             value=f"only Python {running()}", action=f"Install Python {IMAGE_PYTHON}, or fill the "
                             "wheelhouse on a machine that has it.")
    return found


def make_wheelhouse(root: Path, console: Console, *, accelerator: str = "cpu",
                    images: Iterable[str] = KINDS) -> Path:
    """A folder with every wheel that the locks of ``images`` name; returns it. Does nothing when they are all there.

    pip fetches them with this machine's settings (index, certificates, PIP_FIND_LINKS) and builds the few that
    are published as source only, so that no build of an image needs an index or a compiler.

    Raises:
        ParamsError: no such accelerator.
        PreflightError: this machine has no Python of the images' version, or pip failed.
    """
    folder = state_of(root) / f"wheelhouse-{accelerator}"
    locks = [root / "locks" / f"{name}.txt" for name in images]
    texts = [lock.read_text(encoding="utf-8") for lock in locks]
    if not any(missing_wheels(folder, text, accelerator) for text in texts):
        console.print(f"{folder} holds every wheel", highlight=False)
        return folder
    began = time.monotonic()
    console.print(f"filling {folder}", highlight=False)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as chosen:
        chosen.write("".join(torch_requirement(text, accelerator) for text in texts))
        chosen.flush()
        # the CUDA build of torch names packages that the locks leave out
        locked_only = ["--no-deps"] if accelerator == "cpu" else []
        argv = [sys.executable, "-m", "pip", "--python", python_of_images(), "wheel", "--quiet", *locked_only,
                "--constraint", chosen.name, "--wheel-dir", str(folder),
                *(argument for lock in locks for argument in ("--requirement", str(lock)))]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PreflightError(name="pip wheel", rule="find every wheel", value="; ".join(errors) or done.stderr[-600:],
                             action="Name an index or a folder that has it: PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, "
                                    "PIP_FIND_LINKS. torch for the CPU comes from its own index, see docker/README.md.")
    console.print(f"{folder} in {time.monotonic() - began:.0f} s", highlight=False)
    return folder
