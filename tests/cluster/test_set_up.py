"""What docker/kubernetes/README.md has an engineer apply, on a real API server."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError

from dags.runners.cluster import Cluster as RunnersCluster
from tests.builders.cluster import Cluster
from tests.builders.cluster_services import Services
from tests.builders.cluster_set_up import AIRFLOW, NAMESPACE, apply, kubeconfig_of_airflow, namespace, objects

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("manifest", ["cluster.yaml", "airflow.yaml", "secrets.yaml.template"])
def test_every_manifest_is_accepted_by_the_server(cluster: Cluster, services: Services, manifest: str) -> None:
    apply(cluster, namespace(AIRFLOW))

    apply(cluster, *objects(manifest), dry_run=True)


def test_a_pod_that_is_not_restricted_is_refused(cluster: Cluster, services: Services) -> None:
    careless: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "careless"},
                                "spec": {"containers": [{"name": "one", "image": "local/pause:1"}]}}

    with pytest.raises(ApiException, match="violates PodSecurity"):
        cluster.core.create_namespaced_pod(NAMESPACE, careless)


def test_airflow_may_make_pods_and_cannot_read_secrets(cluster: Cluster, services: Services,
                                                       tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes import client, config

    path = kubeconfig_of_airflow(cluster, tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(path))

    RunnersCluster(NAMESPACE).demand_access()
    with pytest.raises(ApiException, match="secrets is forbidden"):
        client.CoreV1Api(config.new_client_from_config(str(path))).list_namespaced_secret(NAMESPACE)


def test_a_manifest_with_a_misspelt_field_would_be_refused(cluster: Cluster, services: Services) -> None:
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong", "namespace": NAMESPACE},
             "dataa": {}}

    with pytest.raises(DynamicApiError):
        apply(cluster, wrong, dry_run=True)


