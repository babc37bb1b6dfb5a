"""What a cluster wants of the pods on it, from one small file, and what differs per installation, from the environment.

    EVENVOICE_EXCHANGE       s3://bucket/root, where stages hand their results to each other
    EVENVOICE_STAGE_IMAGE    the image, by digest: registry.example.org/evenvoice/stage@sha256:...
    EVENVOICE_POD_SETTINGS   another file than docker/kubernetes/pods.yaml
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from dags.runs import ROOT, Run
from evenvoice.errors import PreflightError
from evenvoice.object_store import Address
from evenvoice.params import Section, check
from evenvoice.settings import read_settings

FILE: Final = "EVENVOICE_POD_SETTINGS"
EXCHANGE: Final = "EVENVOICE_EXCHANGE"
IMAGE: Final = "EVENVOICE_STAGE_IMAGE"
_DIGEST: Final = re.compile(r"[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}")


class Toleration(Section):
    """A taint that pods of stages with GPUs put up with."""

    key: str
    operator: Literal["Exists", "Equal"]
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Scratch(Section):
    """Room for what a stage reads and writes, in GB of the node's disk, by the stage's size."""

    light: int = Field(ge=1)
    data: int = Field(ge=1)
    training: int = Field(ge=1)


class PodSettings(Section):
    """docker/kubernetes/pods.yaml."""

    context: str = Field(description="Context of the kubeconfig that stages may be sent to; empty for whichever is "
                         "current. Inside a cluster there is none.")
    namespace: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Where pods are made.")
    service_account: str = Field(description="Of the pods; it needs no rights and gets no token.")
    autoscaled: bool = Field(description="Whether nodes are added for pods that wait: what no node has now may then "
                             "come, and is not refused.")
    secret: str = Field(description="Secret whose entries become variables of the pods: AWS_ACCESS_KEY_ID, "
                                    "AWS_SECRET_ACCESS_KEY, EVENVOICE_PSEUDONYM_KEY.")
    scratch_gb: Scratch
    gpu_resource: str = Field(description="What the device plugin calls a GPU.")
    gpu_kind_label: str = Field(description="Label of nodes that resources.gpu_kind is compared with.")
    node_selector: dict[str, str] = Field(description="Labels that nodes of all pods must have.")
    tolerations: list[Toleration] = Field(description="Only for stages with GPUs.")
    environment: dict[str, str] = Field(description="Variables of all pods, such as AWS_ENDPOINT_URL; no secrets.")


def pod_settings() -> PodSettings:
    """Read and check the file.

    Raises:
        ParamsError: it is missing, or a value breaks its rule; with the line.
    """
    path = Path(os.environ.get(FILE) or ROOT / "docker" / "kubernetes" / "pods.yaml")
    layer = read_settings(path)
    return check(PodSettings, layer.content, layer)


def exchange_of(run: Run) -> str:
    """Address of the exchange of one run.

    Raises:
        PreflightError: EVENVOICE_EXCHANGE is not set.
        ParamsError: it is no address in an object store.
    """
    root = os.environ.get(EXCHANGE, "")
    if not root:
        raise PreflightError(name=EXCHANGE, rule="name an object store", value="nothing",
                             action="Set it to s3://bucket/root; pods share no disk.")
    return str(Address.parse(root).under(f"runs/{run.directory.name}"))


def stage_image() -> str:
    """The image of all pods of a run.

    Raises:
        PreflightError: it is not named, or not by digest: a tag may mean another image tomorrow, or on another node.
    """
    image = os.environ.get(IMAGE, "")
    if not _DIGEST.fullmatch(image):
        raise PreflightError(name=IMAGE, rule="name an image by digest, as in registry/name@sha256:...",
                             value=image or "nothing", action="Push the image; `docker push` prints its digest.")
    return image
