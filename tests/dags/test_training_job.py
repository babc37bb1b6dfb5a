"""The manifest for training on several nodes, as far as that can be told without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

MANIFEST = Path(__file__).resolve().parents[2] / "docker" / "kubernetes" / "training-job.yaml"
SCHEMA = "1.37"


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    return {content["kind"]: content for content in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))}


def test_every_object_fits_the_schema_of_kubernetes(objects: dict[str, dict[str, Any]]) -> None:
    assert set(objects) == {"Service", "NetworkPolicy", "Job"}
    for content in objects.values():
        kubernetes_validate.validate(content, SCHEMA, strict=True)


def test_torchrun_is_told_as_many_machines_and_processes_as_there_are(objects: dict[str, dict[str, Any]]) -> None:
    job = objects["Job"]["spec"]
    [container] = job["template"]["spec"]["containers"]
    told = {entry["name"]: entry["value"] for entry in container["env"]}

    assert told["PET_NNODES"] == str(job["completions"]) == str(job["parallelism"])
    assert told["PET_NPROC_PER_NODE"] == container["resources"]["limits"]["nvidia.com/gpu"]


def test_the_first_pod_is_found_by_the_name_that_the_service_gives_it(objects: dict[str, dict[str, Any]]) -> None:
    job, service = objects["Job"], objects["Service"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    [endpoint] = [entry["value"] for entry in container["env"] if entry["name"] == "PET_RDZV_ENDPOINT"]

    assert job["spec"]["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    port = service["spec"]["ports"][0]["port"]
    assert endpoint == f"{job['metadata']['name']}-0.{service['metadata']['name']}:{port}"


def test_pods_are_confined_as_those_of_other_stages_are(objects: dict[str, dict[str, Any]]) -> None:
    pod = objects["Job"]["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
