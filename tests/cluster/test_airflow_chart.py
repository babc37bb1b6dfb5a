"""What Airflow's official chart makes of docker/kubernetes/values.yaml; rendered by helm, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.builders.airflow_release import VALUES, Helm, reach_helm

SCHEMA = "1.37"


@pytest.fixture(scope="module")
def helm() -> Helm:
    return reach_helm()


@pytest.fixture(scope="module")
def rendered(helm: Helm) -> list[dict[str, Any]]:
    return helm.template(VALUES)


def test_the_chart_takes_the_values(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.lint(VALUES)


def test_every_key_is_one_that_the_chart_knows(helm: Helm) -> None:
    """A key that it does not know is ignored without a word."""
    assert list(_unknown(_values(), yaml.safe_load(helm.values()))) == []


def test_every_object_fits_the_schema_of_kubernetes(rendered: list[dict[str, Any]]) -> None:
    assert {"StatefulSet", "Deployment", "Job", "Service"} <= {found["kind"] for found in rendered}
    for found in rendered:
        kubernetes_validate.validate(found, SCHEMA, strict=True)


def test_every_pod_meets_the_restricted_standard_and_writes_only_into_volumes(rendered: list[dict[str, Any]]) -> None:
    for name, pod in _pods(rendered):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in _containers(pod):
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                    "capabilities": {"drop": ["ALL"]}}, (name, container["name"])
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]} or "groomer" in name


def test_nothing_calls_what_only_the_charts_own_image_has(rendered: list[dict[str, Any]]) -> None:
    said = yaml.safe_dump(rendered)
    assert "/entrypoint" not in said
    assert "/clean-logs" not in said


def test_nobody_can_log_in_until_somebody_makes_a_user(rendered: list[dict[str, Any]]) -> None:
    assert "airflow users create" not in yaml.safe_dump(rendered)


def test_tasks_alone_get_the_keys_of_the_store_and_of_mlflow(rendered: list[dict[str, Any]]) -> None:
    holders = {container["name"] for _, pod in _pods(rendered) for container in _containers(pod)
               if "evenvoice-airflow" in _secrets_of(container)}
    assert holders == {"scheduler"}


def test_server_and_scheduler_sign_with_the_same_key(rendered: list[dict[str, Any]]) -> None:
    holders = {container["name"] for _, pod in _pods(rendered) for container in _containers(pod)
               if "evenvoice-airflow-jwt" in _secrets_of(container)}
    assert holders == {"api-server", "scheduler"}


def test_every_container_says_what_it_needs(rendered: list[dict[str, Any]]) -> None:
    for name, pod in _pods(rendered):
        for container in _containers(pod):
            assert {"requests", "limits"} <= container["resources"].keys(), (name, container["name"])


def test_the_scheduler_has_a_name_that_lasts_and_is_never_there_twice(rendered: list[dict[str, Any]]) -> None:
    [scheduler] = [found for found in rendered if found["metadata"]["name"] == "airflow-scheduler"
                   and found["kind"] != "Service"]
    assert scheduler["kind"] == "StatefulSet"
    assert scheduler["spec"]["replicas"] == 1


def test_the_role_that_makes_pods_is_bound_to_the_schedulers_account(rendered: list[dict[str, Any]]) -> None:
    accounts = {name: pod["serviceAccountName"] for name, pod in _pods(rendered)}
    assert accounts.pop("airflow-scheduler") == "evenvoice-airflow"
    assert "evenvoice-airflow" not in accounts.values()


def _values() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    return content


def _unknown(ours: dict[str, Any], known: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, value in ours.items():
        if key not in known:
            yield f"{path}{key}"
        elif isinstance(value, dict) and isinstance(known[key], dict) and known[key] and key != "config":
            yield from _unknown(value, known[key], f"{path}{key}.")


def _pods(rendered: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in rendered:
        if "template" in found.get("spec", {}):
            yield found["metadata"]["name"], found["spec"]["template"]["spec"]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = [*pod.get("initContainers", ()), *pod["containers"]]
    return containers


def _secrets_of(container: dict[str, Any]) -> set[str]:
    return {entry["valueFrom"]["secretKeyRef"]["name"] for entry in container.get("env", ())
            if "secretKeyRef" in entry.get("valueFrom", {})}
