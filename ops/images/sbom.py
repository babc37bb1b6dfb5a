"""The bill of materials of an image: what its own Python and its own dpkg say is in it, as CycloneDX 1.6."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from evenvoice.storage import write_text
from ops.images.engine import DockerClient

INVENTORY = Path(__file__).with_name("inventory.py")


def write_sbom(client: DockerClient, tag: str, path: Path) -> Path:
    """Ask a container of the image ``tag``, and write what it holds to ``path``.

    Raises:
        PreflightError: the container could not be started.
    """
    said = client.run("run", "--rm", "--interactive", "--network=none", "--read-only", "--entrypoint=python", tag, "-",
                      stdin=INVENTORY.read_text(encoding="utf-8"))
    write_text(path, JsonV1Dot6(bill_of_materials(tag, json.loads(said))).output_as_string(indent=2) + "\n")
    return path


def bill_of_materials(tag: str, inventory: dict[str, Any]) -> Bom:
    """CycloneDX's object of what :mod:`ops.images.inventory` printed."""
    bom = Bom()
    bom.metadata.component = Component(name=tag, type=ComponentType.CONTAINER, bom_ref=tag)
    for name, version, licence in inventory["python"]:
        url = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        licences = [LicenseFactory().make_from_string(licence)] if licence else []
        bom.components.add(Component(name=name, version=version, type=ComponentType.LIBRARY, purl=url, bom_ref=str(url),
                                     licenses=licences))
    for name, version, architecture in inventory["debian"]:
        url = PackageURL("deb", "debian", name, version, {"arch": architecture})
        bom.components.add(Component(name=name, version=version, type=ComponentType.LIBRARY, purl=url,
                                     bom_ref=str(url)))
    bom.register_dependency(bom.metadata.component, bom.components)
    return bom
