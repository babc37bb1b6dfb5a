"""How machines that train together find each other."""

from __future__ import annotations

import threading

import pytest

from evenvoice.errors import ParamsError, TransientError
from evenvoice.object_store import ObjectStore
from tests.builders.object_server import ObjectServer
from worker import machines
from worker.machines import Machine, meet

HERE = {"EVENVOICE_ADDRESS": "127.0.0.1", "EVENVOICE_ATTEMPT": "7f3a"}


@pytest.fixture
def store(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in object_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(machines, "POLL_S", 0.05)
    return ObjectStore.at(f"s3://{object_server.make_bucket()}/root/runs/monday")


@pytest.mark.engine
def test_the_others_wait_for_the_first_and_are_led_to_it(store: ObjectStore) -> None:
    found: list[dict[str, str]] = []
    second = threading.Thread(target=lambda: found.append(meet(store, "train", Machine(1, 2), HERE)))
    second.start()
    first = meet(store, "train", Machine(0, 2), HERE)
    second.join()

    assert (first["PET_NODE_RANK"], found[0]["PET_NODE_RANK"]) == ("0", "1")
    assert first["PET_MASTER_ADDR"] == found[0]["PET_MASTER_ADDR"] == "127.0.0.1"
    assert first["PET_NNODES"] == "2"
    assert first["GLOO_SOCKET_IFNAME"] == "lo"


@pytest.mark.engine
def test_the_address_of_an_earlier_attempt_leads_nobody_astray(store: ObjectStore,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    meet(store, "train", Machine(0, 2), {**HERE, "EVENVOICE_ATTEMPT": "earlier"})
    monkeypatch.setattr(machines, "MEET_S", 0.2)

    with pytest.raises(TransientError, match=r"rendezvous/train/7f3a must name the first machine"):
        meet(store, "train", Machine(1, 2), HERE)


@pytest.mark.parametrize("text", ["2/2", "1", "one/two", "-1/2"])
def test_a_machine_that_is_not_one_of_them_is_refused(text: str) -> None:
    assert Machine.parse("1/2") == Machine(1, 2)

    with pytest.raises(ParamsError, match="--machine must be the number of a machine and how many there are"):
        Machine.parse(text)
