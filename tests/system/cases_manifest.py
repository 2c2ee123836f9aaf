"""The command line as kubectl's: outputs, apply of a directory, edits that converge, waiting and watching."""
import json
import os
import re
import subprocess
import tempfile
import time

from bed.suite import case, check
from system.manifests import sector
from system.root import run, until


def rows(text):
    return [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]


@case("get prints what kubectl prints: tables, wide, json, yaml, name, jsonpath, lists; describe and events tell the story")
def outputs(bed):
    root = bed.root("bootsector")
    root.apply(sector("shown"))
    root.running("shown")
    until(10, "Ready", lambda: root.field("vm", "shown", '.status.conditions[?(@.type=="Ready")].status') == "True")
    head, line = rows(root.ctl("get", "vm"))
    check(head == ["NAME", "AGE", "STATUS", "READY"] and line[0] == "shown" and line[2:] == ["Running", "True"], f"{head} {line}")
    head, line = rows(root.ctl("get", "vmi", "-o", "wide"))
    check(head == ["NAME", "AGE", "PHASE", "IP", "NODENAME", "READY", "LIVE-MIGRATABLE", "PAUSED"] and line[2] == "Running" and line[3].startswith("10."), f"{head} {line}")
    head, line = rows(root.ctl("get", "vm", "-A"))
    check(head[0] == "NAMESPACE" and line[:2] == ["default", "shown"], f"{head} {line}")
    check(root.ctl("get", "vm", "-o", "name").strip() == "virtualmachine.kubevirt.io/shown", "-o name")
    one, many = json.loads(root.ctl("get", "vm", "shown", "-o", "json")), json.loads(root.ctl("get", "vm,vmi", "-o", "json"))
    check(one["apiVersion"] == "kubevirt.io/v1" and one["kind"] == "VirtualMachine" and one["metadata"]["uid"] and one["metadata"]["generation"] == 1, "json of one")
    check(many["kind"] == "List" and [o["kind"] for o in many["items"]] == ["VirtualMachine", "VirtualMachineInstance"], "json of many")
    owner = many["items"][1]["metadata"]["ownerReferences"][0]
    check(owner["kind"] == "VirtualMachine" and owner["uid"] == one["metadata"]["uid"], f"owner: {owner}")
    check("runStrategy: Always" in root.ctl("get", "vm", "shown", "-o", "yaml"), "yaml")
    check(root.ctl("get", "vmi", "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.phase}{end}") == "shown=Running", "jsonpath")
    told = root.ctl("describe", "vmi", "shown")
    check(all(word in told for word in ("Name:", "shown", "Running", "SuccessfulCreate", "Started")), told)
    check("virtualmachineinstance/shown" in root.ctl("events"), "events")


@case("errors are worded as kubectl's, with status 1; misuse is status 2")
def errors(bed):
    root = bed.root()
    for words, status, text in ((("get", "vm", "nobody"), 1, 'Error from server (NotFound): virtualmachines.kubevirt.io "nobody" not found'),
                                (("delete", "vm", "nobody"), 1, "NotFound"), (("start", "nobody"), 1, "NotFound"), (("console", "nobody"), 1, "NotFound"),
                                (("get", "pods"), 1, "doesn't have a resource type"), (("get",), 2, ""), (("frobnicate",), 2, "frobnicate"),
                                (("get", "vm", "--paused"), 2, "paused")):
        got = root.try_ctl(*words)
        check(got.returncode == status and text in got.stderr, f"{words}: {got.returncode} {got.stderr}")
    check("No resources found" in root.try_ctl("get", "vm").stderr, "an empty list")


@case("a directory is applied as a whole, applied again it changes nothing, an edit converges, a removed object goes")
def directory(bed):
    root = bed.root("bootsector")
    with tempfile.TemporaryDirectory() as folder:
        def write(name, text):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        write("one.yaml", sector("one"))
        write("two.json", json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}, "data": {"a": "b"}}))
        write("notes.txt", "not a manifest")
        first = root.ctl("apply", "-f", folder).splitlines()
        check(sorted(first) == ["configmap/two created", "virtualmachine.kubevirt.io/one created"], f"first: {first}")
        check(all(line.endswith(" unchanged") for line in root.ctl("apply", "-f", folder).splitlines()), "applied again")
        root.running("one")
        pid = root.qemu_pid("one")
        write("one.yaml", sector("one", memory="48Mi"))
        check("virtualmachine.kubevirt.io/one configured" in root.ctl("apply", "-f", folder), "changed")
        until(10, "RestartRequired", lambda: root.field("vm", "one", '.status.conditions[?(@.type=="RestartRequired")].status') == "True")
        check(root.qemu_pid("one") == pid and root.field("vm", "one", ".metadata.generation") == "2", "the guest runs on")
        root.ctl("restart", "one", "--grace-period=0", "--force")
        until(30, "the new size", lambda: root.field("vmi", "one", ".spec.domain.memory.guest") == "48Mi" and root.field("vmi", "one", ".status.phase") == "Running")
        check(not root.field("vm", "one", '.status.conditions[?(@.type=="RestartRequired")].status'), "nothing waits for a restart any more")
        root.ctl("delete", "-f", folder)
        check(root.try_ctl("get", "vm", "one").returncode == 1 and root.try_ctl("get", "configmap", "two").returncode == 1, "deleted with its files")


@case("the file in the manifest directory is the truth: an editor's change of the run strategy starts and stops the VM")
def edited(bed):
    root = bed.root("bootsector")
    path = os.path.join(root.path, "manifests", "lab.yaml")

    def write(strategy):
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(sector("lab", strategy=strategy, grace=1))
        os.rename(path + ".new", path)
    write("Halted")
    until(10, "Stopped", lambda: root.field("vm", "lab", ".status.printableStatus") == "Stopped")
    write("Always")
    root.running("lab", 30)
    write("Halted")
    until(30, "Stopped", lambda: root.field("vm", "lab", ".status.printableStatus") == "Stopped")
    os.unlink(path)
    until(10, "gone", lambda: root.try_ctl("get", "vm", "lab").returncode == 1)


@case("wait for a condition, a value and a deletion; a watch shows the life as it happens; a refused manifest leaves everything as it was")
def watching(bed):
    root = bed.root("bootsector")
    watch = subprocess.Popen([root.program("wherryctl"), "--root", root.path, "get", "vmi", "-w", "-o", "jsonpath={.metadata.name}:{.status.phase};"],
                             stdout=subprocess.PIPE, text=True)
    try:
        began = time.monotonic()
        late = root.try_ctl("wait", "vm", "seen", "--for=condition=Ready", "--timeout=1s")
        check(late.returncode == 1 and time.monotonic() - began < 10, f"nothing to wait for: {late.stderr}")
        root.apply(sector("seen"))
        root.ctl("wait", "vm", "seen", "--for=condition=Ready", "--timeout=30s")
        root.ctl("wait", "vmi", "seen", "--for=jsonpath={.status.phase}=Running", "--timeout=5s")
        bad = root.try_ctl("apply", "-f", "-", input=sector("seen").replace("rng: {}", "rng: {}\n          sound: {name: s}"))
        check(bad.returncode == 1 and "sound" in bad.stderr and "not supported by this version" in bad.stderr, bad.stderr)
        root.ctl("delete", "vm", "seen", "--grace-period=0", "--force", "--wait=false")
        root.ctl("wait", "vm", "seen", "--for=delete", "--timeout=20s")
    finally:
        watch.terminate()
    phases = [part.split(":")[1] for part in watch.communicate(timeout=10)[0].split(";") if part.startswith("seen:")]
    order = [p for i, p in enumerate(phases) if p != "Pending" and (i == 0 or p != phases[i - 1])]  # Pending is over at once when nothing is waited for
    check(order == ["Scheduling", "Scheduled", "Running", "Succeeded"], f"phases: {phases}")


@case("verbs that read write nothing: a root that is not there stays so, and has no images")
def reading_verbs(bed):
    program = os.path.join(bed.options.build, "wherryctl")
    with tempfile.TemporaryDirectory() as folder:
        nowhere = os.path.join(folder, "nowhere")
        for words in (("get", "vm"), ("get", "vmi", "-o", "json"), ("describe", "vm", "a"), ("events",), ("logs", "a"), ("doctor",), ("version",), ("image", "rm", "a:1")):
            result = run([program, "--root", nowhere, *words])
            check(result.returncode == 1 and (result.stderr or words == ("doctor",)), f"{words}: {result}")
        listed = run([program, "--root", nowhere, "image", "ls"])
        check(listed.returncode == 0 and listed.stdout.split() == ["REFERENCE", "DIGEST", "SIZE", "AGE"], f"{listed}")
        check(json.loads(run([program, "--root", nowhere, "image", "ls", "-o", "json"]).stdout) == [], "no images")
        check(os.listdir(folder) == [], f"made: {os.listdir(folder)}")
