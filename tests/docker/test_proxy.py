"""What the engine proxy lets through: the decisions alone, on requests as clients and attackers write them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from engine_proxy.calls import Call, Request, decide
from engine_proxy.policy import Policy, Refused, policy_from
from hypothesis import given
from hypothesis import strategies as st

from ops.images.context import KINDS
from tests.builders.stage_container import POLICY, STATE, creation


def create(body: dict[str, Any] | bytes, policy: Policy = POLICY) -> dict[str, Any]:
    """What the engine would be sent."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent: dict[str, Any] = json.loads(decide(policy, Request("POST", "/v1.41/containers/create", content)).body)
    return sent


def ask(method: str, target: str, body: bytes = b"") -> Call:
    return decide(POLICY, Request(method, target, body))


# what stages need


def test_a_stage_container_is_let_through_with_what_it_asked_for() -> None:
    sent = create(creation())
    assert sent["Cmd"] == ["python", "-m", "worker", "train", "--minutes", "60"]
    assert sent["HostConfig"]["Binds"] == [f"{STATE}:{STATE}:rw", "/srv/speech:/srv/speech:ro"]
    assert sent["HostConfig"]["Memory"] == 4 * 2**30


def test_fields_that_say_nothing_are_left_to_the_engine() -> None:
    sent = create(creation({"MaskedPaths": [], "ReadonlyPaths": []}))
    assert not {"Tty", "Hostname", "Volumes"} & set(sent)
    assert not {"Privileged", "PortBindings", "RestartPolicy"} - {"RestartPolicy"} & set(sent["HostConfig"])
    assert "MaskedPaths" not in sent["HostConfig"]  # empty, it would uncover /proc/kcore


def test_gpus_may_be_asked_for() -> None:
    gpus = [{"Driver": "", "Count": 2, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}]
    assert create(creation({"DeviceRequests": gpus}))["HostConfig"]["DeviceRequests"] == [
        {"Count": 2, "Capabilities": [["gpu"]]}]


@pytest.mark.parametrize(("method", "target", "sent"), [
    ("GET", "/_ping", "/_ping"),
    ("GET", "/version", "/version"),
    ("GET", "/v1.41/info", "/v1.41/info"),
    ("GET", "/v1.41/images/evenvoice/stage:local/json", "/v1.41/images/evenvoice/stage:local/json"),
    ("GET", "/v1.41/containers/train-1/logs?stdout=1&follow=1", "/v1.41/containers/{container}/logs?stdout=1&follow=1"),
    ("POST", "/v1.41/containers/train-1/start", "/v1.41/containers/{container}/start"),
    ("POST", "/v1.41/containers/train-1/stop?t=10", "/v1.41/containers/{container}/stop?t=10"),
    ("POST", "/v1.41/containers/train-1/kill?signal=SIGTERM", "/v1.41/containers/{container}/kill?signal=SIGTERM"),
    ("POST", "/v1.41/containers/train-1/wait", "/v1.41/containers/{container}/wait"),
    ("DELETE", "/v1.41/containers/train-1?v=True&force=True", "/v1.41/containers/{container}?v=True&force=True"),
    ("GET", "/containers/containers/json", "/containers/{container}/json"),
])
def test_the_calls_that_running_stages_needs_are_known(method: str, target: str, sent: str) -> None:
    assert ask(method, target).target("{container}").replace("%7B", "{").replace("%7D", "}") == sent


def test_only_own_containers_are_listed_whatever_the_client_filters_by() -> None:
    filters = {"label": {"evenvoice.run=monday": True}, "status": ["running"]}
    call = ask("GET", f"/v1.41/containers/json?all=1&filters={json.dumps(filters, separators=(',', ':'))}")
    assert json.loads(call.query["filters"]) == {"status": ["running"],
                                                 "label": ["evenvoice.run=monday", f"evenvoice.state={STATE}"]}


def test_info_tells_nothing_of_registries_and_proxies() -> None:
    cut = ask("GET", "/info").answer
    assert cut is not None
    assert cut({"NCPU": 2, "HttpProxy": "http://user:password@proxy", "RegistryConfig": {}}) == {"NCPU": 2}


# what nobody gets


@pytest.mark.parametrize(("method", "target"), [
    ("POST", "/v1.41/containers/train-1/exec"), ("POST", "/exec/abc/start"), ("POST", "/build"),
    ("POST", "/v1.41/images/create?fromImage=x"), ("POST", "/images/load"), ("POST", "/commit?container=x"),
    ("GET", "/events"), ("GET", "/secrets"), ("POST", "/swarm/init"), ("GET", "/plugins"), ("POST", "/volumes/create"),
    ("POST", "/networks/create"), ("POST", "/networks/bridge/connect"), ("GET", "/containers/train-1/archive?path=/"),
    ("PUT", "/containers/train-1/archive?path=/"), ("GET", "/containers/train-1/export"), ("POST", "/session"),
    ("POST", "/containers/train-1/attach?stream=1"), ("POST", "/containers/train-1/update"),
    ("POST", "/containers/train-1/rename?name=x"), ("POST", "/containers/prune"), ("POST", "/grpc"),
    ("GET", "/images/json"), ("DELETE", "/images/evenvoice/stage:local"), ("GET", "/system/df"), ("GET", "/x"),
    ("POST", "/containers/train-1/copy"), ("PATCH", "/containers/train-1/json"), ("CONNECT", "/_ping"),
])
def test_other_calls_are_refused(method: str, target: str) -> None:
    with pytest.raises(Refused, match="the call is one that running stages needs"):
        ask(method, target)


@pytest.mark.parametrize("target", [
    "/containers/../exec/json", "/containers/%2e%2e/json", "/containers//json", "/containers/a%252fb/json",
    "/containers/a%2f..%2fb/json", "/v1.41/../containers/json", "//containers/json", "/containers/a%00/json",
    "http://engine/containers/json", "/containers/json#x", "/containers/a\\b/json", "containers/json",
    "/containers/a%0d%0aX/json", "/cont\u00e4iners/json", "/v1.39/info", "/v1.23/containers/a/start",
    "/v1.41/v1.41/info", "/containers/a/stop?t=1&t=2", "/containers/a/stop?t=-1", "/containers/a/stop?x=1",
    "/containers/a/logs?stdout", "/containers/a/kill?signal=HUP", "/containers/json?filters={\"network\":[\"x\"]}",
    "/containers/json?filters=[1]", "/containers/json?filters={\"label\":[1]}",
])
def test_targets_that_could_mean_two_things_are_refused(target: str) -> None:
    for method in ("GET", "POST"):
        with pytest.raises(Refused):
            ask(method, target)


def test_start_takes_no_body_since_old_engines_read_mounts_from_it() -> None:
    with pytest.raises(Refused, match="only create has a body"):
        ask("POST", "/v1.41/containers/a/start", b'{"Binds": ["/:/host"]}')


@pytest.mark.parametrize(("field", "value"), [
    ("Privileged", True), ("CapAdd", ["SYS_ADMIN"]), ("PidMode", "host"), ("PidMode", "container:x"),
    ("IpcMode", "host"), ("UsernsMode", "host"), ("UTSMode", "host"), ("CgroupnsMode", "host"),
    ("NetworkMode", "host"), ("NetworkMode", "container:x"), ("NetworkMode", "bridge"), ("NetworkMode", "default"),
    ("Devices", [{"PathOnHost": "/dev/sda"}]), ("DeviceCgroupRules", ["a *:* rwm"]), ("VolumesFrom", ["postgres"]),
    ("VolumeDriver", "local"), ("SecurityOpt", ["seccomp=unconfined"]), ("SecurityOpt", ["no-new-privileges:false"]),
    ("SecurityOpt", ["no-new-privileges", "apparmor=unconfined"]), ("Runtime", "other"), ("CgroupParent", "/"),
    ("Sysctls", {"kernel.x": "1"}), ("GroupAdd", ["0"]), ("ExtraHosts", ["a:1.2.3.4"]), ("Links", ["postgres"]),
    ("PortBindings", {"80/tcp": [{"HostPort": "80"}]}), ("PublishAllPorts", True), ("OomKillDisable", True),
    ("OomScoreAdj", -1000), ("CapDrop", ["CHOWN"]), ("ReadonlyRootfs", "true"), ("Init", "yes"), ("Memory", 2**60),
    ("Memory", -1), ("PidsLimit", -1), ("PidsLimit", True), ("MemorySwap", -1), ("MaskedPaths", ["/x"]),
    ("Ulimits", [{"Name": "core"}]), ("StorageOpt", {"size": "1"}), ("Dns", ["1.2.3.4"]), ("Isolation", "process"),
    ("LogConfig", {"Type": "syslog"}), ("LogConfig", {"Type": "json-file", "Config": {"env": "X"}}),
    ("RestartPolicy", {"Name": "always"}), ("Tmpfs", {"/tmp": ""}), ("Tmpfs", {"/tmp": "size=1g,uid=0"}),
    ("Tmpfs", {"/tmp": "size=1g,bind"}), ("DeviceRequests", [{"Driver": "cdi", "DeviceIDs": ["x"]}]),
    ("DeviceRequests", [{"Count": 1, "Capabilities": [["gpu"]], "Options": {"x": "y"}}]),
])
def test_a_container_that_could_leave_its_limits_is_refused(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"HostConfig.{field} "):
        create(creation({field: value}))


@pytest.mark.parametrize(("field", "value"), [
    ("User", "root"), ("User", "0"), ("User", "0:0"), ("User", "10001"), ("User", "10001:0"), ("User", "00:1"),
    ("User", "10001:10001\n"), ("Labels", {"evenvoice.state": STATE, "com.docker.compose.project": "stack"}),
    ("Labels", {"evenvoice.state": STATE, "a": 1}), ("Env", "A=B"), ("ExposedPorts", {"80/tcp": {}}),
    ("Volumes", {"/x": {}}), ("MacAddress", "02:42:00:00:00:00"), ("OpenStdin", True), ("Tty", True),
    ("Healthcheck", {"Test": ["CMD", "x"]}), ("OnBuild", ["x"]), ("Runtime", "x"), ("Domainname", "x"),
    ("NetworkingConfig", {"EndpointsConfig": {"evenvoice-control": None}}), ("WorkingDir", "a/../b"),
    ("NetworkingConfig", {"EndpointsConfig": {"evenvoice-stages": {"IPAMConfig": {"IPv4Address": "10.0.0.1"}}}}),
])
def test_a_container_that_says_more_than_stages_need_is_refused(field: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"{field} "):
        create(creation(**{field: value}))


@pytest.mark.parametrize("field", ["Memory", "PidsLimit", "ReadonlyRootfs", "CapDrop", "SecurityOpt", "NetworkMode"])
def test_limits_have_to_be_given(field: str) -> None:
    with pytest.raises(Refused, match=f"HostConfig.{field} is given"):
        create(creation({field: None}))


@pytest.mark.parametrize("labels", [{}, {"evenvoice.state": "/elsewhere"}, {"evenvoice.run": "monday"}])
def test_a_container_without_our_label_is_refused(labels: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"[Ll]abel"):
        create(creation(Labels=labels))


@pytest.mark.parametrize("source", [
    "/", "/etc", "/srv", "/srv/evenvoice", f"{STATE}/", f"{STATE}/../..", f"{STATE}/runs", f"/srv/./{STATE}",
    "state", "", f"{STATE}x", "/srv/speech2", "/srv/speech/../evenvoice", f"/{STATE}", "/var/run/docker.sock",
])
def test_other_folders_are_not_mounted(source: str) -> None:
    """Not even a part of the state folder: a client could replace it by a link after it was looked at."""
    for mode in ("", ":ro"):
        with pytest.raises(Refused, match=r"HostConfig\.Binds"):
            create(creation({"Binds": [f"{source}:{source}{mode}"]}))
    with pytest.raises(Refused, match=r"HostConfig\.Mounts"):
        create(creation({"Mounts": [{"Type": "bind", "Source": source, "Target": source, "ReadOnly": True}]}))


@pytest.mark.parametrize("bind", [
    f"{STATE}:/etc", f"{STATE}:{STATE}:rw,shared", f"{STATE}:{STATE}:z", f"{STATE}:{STATE}:ro:rw", STATE,
    "/srv/speech:/srv/speech", "/srv/speech:/srv/speech:rw",
])
def test_mounts_elsewhere_shared_or_of_writable_corpora_are_refused(bind: str) -> None:
    with pytest.raises(Refused, match=r"HostConfig\.Binds"):
        create(creation({"Binds": [bind]}))


@pytest.mark.parametrize("mount", [
    {"Type": "bind", "Source": "/srv/speech", "Target": "/srv/speech"},
    {"Type": "volume", "Source": "postgres", "Target": "/data"}, {"Source": STATE, "Target": STATE},
    {"Type": "bind", "Source": STATE, "Target": STATE, "BindOptions": {"Propagation": "rshared"}},
    {"Type": "bind", "Source": STATE, "source": "/etc", "Target": STATE},
    {"Type": "volume", "Source": "x", "Target": "/x", "VolumeOptions": {"DriverConfig": {"Options": {"device": "/"}}}},
])
def test_mounts_in_the_long_form_obey_the_same_rules(mount: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"HostConfig\.Mounts"):
        create(creation({"Mounts": [mount]}))


def test_a_second_spelling_cannot_make_a_corpus_writable() -> None:
    mount = {"Type": "bind", "Source": "/srv/speech", "Target": "/srv/speech", "ReadOnly": True, "readonly": False}
    del (sent := create(creation({"Mounts": [mount]}))["HostConfig"]["Mounts"][0])["Type"]
    assert sent == {"Source": "/srv/speech", "Target": "/srv/speech", "ReadOnly": True}


def test_a_corpus_behind_a_link_is_refused(tmp_path: Any) -> None:
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "link").symlink_to("/etc")
    policy = Policy(owner=STATE, images=("evenvoice/stage",), state=STATE, corpora=(f"{tmp_path}/speech",),
                    networks=("evenvoice-stages",))
    create(creation({"Binds": [f"{tmp_path}/speech:{tmp_path}/speech:ro"]}), policy)
    with pytest.raises(Refused, match=r"HostConfig\.Binds"):
        create(creation({"Binds": [f"{tmp_path}/speech/link:{tmp_path}/speech/link:ro"]}), policy)


@pytest.mark.parametrize("body", [
    b"", b"[]", b"null", b"{", b'{"Image": "a", "Image": "b"}', b"[" * 100_000, b"\xff", b'{"HostConfig": []}'])
def test_a_body_that_is_not_one_plain_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        create(body)


@pytest.mark.parametrize("name", ["privileged", "PRIVILEGED", "priviLeged", "binds", "capadd", "\u017fysctls"])
def test_a_field_in_other_letters_is_no_other_field(name: str) -> None:
    """The engine reads names regardless of case."""
    with pytest.raises(Refused, match=r"is not set"):
        create(creation({name: True}))


def test_a_field_that_is_given_twice_is_refused() -> None:
    body = json.dumps(creation()).replace('"Privileged": false', '"Privileged": true, "Privileged": false')
    with pytest.raises(Refused, match="each field is given once"):
        create(body.encode())


@pytest.mark.parametrize("target", ["/images/evenvoice/stage:x/../../../containers/foreign/json",
                                    "/images/evenvoice/stage:x/%2e%2e/y/json", "/images/evenvoice/./stage:x/json"])
def test_an_image_cannot_lead_elsewhere(target: str) -> None:
    with pytest.raises(Refused, match="the path has no empty"):
        ask("GET", target)


@pytest.mark.parametrize("name", ["evenvoice/stage", "evenvoice/stage:local", f"evenvoice/stage@sha256:{'0' * 64}"])
def test_tags_and_digests_of_the_repository_are_allowed(name: str) -> None:
    assert POLICY.permits_image(name)


@pytest.mark.parametrize("name", ["evenvoice/stage:x/../y", "evenvoice/stage@x", "evenvoice/stage:",
                                  "evenvoice/stagehand:1", "evenvoice/stage-x", "busybox", "x/evenvoice/stage:1"])
def test_images_of_other_repositories_are_not_allowed(name: str) -> None:
    assert not POLICY.permits_image(name)


def test_an_image_whose_tag_went_to_the_next_build_is_known_by_its_title() -> None:
    titled = {"Labels": {"org.opencontainers.image.title": KINDS["stage"].title}}
    assert POLICY.permits_described({"RepoTags": ["evenvoice/stage:local"], "Config": {}})
    assert POLICY.permits_described({"RepoTags": [], "RepoDigests": ["<none>@<none>"], "Config": titled})
    assert not POLICY.permits_described({"RepoTags": ["other/stage:local"], "Config": titled})
    assert not POLICY.permits_described({"RepoTags": [], "Config": {"Labels": None}})
    assert not POLICY.permits_described({})


# for every request there is


def _folded(content: Any) -> dict[str, Any]:
    """As Go reads an object into a struct: names regardless of case, the last one wins."""
    return {name.casefold(): value for name, value in content.items()}


def assert_harmless(sent: bytes) -> None:
    """An oracle of its own, by what the engine understands rather than by what the proxy allows."""
    body = _folded(json.loads(sent))
    host = _folded(body["hostconfig"])
    for name in ("privileged", "capadd", "pidmode", "usernsmode", "utsmode", "devices", "volumesfrom", "runtime",
                 "cgroupparent", "sysctls", "groupadd", "devicecgrouprules", "maskedpaths", "readonlypaths", "links",
                 "portbindings", "cgroupnsmode", "volumedriver"):
        assert not host.get(name), name
    assert host["networkmode"] in POLICY.networks
    assert host.get("ipcmode") in (None, "private", "none")
    assert host["readonlyrootfs"] is True
    assert [cap.upper() for cap in host["capdrop"]] == ["ALL"]
    assert all(option.startswith("no-new-privileges") and "false" not in option for option in host["securityopt"])
    assert 0 < host["memory"] <= POLICY.memory_limit
    assert 0 < host["pidslimit"] <= POLICY.pids_limit
    assert 0 not in [int(part) for part in body["user"].split(":")]
    sources = [bind.split(":")[0] for bind in host.get("binds", [])]
    sources += [_folded(mount)["source"] for mount in host.get("mounts", [])]
    assert all(source == STATE or source == "/srv/speech" or source.startswith("/srv/speech/") for source in sources)
    assert not any(".." in source for source in sources)
    assert body["labels"]["evenvoice.state"] == STATE


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["host", "/", "/etc", "/etc:/etc", f"{STATE}:{STATE}", "0:0", "ALL", "container:x", "bind", "seccomp=unconfined"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["Source", "source", "Target", "Type", "Name", "Capabilities", "x", "EndpointsConfig"]), inner,
    max_size=3), max_leaves=8)
NAMES = st.sampled_from([
    "Privileged", "privileged", "Binds", "binds", "Mounts", "mounts", "CapAdd", "CapDrop", "User", "NetworkMode",
    "networkmode", "PidMode", "SecurityOpt", "securityopt", "ReadonlyRootfs", "readonlyRootfs", "Memory", "memory",
    "PidsLimit", "Labels", "labels", "HostConfig", "hostconfig", "Image", "image", "Devices", "VolumesFrom", "Tmpfs",
    "DeviceRequests", "LogConfig", "RestartPolicy", "Runtime", "IpcMode", "MaskedPaths"]) | st.text(max_size=6)
CHANGES = st.lists(st.tuples(st.booleans(), NAMES, VALUES), max_size=4)


@given(CHANGES)
def test_no_body_that_harms_is_ever_let_through(changes: list[tuple[bool, str, Any]]) -> None:
    body = creation()
    for in_host, name, value in changes:
        host = body.get("HostConfig")
        (host if in_host and isinstance(host, dict) else body)[name] = value
    try:
        sent = decide(POLICY, Request("POST", "/containers/create", json.dumps(body).encode())).body
    except Refused:
        return
    assert_harmless(sent)


@given(NAMES, VALUES.filter(lambda value: value not in (None, False, 0, "", [], {})))
def test_a_field_that_is_not_known_letter_by_letter_is_refused(name: str, value: Any) -> None:
    from engine_proxy.creation import HOST
    if name not in HOST:
        with pytest.raises(Refused, match="is not set"):
            create(creation({name: value}))


SENT = re.compile(r"(/v1\.(4[0-9]|[5-9][0-9]|[0-9]{3}))?/(_ping|version|info|images/[\w./:@-]+/json|"
                  r"containers/(json|create|<id>(/(json|logs|start|stop|kill|wait))?))(\?[\w=&%.+-]*)?")
PARTS = st.lists(st.sampled_from(["/", "containers", "json", "..", ".", "%2e", "%2f", "v1.41", "images", "a", "exec",
                                  "start", "logs", "?", "follow=1", "&", "%", "filters", "=", "{}", "create"]) |
                 st.text(max_size=3), max_size=9).map("".join)


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD"]), PARTS.map("/".__add__) | st.text())
def test_whatever_is_asked_for_only_known_calls_are_sent(method: str, target: str) -> None:
    try:
        call = decide(POLICY, Request(method, target))
    except Refused:
        return
    assert SENT.fullmatch(call.target("<id>").replace("%3Cid%3E", "<id>"))


# the policy itself


@pytest.mark.parametrize("setting", [
    {"PROXY_OWNER": ""}, {"PROXY_IMAGES": ""}, {"PROXY_STATE": "/"}, {"PROXY_STATE": "relative"},
    {"PROXY_CORPORA": "/srv/../etc"}, {"PROXY_CORPORA": f"{STATE}/corpora"}, {"PROXY_CORPORA": "/srv/evenvoice"},
    {"PROXY_NETWORKS": "host"}, {"PROXY_NETWORKS": ""}])
def test_without_a_whole_policy_the_proxy_does_not_start(setting: dict[str, str]) -> None:
    whole = {"PROXY_OWNER": STATE, "PROXY_IMAGES": "evenvoice/stage", "PROXY_STATE": STATE, "PROXY_NETWORKS": "none"}
    assert policy_from(whole).images == ("evenvoice/stage",)
    with pytest.raises(ValueError, match="PROXY_"):
        policy_from({**whole, **setting})
