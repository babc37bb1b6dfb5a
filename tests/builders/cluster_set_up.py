"""What docker/kubernetes/README.md tells an engineer to do with a cluster, done to the test cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.builders.cluster import Cluster
from tests.builders.cluster_services import Services

MANIFESTS = Path(__file__).resolve().parents[2] / "docker" / "kubernetes"
NAMESPACE = "evenvoice"
AIRFLOW = "airflow"
ACCOUNT = "evenvoice-airflow"
"""Of Airflow, in its namespace."""
TOKEN_S = 6 * 3600
FIELD_MANAGER = "evenvoice-tests"


def objects(name: str) -> list[dict[str, Any]]:
    """The objects of one of the manifests."""
    documents = yaml.safe_load_all((MANIFESTS / name).read_text(encoding="utf-8"))
    return [document for document in documents if document]


def apply(cluster: Cluster, *manifests: dict[str, Any], dry_run: bool = False) -> None:
    """As `kubectl apply --server-side` does."""
    from kubernetes import dynamic

    client = dynamic.DynamicClient(cluster.api)
    for manifest in manifests:
        kind = client.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        client.server_side_apply(kind, body=manifest, name=manifest["metadata"]["name"],
                                 namespace=manifest["metadata"].get("namespace"), field_manager=FIELD_MANAGER,
                                 force_conflicts=True, **({"dry_run": "All"} if dry_run else {}))


def secret(namespace: str, name: str, content: dict[str, str]) -> dict[str, Any]:
    """A Secret's manifest."""
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "stringData": content,
            "metadata": {"name": name, "namespace": namespace}}


def namespace(name: str) -> dict[str, Any]:
    """A Namespace's manifest."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def set_up(cluster: Cluster, services: Services) -> None:
    """Apply cluster.yaml and make the secret of the stages; pods that an earlier test left are removed."""
    apply(cluster, *objects("cluster.yaml"),
          secret(NAMESPACE, "evenvoice-stage", {**services.keys, "EVENVOICE_PSEUDONYM_KEY": "of-the-tests"}))
    cluster.core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0)


def kubeconfig_of_airflow(cluster: Cluster, path: Path) -> Path:
    """Access to the cluster with the rights that cluster.yaml gives Airflow's service account, and no others."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": AIRFLOW}}
    apply(cluster, namespace(AIRFLOW), account)
    token = cluster.core.create_namespaced_service_account_token(ACCOUNT, AIRFLOW, {"spec": {
        "audiences": None, "expirationSeconds": TOKEN_S}}).status.token
    content = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    content["users"] = [{"name": content["users"][0]["name"], "user": {"token": token}}]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
