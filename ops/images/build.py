"""`make images`: build the images of stages and of Airflow with BuildKit, from the committed locks."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from dags.checkout import origin
from dags.runs import state_of
from evenvoice.code_digest import tree_digest
from evenvoice.errors import PreflightError
from evenvoice.storage import sha256, write_json
from ops.images.context import KINDS, ImageKind, labels, prepare
from ops.images.engine import DockerClient, find_client
from ops.images.progress import BuildFailed, follow
from ops.images.sbom import write_sbom
from ops.pip_settings import certificates, pip_settings

LOCAL = "local"
"""The tag that runs use unless told otherwise."""
UNREACHABLE = re.compile(r"(?m)^.*(failed to do request|pull access denied|failed to authorize|failed to resolve).*$")
"""BuildKit's words for a base image that it cannot have."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What a person may choose."""

    base_image: str = ""
    """Replaces the base that the Dockerfile names."""
    wheelhouse: Path | None = None
    """Where packages come from; None: from the index that pip uses here."""
    accelerator: str = "cpu"
    tag: str = LOCAL
    docker: str = ""


@dataclass(frozen=True)
class Image:
    """An image on the engine; .evenvoice/images/<name>.json holds the same, of other tags <name>-<tag>.json."""

    name: str
    tag: str
    digest: str
    size_bytes: int
    labels: Mapping[str, str]
    sbom_sha256: str


def build_images(root: Path, console: Console, options: BuildOptions,
                 names: tuple[str, ...] = tuple(KINDS)) -> list[Image]:
    """Build, describe and record each image.

    Raises:
        PreflightError: there is no engine or no BuildKit, the base cannot be reached, or a package is missing.
        ParamsError: no such accelerator.
    """
    client = find_client(options.docker)
    with _alone(state_of(root) / "images", console):
        return [_build(root, console, client, KINDS[name], options) for name in names]


def image_labels(root: Path, kind: ImageKind, accelerator: str) -> Mapping[str, str]:
    """What an image of this checkout says about itself; the same labels mean the same content."""
    return labels(kind, **origin(root), code=tree_digest(root, kind.code),
                  lock=sha256(root / "locks" / f"{kind.name}.txt"), accelerator=accelerator)


def _build(root: Path, console: Console, client: DockerClient, kind: ImageKind, options: BuildOptions) -> Image:
    began = time.monotonic()
    tag = f"evenvoice/{kind.name}:{options.tag}"
    context = prepare(root, kind, wheelhouse=options.wheelhouse, accelerator=options.accelerator)
    described = image_labels(root, kind, options.accelerator)
    with tempfile.TemporaryDirectory(prefix="evenvoice-build-") as secrets:
        argv = [*_command(client, options, Path(secrets)), "--file", str(root / "docker" / f"{kind.name}.Dockerfile"),
                "--tag", tag, *(f"--label={name}={value}" for name, value in described.items()), str(context)]
        try:
            follow(argv, {**os.environ, **client.environment}, console, kind.name)
        except BuildFailed as failure:
            raise explained(failure, options, tag) from None
    found = client.inspect(tag)
    assert found is not None
    record = state_of(root) / "images" / (kind.name if options.tag == LOCAL else f"{kind.name}-{options.tag}")
    bom = write_sbom(client, tag, record.with_name(f"{record.name}.cdx.json"))
    image = Image(kind.name, tag, found["Id"], found["Size"], described, sha256(bom))
    write_json(record.with_name(f"{record.name}.json"), asdict(image))
    console.print(f"{tag}  {image.size_bytes / 1e6:.0f} MB  {image.digest}  {time.monotonic() - began:.0f} s",
                  highlight=False, soft_wrap=True)
    return image


def _command(client: DockerClient, options: BuildOptions, secrets: Path) -> list[str]:
    """Index and certificates go in as secrets: they leave no trace in the image, not even in its history."""
    (secrets / "pip.conf").write_text(pip_settings(offline=options.wheelhouse is not None), encoding="utf-8")
    arguments = [f"--build-arg=BASE_IMAGE={options.base_image}"] if options.base_image else []
    return [client.path, *client.build_command, "--progress=plain", *arguments,
            f"--network={'none' if options.wheelhouse else 'host'}",
            f"--secret=id=pip,src={secrets / 'pip.conf'}", f"--secret=id=certificates,src={certificates()}"]


def explained(failure: BuildFailed, options: BuildOptions, tag: str) -> PreflightError:
    """The two things that go wrong on other people's machines, by name; the rest as BuildKit says it."""
    lacking = re.search(r"No matching distribution found for (\S+)", failure.output)
    if lacking:
        where = str(options.wheelhouse or "the package index")
        return PreflightError(name=where, rule=f"have {lacking[1]}", value="no such wheel", action=(
            "Fill a wheelhouse: make wheelhouse" if options.wheelhouse else
            "Name an index that has it (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL), or build from a wheelhouse: "
            "make wheelhouse, then make images WHEELHOUSE=.evenvoice/wheelhouse-cpu"))
    unreachable = UNREACHABLE.search(failure.output)
    if unreachable:
        return PreflightError(
            name=f"the base image {options.base_image or 'of the Dockerfile'}", rule="be reachable",
            value=unreachable[0].strip()[-400:], action="Build without a registry: make base-image wheelhouse, then "
            "make images BASE_IMAGE=evenvoice/base:bookworm WHEELHOUSE=.evenvoice/wheelhouse-cpu")
    return PreflightError(name=f"the build of {tag}", rule="succeed", value=_last_words(failure.output),
                          action="That is the output of the step that failed.")


def _last_words(output: str) -> str:
    """What the failed step printed, without BuildKit's repetition of the whole command."""
    said = [line for line in output.splitlines() if re.match(r"#\d+ \d+\.\d+ ", line)]
    return "\n".join(said[-12:] or output.splitlines()[-3:])


@contextmanager
def _alone(folder: Path, console: Console) -> Iterator[None]:
    """Two builds at once would write the same context."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another build works in this checkout; waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
