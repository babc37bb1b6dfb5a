"""`make stack-images`: the images that only the stack needs, beside those of `make images`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from evenvoice.errors import PreflightError
from ops.images.base import BASE_TAG, LEFT_OUT
from ops.images.context import ImageKind, prepare
from ops.images.engine import DockerClient, find_client
from ops.images.progress import BuildFailed, follow
from ops.pip_settings import certificates, pip_settings

OBJECT_STORE = ImageKind("objectstore", "evenvoice: the stack's object store", ("docker/objectstore",), settings=())
POSTGRES_BASE = "evenvoice/base-postgres:bookworm"
POSTGRES_PACKAGES = "ca-certificates,postgresql-15"
IMAGES = ("docker-proxy", "objectstore", "postgres")


def build_stack_images(root: Path, console: Console, *, base_image: str, wheelhouse: Path | None, docker: str = "",
                       names: Sequence[str] = IMAGES) -> None:
    """Build the proxy, the object store and, for machines without a registry, PostgreSQL.

    Raises:
        PreflightError: there is no engine, or a build failed.
    """
    client = find_client(docker)
    base = base_image or (BASE_TAG if client.inspect(BASE_TAG) else "")
    for name in names:
        began = time.monotonic()
        if name == "docker-proxy":
            _build(client, console, name, root / "docker" / "proxy", base)
        elif name == "objectstore":
            context = prepare(root, OBJECT_STORE, wheelhouse=wheelhouse, accelerator="cpu")
            _build(client, console, name, context, base, dockerfile=root / "docker" / "objectstore" / "Dockerfile",
                   offline=wheelhouse is not None)
        else:
            if client.inspect(POSTGRES_BASE) is None:
                _make_postgres_base(client, console)
            _build(client, console, name, root / "docker" / "postgres", POSTGRES_BASE)
        found = client.inspect(f"evenvoice/{name}:local")
        assert found is not None
        console.print(f"evenvoice/{name}:local  {found['Size'] / 1e6:.0f} MB  {time.monotonic() - began:.0f} s",
                      highlight=False)


def _build(client: DockerClient, console: Console, name: str, context: Path, base: str, *,
           dockerfile: Path | None = None, offline: bool = False) -> None:
    with tempfile.TemporaryDirectory(prefix="evenvoice-build-") as secrets:
        settings = Path(secrets) / "pip.conf"
        settings.write_text(pip_settings(offline=offline), encoding="utf-8")
        argv = [client.path, *client.build_command, "--progress=plain", "--network=host",
                *([f"--build-arg=BASE_IMAGE={base}"] if base else []), f"--secret=id=pip,src={settings}",
                f"--secret=id=certificates,src={certificates()}", "--file", str(dockerfile or context / "Dockerfile"),
                "--tag", f"evenvoice/{name}:local", str(context)]
        try:
            follow(argv, {**os.environ, **client.environment}, console, name)
        except BuildFailed as failure:
            raise PreflightError(name=f"the build of evenvoice/{name}", rule="succeed", value=failure.output[-1500:],
                                 action="Where no registry can be reached, `make base-image` makes a base.") from None


def _make_postgres_base(client: DockerClient, console: Console) -> None:
    """Debian with its PostgreSQL, from a Debian mirror."""
    tool = shutil.which("mmdebstrap")
    if tool is None:
        raise PreflightError(
            name="mmdebstrap", rule="be installed to make an image of PostgreSQL", value="none on PATH",
            action="Debian and Ubuntu: apt install mmdebstrap. Or use the official image: set POSTGRES_IMAGE.")
    console.print(f"making {POSTGRES_BASE} with mmdebstrap, about a minute", highlight=False)
    with tempfile.TemporaryDirectory(prefix="evenvoice-base-") as folder:
        tar = Path(folder) / "base.tar"
        no_cluster = ('mkdir -p "$1/etc/postgresql-common"; '
                      'echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"')
        argv = [tool, "--quiet", "--variant=essential", f"--include={POSTGRES_PACKAGES}",
                f"--essential-hook={no_cluster}", *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                "--dpkgopt=path-include=/usr/share/doc/*/copyright", "bookworm", str(tar)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise PreflightError(name="mmdebstrap", rule="make a Debian with PostgreSQL",
                                 value=done.stderr.strip()[-600:], action="Is a Debian mirror reachable from here?")
        client.run("import", "--change", 'CMD ["bash"]', str(tar), POSTGRES_BASE)
