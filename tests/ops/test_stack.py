"""The stack's env file, its compose file and its preflight, without an engine."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from dags.runners.container import STATE, labels_of
from dags.runs import Run
from evenvoice.errors import ParamsError, PreflightError
from ops.stack.compose import Compose
from ops.stack.lifecycle import _demand_ports, engine_socket
from ops.stack.settings import StackFile, env_file, read_or_make

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("postgres", "objectstore", "docker-proxy", "mlflow", "airflow-init", "airflow-api", "airflow-scheduler",
            "airflow-dag-processor", "airflow-triggerer")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "docker").mkdir()
    (tmp_path / "engine.sock").touch()
    return tmp_path


def make(checkout: Path) -> StackFile:
    return read_or_make(checkout, socket=checkout / "engine.sock")[0]


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    return content


# the env file


def test_the_env_file_is_made_once_and_for_its_owner_only(checkout: Path) -> None:
    settings, made = read_or_make(checkout, socket=checkout / "engine.sock")
    again, made_again = read_or_make(checkout, socket=checkout / "engine.sock")
    assert (made, made_again) == (True, False)
    assert settings == again
    assert env_file(checkout).stat().st_mode & 0o777 == 0o600
    assert list((checkout / "docker").iterdir()) == [env_file(checkout)]


def test_every_installation_has_secrets_of_its_own(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "docker").mkdir()
    (other / "engine.sock").touch()
    names = [name for name in make(checkout).values if re.search("PASSWORD|SECRET|FERNET|PSEUDONYM", name)]
    assert len(names) == 12
    assert all(make(checkout)[name] != make(other)[name] and len(make(checkout)[name]) >= 32 for name in names)
    assert len({make(checkout)[name] for name in names}) == len(names)


def test_an_env_file_that_others_can_read_is_refused(checkout: Path) -> None:
    make(checkout)
    env_file(checkout).chmod(0o644)
    with pytest.raises(PreflightError, match="readable for its owner only"):
        make(checkout)


@pytest.mark.parametrize("line", ["STACK_NAME='evenvoice'", "STACK_NAME=$HOME", "stack", "STACK_NAME=a # b"])
def test_lines_that_versions_of_compose_read_differently_are_refused(checkout: Path, line: str) -> None:
    make(checkout)
    text = env_file(checkout).read_text()
    env_file(checkout).write_text(re.sub("(?m)^STACK_NAME=.*$", line.replace("\\", r"\\"), text))
    with pytest.raises(ParamsError, match="NAME=value"):
        make(checkout)


def test_no_secret_appears_where_the_settings_are_printed(checkout: Path) -> None:
    assert make(checkout)["AIRFLOW_ADMIN_PASSWORD"] not in repr(make(checkout))


def test_a_missing_setting_is_named(checkout: Path) -> None:
    make(checkout)
    env_file(checkout).write_text(env_file(checkout).read_text().replace("MLFLOW_PORT=5000\n", ""))
    with pytest.raises(ParamsError, match="MLFLOW_PORT"):
        make(checkout)


def test_the_env_file_is_never_committed() -> None:
    assert "/docker/stack.env*" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_proxy_knows_containers_by_the_label_that_the_runner_gives(checkout: Path) -> None:
    proxy = compose()["services"]["docker-proxy"]["environment"]
    assert proxy["PROXY_OWNER"] == proxy["PROXY_STATE"] == "${EVENVOICE_HOME}"
    assert labels_of(Run(root=checkout, run_id="any"))[STATE] == make(checkout)["EVENVOICE_HOME"]


# the command line


def test_this_shells_variables_do_not_overrule_the_env_file(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "of another project")
    monkeypatch.setenv("COMPOSE_FILE", "other.yaml")
    client = Compose(("docker", "compose"), make(checkout), checkout / "compose.yaml", {"EVENVOICE_COMMIT": "abc"})
    assert not {"POSTGRES_PASSWORD", "COMPOSE_FILE"} & set(client.environment)
    assert client.environment["EVENVOICE_COMMIT"] == "abc"
    assert not any(secret in " ".join(client.argv("up")) for name, secret in client.settings.values.items()
                   if "PASSWORD" in name)


def test_a_taken_port_is_named_with_its_setting(checkout: Path) -> None:
    settings = make(checkout)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings.values["MLFLOW_PORT"] = str(taken.getsockname()[1])
        settings.values["AIRFLOW_PORT"] = settings.values["S3_PORT"] = "0"
        with pytest.raises(PreflightError, match="change MLFLOW_PORT in"):
            _demand_ports(settings)


def test_an_engine_behind_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    with pytest.raises(PreflightError, match="socket of this machine"):
        engine_socket()
    monkeypatch.setenv("DOCKER_HOST", f"unix:///run/user/{os.getuid()}/docker.sock")
    assert engine_socket() == Path(f"/run/user/{os.getuid()}/docker.sock")


# compose.yaml


def test_the_compose_file_asks_for_settings_that_the_env_file_has(checkout: Path) -> None:
    text = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)\}", text))
    assert asked - set(make(checkout).values) == {"EVENVOICE_COMMIT"}
    assert set(make(checkout).values) == asked - {"EVENVOICE_COMMIT"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_limited(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert {"mem_limit", "pids_limit", "user", "networks", "logging", "restart"} <= set(service)
    assert service["user"].split(":")[0] not in ("", "0", "root")
    assert name == "airflow-init" or "healthcheck" in service


def test_there_is_no_other_service() -> None:
    assert sorted(compose()["services"]) == sorted(SERVICES)


def test_only_the_proxy_holds_the_engines_socket_and_only_the_scheduler_reaches_the_proxy() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "docker.sock" in str(service.get("volumes"))] == [
        "docker-proxy"]
    assert sorted(name for name, service in services.items() if "engine" in service["networks"]) == [
        "airflow-scheduler", "docker-proxy"]
    assert services["docker-proxy"]["networks"] == ["engine"]
    assert [name for name, service in services.items() if "DOCKER_HOST" in service["environment"]] == [
        "airflow-scheduler"]


def test_stages_reach_the_object_store_only() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "stages" in service["networks"]] == ["objectstore"]


def test_ports_are_published_on_this_machine_only() -> None:
    published = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:${") for port in published)


def test_secrets_reach_only_who_needs_them() -> None:
    text = {name: str(service) for name, service in compose()["services"].items()}

    def holders(secret: str) -> list[str]:
        return sorted(name for name, content in text.items() if f"${{{secret}}}" in content)

    assert holders("AIRFLOW_ADMIN_PASSWORD") == ["airflow-init"]
    assert holders("MLFLOW_ADMIN_PASSWORD") == ["airflow-init", "mlflow"]
    assert holders("POSTGRES_PASSWORD") == ["postgres"]
    assert holders("MLFLOW_PIPELINE_PASSWORD") == ["airflow-init", "airflow-scheduler"]
    assert holders("S3_SECRET_KEY") == ["airflow-init", "airflow-scheduler", "mlflow", "objectstore"]
