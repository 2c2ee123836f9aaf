"""The kustomizations: each builds, and what they hold is of one piece."""
import functools
import glob
import os
import re
import subprocess

import yaml

import api
from suite import case, check

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
DEPLOY = os.path.join(TOP, "deploy")


def roots():
    """Every kustomization but the parts of others."""
    found = sorted(os.path.dirname(path) for path in glob.glob(os.path.join(DEPLOY, "**/kustomization.yaml"), recursive=True))
    return [path for path in found if not path.startswith((os.path.join(DEPLOY, "base"), os.path.join(DEPLOY, "crds")))]


@functools.lru_cache(maxsize=None)
def build(path):
    """The objects of a kustomization."""
    done = subprocess.run([api.programs()["kubectl"], "kustomize", path], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(done.returncode == 0 and not done.stderr, f"{path}: {done.stderr}")
    return [document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document]


def key(item):
    return item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]


def policies(items):
    """What no overlay may change: rights, policies, definitions."""
    kept = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "CustomResourceDefinition")
    return {key(item): {name: part for name, part in item.items() if name != "metadata"} for item in items if item["kind"] in kept}


def handler(items):
    return next(item for item in items if item["kind"] == "DaemonSet")["spec"]["template"]["spec"]


@case("every file of a kustomization is named in it, and each that is named is there")
def files(_bed):
    for path in glob.glob(os.path.join(DEPLOY, "**/kustomization.yaml"), recursive=True):
        folder = os.path.dirname(path)
        with open(path, encoding="utf-8") as file:
            parts = yaml.load(file, Loader=yaml.CSafeLoader)
        named = parts.get("resources", []) + [patch["path"] for patch in parts.get("patches", []) if "path" in patch]
        check(named and all(os.path.exists(os.path.join(folder, name)) for name in named), f"{path}: {named}")
        there = {os.path.basename(name) for name in glob.glob(os.path.join(folder, "*.yaml"))} - {"kustomization.yaml"}
        check(there == {name for name in named if name.endswith(".yaml")}, f"{folder}: {there}")


@case("every kustomization builds, without an object twice")
def builds(_bed):
    check(len(roots()) >= 4, roots())
    wanted = policies(build(DEPLOY))
    for path in roots():
        items = build(path)
        check(policies(items) == wanted, f"{path}: other rights, policies or definitions than {DEPLOY}")
        check(len({key(item) for item in items}) == len(items), f"{path}: an object twice")
        check({"DaemonSet", "CustomResourceDefinition", "Namespace", "PriorityClass", "ValidatingAdmissionPolicy"} <= {item["kind"] for item in items}, path)


@case("the images are those of this version")
def versions(_bed):
    with open(os.path.join(TOP, "Makefile"), encoding="utf-8") as file:
        version = re.search(r"^VERSION := (\S+)", file.read(), re.M).group(1)
    for path in roots():
        container = handler(build(path))["containers"][0]
        launcher = next(entry["value"] for entry in container["env"] if entry["name"] == "LAUNCHER_IMAGE")
        check(container["image"].endswith(":" + version) and launcher.endswith(":" + version), f"{path}: {container['image']}, {launcher}")


@case("the default KubeVirt object of every variant is one that the schema admits")
def default_object(bed):
    for path in roots():
        text = next(item["data"]["kubevirt.yaml"] for item in build(path) if key(item) == ("ConfigMap", "kubevirt", "kubevirt-default"))
        bed.api.must("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text.replace("name: kubevirt\n", "name: other\n", 1))


@case("every policy is bound, and every binding has its policy")
def bound(_bed):
    items = build(DEPLOY)
    policies = {item["metadata"]["name"]: item for item in items if item["kind"] == "ValidatingAdmissionPolicy"}
    bindings = {item["spec"]["policyName"]: item for item in items if item["kind"] == "ValidatingAdmissionPolicyBinding"}
    check(policies.keys() == bindings.keys(), "policies and bindings differ")
    for name, policy in policies.items():
        check(policy["spec"]["failurePolicy"] == "Fail" and bindings[name]["spec"]["validationActions"] == ["Deny"], name)
        if "paramKind" in policy["spec"]:
            check(bindings[name]["spec"]["paramRef"]["parameterNotFoundAction"] == "Deny", name)


@case("the handler is found by the names that KubeVirt's clients know")
def names(_bed):
    for path in roots():
        items = build(path)
        pod = handler(items)
        daemon_set = next(item for item in items if item["kind"] == "DaemonSet")
        check(key(daemon_set) == ("DaemonSet", "kubevirt", "virt-handler"), path)
        check(daemon_set["spec"]["template"]["metadata"]["labels"]["kubevirt.io"] == "virt-handler" and pod["containers"][0]["name"] == "virt-handler", path)
        check("runAsUser" not in pod.get("securityContext", {}) and "runAsUser" not in pod["containers"][0]["securityContext"],
              f"{path}: with runAsUser the kubelet makes the token unreadable for the unprivileged half")
        volumes, mounts = {v["name"] for v in pod["volumes"]}, {m["name"] for m in pod["containers"][0]["volumeMounts"]}
        check(volumes == mounts, f"{path}: volumes {volumes ^ mounts}")


def own_secret(item, rule):
    """The one secret of the installation: in its own namespace, read by its name."""
    return item["kind"] == "Role" and (rule["verbs"] == ["create"] or rule.get("resourceNames") == ["kubevirt-ca"] and rule["verbs"] == ["get"])


@case("no secret of others is readable, no right is a wildcard verb, nothing is escalated")
def rights(_bed):
    for item in build(DEPLOY):
        if item["kind"] not in ("Role", "ClusterRole"):
            continue
        for rule in item["rules"]:
            words = set(rule["verbs"]) | set(rule["resources"])
            check("secrets" not in words or own_secret(item, rule), f"{key(item)}: {rule}")
            check(not words & {"serviceaccounts/token", "escalate", "bind", "impersonate", "roles", "clusterroles"} and "*" not in rule["verbs"], f"{key(item)}: {rule}")
            check("*" not in rule["resources"] or rule["verbs"] == ["get", "list", "watch"], f"{key(item)}: {rule}")


def spoken_of():
    """Plurals of the resources that the handler's sources ask the API server for: rows of handler/kube/path.c that some other file uses."""
    with open(os.path.join(TOP, "handler/kube/path.c"), encoding="utf-8") as file:
        rows = dict(re.findall(r'const WryKubeResource (wry_kube_\w+) = \{[^"]*(?:"[^"]*", "v1"|CORE|KUBEVIRT), "(\w+)"', file.read()))
    check(len(rows) > 15, f"{len(rows)} rows")
    used, written = set(), set()
    for path in glob.glob(os.path.join(TOP, "handler/**/*.c"), recursive=True):
        if not path.endswith("kube/path.c"):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            used |= set(re.findall(r"&(wry_kube_\w+)", text))
            written |= set(re.findall(r'"/apis/[a-z0-9.]+/v1/([a-z]+)[/"]', text))
    return {rows[name] for name in used & rows.keys()} | written


@case("the handler has rights on what its sources ask for, and on nothing else")
def least(_bed):
    items = [item for item in build(DEPLOY) if item["metadata"]["name"].startswith("kubevirt-handler")]
    given = {resource.split("/")[0] for item in items for rule in item.get("rules", []) for resource in rule["resources"]}
    if any(item["roleRef"]["name"] == "extension-apiserver-authentication-reader" for item in items if item["kind"] == "RoleBinding"):
        given.add("configmaps")      # a role that every cluster has: one ConfigMap in kube-system
    check(given == spoken_of(), f"given, not used: {given - spoken_of()}; used, not given: {spoken_of() - given}")
