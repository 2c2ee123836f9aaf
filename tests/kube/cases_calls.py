"""Requests: verbs, failures, retries, limits."""
import json
import time

from bed import case, same

VMI = "virtualmachineinstances"
PATH = "/apis/kubevirt.io/v1/namespaces/a/virtualmachineinstances"


@case
def verbs_and_their_paths(bed):
    server = bed.server()
    probe = bed.probe(server)
    made = probe.call(1, "post", VMI, "a", "-", "-", "fieldManager=wherry", json.dumps({"metadata": {"name": "vm", "namespace": "a"}, "spec": {"text": "/\u20ac"}}))
    same(made["object"]["spec"]["text"], "/\u20ac")
    same(probe.call(2, "get", VMI, "a", "vm", "-", "-", "-")["object"]["metadata"]["name"], "vm")
    patched = probe.call(3, "merge", VMI, "a", "vm", "status", "-", '{"status":{"phase":"Running"}}')
    same(patched["object"]["status"], {"phase": "Running"})
    put = probe.call(4, "put", VMI, "a", "vm", "-", "-", json.dumps(patched["object"]))
    assert "failure" not in put, put
    probe.call(5, "delete", VMI, "a", "vm", "-", "-", "-")
    requests = [(r[0], r[1]) for r in server.log]
    same(requests, [("POST", f"{PATH}?fieldManager=wherry"), ("GET", f"{PATH}/vm"), ("PATCH", f"{PATH}/vm/status"), ("PUT", f"{PATH}/vm"), ("DELETE", f"{PATH}/vm")])
    headers = server.log[2][2]
    same((headers["Content-Type"], headers["Accept"], headers["Authorization"], headers["User-Agent"].split("/")[0]), ("application/merge-patch+json", "application/json", "Bearer t", "wherry"))
    assert "Accept-Encoding" not in headers and "Expect" not in headers, headers
    same(probe.end(), 0)


@case
def patch_content_types(bed):
    server = bed.server()
    server.fail(".", times=9, status=200, body="{}")
    probe = bed.probe(server)
    kinds = {"json": "application/json-patch+json", "merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json", "apply": "application/apply-patch+yaml"}
    for verb, kind in kinds.items():
        probe.call(1, verb, VMI, "a", "vm", "-", "-", "{}")
        same(server.log[-1][2]["Content-Type"], kind)


@case
def delete_options(bed):
    server = bed.server()
    server.put(VMI, "a", "vm", uid="u1")
    probe = bed.probe(server)
    probe.send(f"delete 1 {VMI} a vm other Foreground 0")
    answer = probe.wait(lambda line: "done" in line)
    same((answer["failure"]["http"], answer["failure"]["reason"]), (409, "Conflict"))
    same(json.loads(server.log[-1][3]), {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground", "gracePeriodSeconds": 0, "preconditions": {"uid": "other"}})
    probe.send(f"delete 2 {VMI} a vm u1 - -1")
    assert "failure" not in probe.wait(lambda line: line.get("done") == 2)


@case
def failures_are_decoded(bed):
    server = bed.server()
    causes = [{"reason": "FieldValueRequired", "field": "spec.domain", "message": "is required"}, {"reason": "Odd", "field": "spec.x", "message": "m"}]
    server.fail(".", status=422, message="it is invalid", more={"details": {"causes": causes, "retryAfterSeconds": 7}})
    server.fail(".", status=404, body="404 page not found", type="text/plain")
    server.fail(".", status=418, body="")
    probe = bed.probe(server)
    first = probe.call(1, "get", VMI, "a", "vm", "-", "-", "-")["failure"]
    same((first["http"], first["reason"], first["message"], first["retryAfter"]), (422, "Invalid", "it is invalid", 7))
    same(first["error"], f"GET {PATH}/vm: it is invalid")
    same([c["reason"] for c in first["causes"]], ["FieldValueRequired", "FieldValueInvalid"])
    second = probe.call(2, "get", VMI, "a", "vm", "-", "-", "-")["failure"]
    same((second["reason"], second["message"]), ("NotFound", ""))
    third = probe.call(3, "get", VMI, "a", "vm", "-", "-", "-")["failure"]
    assert third["error"].endswith("HTTP status 418"), third


@case
def retries_of_what_may_be_repeated(bed):
    """Lost connections, 429, 503: a GET, a PUT, a DELETE, a merge patch go through."""
    server = bed.server()
    server.put(VMI, "a", "vm")
    probe = bed.probe(server)
    for fault in ({"close": True}, {"reset": True}, {"cut": 5}, {"status": 429}, {"status": 503}, {"status": 500, "retry_after": 1}):
        for verb, body in (("get", "-"), ("put", '{"metadata":{"name":"vm"}}'), ("merge", '{"spec":{"x":1}}')):
            server.fail(".", times=2, **fault)
            answer = probe.call(1, verb, VMI, "a", "vm", "-", "-", body)
            assert "failure" not in answer, (fault, verb, answer)


@case
def no_repetition_of_what_may_not(bed):
    """A POST or JSON patch whose connection was lost is told, not repeated; one that the server refused with 429 is."""
    server = bed.server()
    probe = bed.probe(server)
    for verb, name in (("post", "-"), ("json", "vm")):
        for fault, tries in (({"close": True}, 1), ({"after": True}, 1), ({"status": 503}, 1), ({"status": 429, "times": 2}, 3)):
            server.log.clear()
            server.faults.clear()
            server.fail(".", **{"times": 1, **fault})
            answer = probe.call(1, verb, VMI, "a", name, "-", "-", '{"metadata":{"name":"vm"}}')
            same(len(server.log), tries, (verb, fault, answer))


@case
def post_waits_for_a_server_that_comes(bed):
    """No connection: the server cannot have seen it, so a POST waits too."""
    server = bed.server()
    port = server.port
    probe = bed.probe(server)
    server.stop()
    probe.send(f'call 1 post {VMI} a - - - {{"metadata":{{"name":"vm"}}}}')
    time.sleep(1.5)
    bed.server(port=port)
    assert "failure" not in probe.wait(lambda line: line.get("done") == 1)


@case
def retry_after_is_kept(bed):
    server = bed.server()
    server.put(VMI, "a", "vm")
    server.fail(".", status=429, retry_after=2)
    probe = bed.probe(server)
    begun = time.monotonic()
    probe.call(1, "get", VMI, "a", "vm", "-", "-", "-")
    assert 1.9 <= time.monotonic() - begun < 4
    server.fail(".", status=429, retry_after=100)
    begun = time.monotonic()
    answer = probe.call(2, "get", VMI, "a", "vm", "-", "-", "-")
    same((answer["failure"]["http"], answer["failure"]["retryAfter"]), (429, 100))
    assert time.monotonic() - begun < 1, "waited although the deadline comes first"


@case
def deadline_holds(bed):
    server = bed.server()
    server.put(VMI, "a", "vm")
    probe = bed.probe(server, "--timeout", "2")
    for fault in ({"delay": 30}, {"close": True}):
        server.faults.clear()
        server.fail(".", times=1000, **fault)
        begun = time.monotonic()
        failure = probe.call(1, "get", VMI, "a", "vm", "-", "-", "-")["failure"]
        same(failure["http"], 0)
        assert time.monotonic() - begun < 3.5, failure
    server.stop()
    failure = probe.call(2, "get", VMI, "a", "vm", "-", "-", "-")["failure"]
    assert "refused" in failure["error"] or "connect" in failure["error"].lower(), failure


@case
def answers_that_are_none(bed):
    server = bed.server()
    probe = bed.probe(server, "--timeout", "3")
    for body in ("<html>", "{", '{"a":1}{"b":2}', '{"a":NaN}', '{"a":1,"a":2}'):
        server.fail(".", status=200, body=body)
        same(probe.call(1, "get", VMI, "a", "vm", "-", "-", "-")["failure"]["http"], 0, body)
    server.fail(".", status=200, body='{"a":"' + "x" * (17 << 20) + '"}')
    assert "too large" in probe.call(2, "get", VMI, "a", "vm", "-", "-", "-", seconds=60)["failure"]["error"]
    server.fail(".", status=302, headers={"Location": "http://127.0.0.1:1/"}, body="")
    same(probe.call(3, "get", VMI, "a", "vm", "-", "-", "-")["failure"]["http"], 302)
    probe.send("raw 4 /readyz")
    assert "failure" not in probe.wait(lambda line: line.get("done") == 4)


@case
def cancel_and_end_in_flight(bed):
    server = bed.server()
    server.fail(".", times=100, delay=1)
    probe = bed.probe(server)
    for number in range(1, 6):
        probe.send(f"call {number} get {VMI} a vm - - -")
    probe.send("cancel 3")
    done = [probe.wait(lambda line: "done" in line)["done"] for _ in range(4)]
    same(sorted(done), [1, 2, 4, 5])
    probe.send("cancel 3")
    for number in range(11, 16):
        probe.send(f"call {number} get {VMI} a vm - - -")
    probe.send(f"watch 1 {VMI} - - - text 0 0")
    time.sleep(0.3)
    same(probe.end(), 0)


@case
def in_flight_is_bounded(bed):
    server = bed.server()
    server.fail(".", times=100, delay=0.3)
    probe = bed.probe(server, "--in-flight", "2")
    for number in range(1, 9):
        probe.send(f"call {number} get {VMI} a vm{number} - - -")
    for _ in range(8):
        probe.wait(lambda line: "done" in line)
    times = sorted(r[4] for r in server.log)
    assert all(times[i + 2] - times[i] > 0.25 for i in range(6)), times
    same([r[1][-1] for r in server.log[:2]], ["1", "2"])


@case
def connections_are_reused(bed):
    server = bed.server(tls=True)
    server.put(VMI, "a", "vm")
    before = len(server.connections)
    probe = bed.probe(server, cluster={"certificate-authority": "ca.crt"}, scheme="https")
    for number in range(20):
        assert "failure" not in probe.call(number, "get", VMI, "a", "vm", "-", "-", "-")
    same(len(server.connections) - before, 1)
    same(len({r[2]["Host"] for r in server.log}), 1)


@case
def idle_costs_nothing(bed):
    """A watch without events wakes nobody."""
    server = bed.server()
    probe = bed.probe(server)
    probe.send("watch 1 pods - - - text 0 0")
    probe.wait(lambda line: "synced" in line)
    time.sleep(0.5)
    with open(f"/proc/{probe.process.pid}/status", encoding="ascii") as f:
        first = int(f.read().split("voluntary_ctxt_switches:")[1].split()[0])
    time.sleep(5)
    with open(f"/proc/{probe.process.pid}/status", encoding="ascii") as f:
        second = int(f.read().split("voluntary_ctxt_switches:")[1].split()[0])
    assert second - first <= 1, f"{second - first} wake-ups in 5 s"
