"""The Kubernetes manifests fit the published schemas and the settings of the service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from deploy.kubernetes import stateful_set
from deploy.kubernetes.rules import ALERTS, RULE, manifest
from stream_al import __version__, settings
from stream_al.service.http.access.roles import RULES, Role
from stream_al.settings import Settings
from stream_al.settings.tokens import ROLES, of_file
from tests.deploy.image import last

HERE = Path(__file__).parents[2] / "deploy" / "kubernetes"
KUSTOMIZATIONS = sorted(HERE.rglob("kustomization.yaml"))
EXAMPLES = sorted(HERE.glob("*secret.example.yaml"))  # of Secrets: no part of a kustomization
MANIFESTS = sorted(set(HERE.rglob("*.yaml")) - {*KUSTOMIZATIONS, HERE / "settings.yaml"})
VERSION = "1.32"  # the oldest Kubernetes that the manifests are held to, strictly
OPERATORS = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}  # their schemas are not in the package


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


DEPLOYMENT = read(HERE / "deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINERS: list[dict[str, Any]] = [*POD["initContainers"], *POD["containers"]]
(MAIN,) = POD["containers"]
(TOPICS,) = POD["initContainers"]
SECRET = read(HERE / "secret.example.yaml")["stringData"]

every_container = pytest.mark.parametrize("container", CONTAINERS, ids=lambda one: str(one["name"]))
every_manifest = pytest.mark.parametrize("path", MANIFESTS, ids=lambda one: str(one.relative_to(HERE)))


def accepted(container: dict[str, Any], secret: dict[str, str]) -> Settings:
    """The settings as a container finds them; the file is where it is mounted."""
    environ = {}
    for variable in container["env"]:
        if "value" in variable:
            environ[variable["name"]] = variable["value"]
        else:
            source = variable["valueFrom"]["secretKeyRef"]
            if source["key"] in secret:
                environ[variable["name"]] = secret[source["key"]]
            else:
                assert source["optional"], source["key"]
    mounted = environ.pop("STREAM_AL_CONFIG")
    (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == mounted]
    (generated,) = read(HERE / "kustomization.yaml")["configMapGenerator"]
    assert mount["subPath"] in generated["files"]
    return settings.load(HERE / mount["subPath"], environ=environ)


SETTINGS = accepted(MAIN, {})


@every_manifest
def test_a_manifest_is_sound(path: Path) -> None:
    """It fits the schema of Kubernetes, which refuses unknown fields, and it has our labels."""
    document = read(path)
    if document["apiVersion"] not in OPERATORS:
        kubernetes_validate.validate(document, VERSION, strict=True)
    assert document["metadata"]["labels"]["app.kubernetes.io/name"] == "stream-al"


def test_the_schemas_refuse_a_field_that_does_not_exist() -> None:
    """Otherwise the test above would prove nothing."""
    wrong = read(HERE / "deployment.yaml")
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_every_manifest_is_in_one_kustomization_and_the_example_of_secrets_in_none() -> None:
    found = [path.parent / name for path in KUSTOMIZATIONS for name in read(path).get("resources", ())]
    assert sorted([*found, *EXAMPLES]) == MANIFESTS


def test_the_image_is_the_one_of_this_version() -> None:
    (image,) = read(HERE / "kustomization.yaml")["images"]
    assert {container["image"] for container in CONTAINERS} == {image["name"]}
    assert image["newTag"] == __version__


@every_container
def test_the_settings_accept_what_a_container_is_given(container: dict[str, Any]) -> None:
    full = {"kafka-password": "p", "snapshots-key": "k" * 32}
    given = accepted(container, full)
    assert given.kafka.sasl_password
    assert bool(given.snapshots.key) is (container is MAIN)
    assert accepted(container, {}) == SETTINGS


def test_a_container_gets_no_key_of_the_secret_that_it_does_not_need() -> None:
    """The keys of the Secret as files: the tokens alone, and for the service alone."""
    (volume,) = [one for one in POD["volumes"] if "secret" in one]
    assert volume["secret"]["items"] == [{"key": "tokens", "path": "tokens"}]
    mounting = [
        one["name"] for one in CONTAINERS if volume["name"] in {m["name"] for m in one["volumeMounts"]}
    ]
    assert mounting == [MAIN["name"]]
    keys = {
        one["name"]: {e["valueFrom"]["secretKeyRef"]["key"] for e in one["env"] if "valueFrom" in e}
        for one in CONTAINERS
    }
    assert keys == {TOPICS["name"]: {"kafka-password"}, MAIN["name"]: {"kafka-password", "snapshots-key"}}


def test_prometheus_can_be_given_its_token_and_no_other_secret() -> None:
    (endpoint,) = read(HERE / "monitoring/service-monitor.yaml")["spec"]["endpoints"]
    named = endpoint["authorization"]["credentials"]
    own = read(HERE / "prometheus-secret.example.yaml")
    assert named == {"name": own["metadata"]["name"], "key": "token"}
    assert set(own["stringData"]) == {"token"}
    assert own["metadata"]["name"] != read(HERE / "secret.example.yaml")["metadata"]["name"]


def test_no_variable_of_kubernetes_looks_like_a_setting() -> None:
    """For a Service of this name it would set STREAM_AL_SERVICE_HOST, which the settings refuse."""
    assert POD["enableServiceLinks"] is False


def test_files_that_settings_name_are_mounted() -> None:
    mounts = {one["mountPath"]: one for one in MAIN["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert {one["name"] for one in mounts.values()} == set(volumes)
    tokens = SETTINGS.http.tokens_file
    assert tokens is not None
    secret = volumes[mounts[str(tokens.parent)]["name"]]["secret"]
    assert secret["secretName"] == read(HERE / "secret.example.yaml")["metadata"]["name"]
    assert tokens.name in SECRET
    assert tokens.name in [
        one["path"] for one in volumes[mounts[str(tokens.parent)]["name"]]["secret"]["items"]
    ]
    mount = mounts[str(Path(str(SETTINGS.snapshots.directory)).parent)]  # the key lies beside the directory
    assert "emptyDir" in volumes[mount["name"]]
    assert not mount.get("readOnly")


def test_each_place_of_snapshots_is_a_component_that_the_kustomization_offers() -> None:
    text = (HERE / "kustomization.yaml").read_text(encoding="utf-8")
    offered = re.search(r"^# components:.*\n((?:#   - .*\n)+)", text, re.MULTILINE)
    assert offered
    names = re.findall(r"- (\S+)", offered[1])
    assert sorted(names) == sorted(path.name for path in HERE.glob("snapshots-*"))
    for name in names:
        assert read(HERE / name / "kustomization.yaml")["kind"] == "Component"


def test_the_stateful_set_is_the_deployment_with_a_volume_for_each_replica() -> None:
    """If this fails: `python -m deploy.kubernetes.stateful_set`."""
    assert stateful_set.STATEFUL_SET.read_text(encoding="utf-8") == stateful_set.manifest()
    spec = read(stateful_set.STATEFUL_SET)["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    name = claim["metadata"]["name"]
    pod = spec["template"]["spec"]
    assert pod | {"volumes": [*pod["volumes"], {"name": name}]} == POD | {
        "volumes": [*(v for v in POD["volumes"] if v["name"] != name), {"name": name}]
    }
    mounts = {one["mountPath"]: one["name"] for one in MAIN["volumeMounts"]}
    assert mounts[str(Path(str(SETTINGS.snapshots.directory)).parent)] == name
    assert spec["selector"] == DEPLOYMENT["spec"]["selector"]
    assert spec["template"]["metadata"] == DEPLOYMENT["spec"]["template"]["metadata"]
    assert spec["serviceName"] == read(HERE / "service.yaml")["metadata"]["name"]


def test_the_stateful_set_takes_the_deployments_place() -> None:
    (patch,) = read(HERE / "snapshots-volume" / "kustomization.yaml")["patches"]
    gone = yaml.safe_load(patch["patch"])
    assert gone.pop("$patch") == "delete"
    assert gone == {
        **{key: DEPLOYMENT[key] for key in ("apiVersion", "kind")},
        "metadata": {"name": DEPLOYMENT["metadata"]["name"]},
    }
    assert read(stateful_set.STATEFUL_SET)["metadata"] == DEPLOYMENT["metadata"]


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge as far as it is needed here: items of lists are merged by their names."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return base | {key: merged(base.get(key), value) for key, value in patch.items()}
    if isinstance(base, list) and isinstance(patch, list):
        named = {one["name"]: one for one in base}
        return list((named | {one["name"]: merged(named.get(one["name"]), one) for one in patch}).values())
    return patch


def test_the_url_of_snapshots_is_accepted_and_its_keys_are_in_the_example_of_secrets() -> None:
    (patch,) = read(HERE / "snapshots-s3" / "kustomization.yaml")["patches"]
    deployment = merged(DEPLOYMENT, yaml.safe_load(patch["patch"]))
    kubernetes_validate.validate(deployment, VERSION, strict=True)
    assert len(deployment["spec"]["template"]["spec"]["containers"]) == 1
    (main,) = deployment["spec"]["template"]["spec"]["containers"]
    directory = accepted(main, {"snapshots-key": "k" * 32}).snapshots.directory
    assert directory is not None
    assert directory.startswith("s3://")
    keys = {one["valueFrom"]["secretKeyRef"]["key"] for one in main["env"] if "valueFrom" in one}
    example = (HERE / "secret.example.yaml").read_text(encoding="utf-8")
    assert {key for key in keys if f"{key}: REPLACE" in example} == keys


def test_the_example_of_secrets_is_refused_until_it_is_filled_in() -> None:
    """So nobody uses tokens that are published. When it is filled in, Prometheus has the role `read`."""
    with pytest.raises(ValueError, match="16"):
        of_file(SECRET["tokens"])
    for path in EXAMPLES:
        written = yaml.safe_dump(read(path)["stringData"])
        assert not re.search(r"[0-9A-Za-z]{16}", written), "an example holds no secret that would be taken"
    number = iter(range(len(ROLES)))
    filled = of_file(re.sub("REPLACE", lambda _: f"{next(number):032}", SECRET["tokens"]))
    assert {token.role for token in filled} == set(ROLES)
    (prometheus,) = [token for token in filled if token.name == "prometheus"]
    assert Role[prometheus.role.upper()] == RULES["GET", "/metrics"].role


@every_container
def test_a_container_has_no_more_rights_than_it_needs(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = POD["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False
    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == last("USER")


@every_container
def test_a_container_has_requests_and_limits(container: dict[str, Any]) -> None:
    for bound in ("requests", "limits"):
        assert set(container["resources"][bound]) == {"cpu", "memory"}


def test_probes_ask_routes_that_need_no_token() -> None:
    (port,) = MAIN["ports"]
    assert port["containerPort"] == SETTINGS.http.port
    paths = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = MAIN[probe]["httpGet"]
        assert asked["port"] == port["name"]
        assert RULES["GET", asked["path"]].role == Role.OPEN
        paths[probe] = asked["path"]
    # A replica that waits for the broker is not ready, and must not be killed for it.
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_a_pod_has_more_time_to_stop_than_it_takes() -> None:
    assert POD["terminationGracePeriodSeconds"] > SETTINGS.limits.stop_seconds


def test_a_node_that_is_drained_takes_one_replica_of_two() -> None:
    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert read(HERE / "pod-disruption-budget.yaml")["spec"]["maxUnavailable"] == 1


def test_selectors_find_the_pods() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    service = read(HERE / "service.yaml")
    monitor = read(HERE / "monitoring/service-monitor.yaml")["spec"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert read(HERE / "pod-disruption-budget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert monitor["selector"]["matchLabels"] == service["metadata"]["labels"]


def test_prometheus_scrapes_with_its_token_and_names_job_and_instance_as_the_dashboard_does() -> None:
    (port,) = read(HERE / "service.yaml")["spec"]["ports"]
    assert port["port"] == SETTINGS.http.port
    assert port["targetPort"] == MAIN["ports"][0]["name"]
    (endpoint,) = read(HERE / "monitoring/service-monitor.yaml")["spec"]["endpoints"]
    assert endpoint["port"] == port["name"]
    assert ("GET", endpoint["path"]) in RULES
    labels = {one["targetLabel"]: one for one in endpoint["relabelings"]}
    assert labels["job"]["replacement"] == SETTINGS.application
    assert labels["instance"]["sourceLabels"] == ["__meta_kubernetes_pod_name"]


POLICIES = [HERE / "network-policy.yaml", HERE / "snapshots-s3" / "network-policy.yaml"]


@pytest.mark.parametrize("path", POLICIES, ids=lambda one: str(one.relative_to(HERE)))
def test_a_policy_holds_for_our_pods(path: Path) -> None:
    spec = read(path)["spec"]
    assert spec["podSelector"] == DEPLOYMENT["spec"]["selector"]


def test_only_clients_and_prometheus_reach_the_port_of_http() -> None:
    spec = read(POLICIES[0])["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    (rule,) = spec["ingress"]
    clients, prometheus = rule["from"]
    assert set(clients) == {"podSelector"}  # without a namespaceSelector: this namespace alone
    assert set(prometheus) == {"namespaceSelector", "podSelector"}
    for selector in (*clients.values(), *prometheus.values()):
        assert selector["matchLabels"]  # an empty selector would let everyone in
    assert [one["port"] for one in rule["ports"]] == [MAIN["ports"][0]["name"]]


def test_the_replicas_reach_kafka_names_and_the_collector_of_traces_and_nothing_else() -> None:
    spec = read(POLICIES[0])["spec"]
    reached = {}
    for rule in spec["egress"]:
        (peer,) = rule["to"]
        for selector in peer.values():
            assert selector["matchLabels"]
        (name,) = peer["podSelector"]["matchLabels"].values()
        reached[name] = sorted((one["port"], one["protocol"]) for one in rule["ports"])
    host, _, port = SETTINGS.kafka.bootstrap_servers.partition(":")
    assert reached == {
        host: [(int(port), "TCP")],
        "kube-dns": [(53, "TCP"), (53, "UDP")],
        "opentelemetry-collector": [(4318, "TCP")],  # the port of OTLP over HTTP
    }


def test_the_rule_holds_the_alerts_as_they_are() -> None:
    """If this fails: `python -m deploy.kubernetes.rules`."""
    assert read(RULE)["spec"] == read(ALERTS)
    assert RULE.read_text(encoding="utf-8") == manifest()


def test_keda_scales_on_the_lag_of_the_group_that_selects_and_never_beyond_its_partitions() -> None:
    spec = read(HERE / "autoscaling/scaled-object.yaml")["spec"]
    assert spec["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    assert spec["minReplicaCount"] == DEPLOYMENT["spec"]["replicas"]
    assert spec["maxReplicaCount"] <= SETTINGS.topics.partitions
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "kafka"
    asked = trigger["metadata"]
    assert all(isinstance(value, str) for value in asked.values())  # KEDA takes texts
    assert asked["bootstrapServers"] == SETTINGS.kafka.bootstrap_servers
    assert asked["consumerGroup"] == f"{SETTINGS.application}.select"
    assert asked["topic"] == SETTINGS.topics.samples
    assert asked["offsetResetPolicy"] == SETTINGS.input.start
