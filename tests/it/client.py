"""Drives the cluster with the official Python client: create, list, watch, patch, scale, delete."""

import sys

from kubernetes import client, config, watch

config.load_kube_config(sys.argv[1])
core, apps = client.CoreV1Api(), client.AppsV1Api()

assert [node.metadata.name for node in core.list_node().items]
core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="py"), data={"a": "b"}))
assert core.read_namespaced_config_map("py", "default").data == {"a": "b"}
core.patch_namespaced_config_map("py", "default", {"data": {"c": "d"}})
assert core.read_namespaced_config_map("py", "default").data == {"a": "b", "c": "d"}

labels = {"app": "py"}
template = client.V1PodTemplateSpec(
    metadata=client.V1ObjectMeta(labels=labels),
    spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="py:1")]),
)
spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template)
apps.create_namespaced_deployment("default", client.V1Deployment(metadata=client.V1ObjectMeta(name="py"), spec=spec))

ready = set()
for event in watch.Watch().stream(core.list_namespaced_pod, "default", label_selector="app=py", timeout_seconds=30):
    conditions = event["object"].status.conditions or []
    if any(condition.type == "Ready" and condition.status == "True" for condition in conditions):
        ready.add(event["object"].metadata.name)
    if len(ready) == 2:
        break
assert len(ready) == 2, ready

apps.patch_namespaced_deployment_scale("py", "default", {"spec": {"replicas": 1}})
assert apps.read_namespaced_deployment_scale("py", "default").spec.replicas == 1
try:
    core.read_namespaced_pod("nobody", "default")
    raise AssertionError("a missing pod was found")
except client.ApiException as error:
    assert error.status == 404, error
apps.delete_namespaced_deployment("py", "default")
print("all good")
