"""Leader election and events."""
import json
import time

from bed import case, same

LEASE = "lease kube-system wherry-controller"


def elect(probe, identity, duration=4, renew=3, retry=1):
    probe.send(f"{LEASE} {identity} {duration} {renew} {retry}")


def lease(probe, what, seconds=20):
    return probe.wait(lambda line: line.get("lease") == what, seconds)


def spec(server):
    return server.objects[("leases", "kube-system", "wherry-controller")]["spec"]


@case
def one_leads_and_renews(bed):
    server = bed.server()
    probe = bed.probe(server)
    elect(probe, "one")
    lease(probe, "started")
    first = dict(spec(server))
    same((first["holderIdentity"], first["leaseDurationSeconds"], first["leaseTransitions"]), ("one", 4, 0))
    time.sleep(3)
    assert spec(server)["renewTime"] > first["renewTime"] and spec(server)["acquireTime"] == first["acquireTime"]
    same([r[0] for r in server.requests("leases")][:3], ["GET", "POST", "PUT"], "a leader does not read before each write")
    same([l for l in probe.seen if l.get("lease") == "stopped"], [])


@case
def second_takes_over_from_the_dead(bed):
    server = bed.server()
    first, second = bed.probe(server), bed.probe(server)
    elect(first, "one")
    lease(first, "started")
    elect(second, "two")
    same(lease(second, "leader")["identity"], "one")
    first.kill()
    begun = time.monotonic()
    lease(second, "started")
    assert 0.5 < time.monotonic() - begun < 8
    same((spec(server)["holderIdentity"], spec(server)["leaseTransitions"]), ("two", 1))


@case
def release_lets_the_next_one_in(bed):
    server = bed.server()
    first, second = bed.probe(server), bed.probe(server)
    elect(first, "one", duration=60, renew=40)
    lease(first, "started")
    elect(second, "two", duration=60, renew=40)
    lease(second, "leader")
    first.send("release")
    lease(first, "stopped")
    lease(first, "released")
    same(first.end(), 0)
    lease(second, "started", 8)


@case
def leader_without_a_server_stops_in_time(bed):
    """It stops before anybody else could start, and leads again when the server is back."""
    server = bed.server()
    port = server.port
    probe = bed.probe(server)
    elect(probe, "one", duration=4, renew=2, retry=1)
    lease(probe, "started")
    objects, version = server.objects, server.version
    server.stop()
    begun = time.monotonic()
    lease(probe, "stopped")
    assert time.monotonic() - begun < 2.5
    back = bed.server(port=port)
    back.objects, back.version = objects, version
    lease(probe, "started")


@case
def clocks_are_not_compared(bed):
    """A holder whose clock is years off is believed as long as its record changes."""
    server = bed.server()
    def renew(number):
        server.put("leases", "kube-system", "wherry-controller", spec={"holderIdentity": "far", "leaseDurationSeconds": 2, "renewTime": f"2001-01-01T00:00:{number:02}.000000Z", "leaseTransitions": 3})
    renew(0)
    probe = bed.probe(server)
    elect(probe, "one")
    for number in range(1, 8):
        time.sleep(0.7)
        renew(number)
    same([l for l in probe.seen if l.get("lease") == "started"], [])
    lease(probe, "started")
    same(spec(server)["leaseTransitions"], 4)


@case
def lost_write_is_found_again(bed):
    """A renewal that arrived although its answer was lost: the leader goes on."""
    server = bed.server()
    probe = bed.probe(server)
    elect(probe, "one", duration=6, renew=4)
    lease(probe, "started")
    for _ in range(2):
        server.fail("leases", method="PUT", after=True)
        time.sleep(2.5)
    same([l for l in probe.seen if l.get("lease") == "stopped"], [])
    same(spec(server)["leaseTransitions"], 0)


@case
def stolen_lease_ends_leading(bed):
    server = bed.server()
    probe = bed.probe(server)
    elect(probe, "one")
    lease(probe, "started")
    server.put("leases", "kube-system", "wherry-controller", spec={"holderIdentity": "thief", "leaseDurationSeconds": 60, "leaseTransitions": 1})
    lease(probe, "stopped")
    time.sleep(2.5)
    same(spec(server)["holderIdentity"], "thief")


@case
def events_are_counted(bed):
    server = bed.server()
    probe = bed.probe(server)
    for _ in range(3):
        probe.send("event VirtualMachineInstance a vm Normal Started it runs")
        time.sleep(0.2)
    probe.send("event VirtualMachineInstance a vm Warning Failed it failed")
    time.sleep(0.5)
    events = [o for (plural, _, _), o in server.objects.items() if plural == "events"]
    same(sorted((e["reason"], e["type"], e["count"]) for e in events), [("Failed", "Warning", 1), ("Started", "Normal", 3)])
    event = next(e for e in events if e["reason"] == "Started")
    same(event["involvedObject"], {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "namespace": "a", "name": "vm", "uid": "u-1"})
    same((event["source"], event["message"]), ({"component": "virt-handler", "host": "node1"}, "it runs"))
    same(json.loads(server.requests("events", "PATCH")[-1][3]).keys(), {"count", "lastTimestamp", "message"})


@case
def events_that_the_server_forgot(bed):
    server = bed.server()
    probe = bed.probe(server)
    probe.send("event VirtualMachineInstance a vm Normal Started it runs")
    time.sleep(0.3)
    key = next(k for k in server.objects if k[0] == "events")
    server.remove(*key)
    probe.send("event VirtualMachineInstance a vm Normal Started it runs")
    time.sleep(0.3)
    same(server.objects[key]["count"], 2)


@case
def floods_of_events_are_dammed(bed):
    server = bed.server()
    probe = bed.probe(server)
    for number in range(60):
        probe.send(f"event VirtualMachineInstance a vm Normal Started number {number}")
    time.sleep(1.5)
    events = [o for (plural, _, _), o in server.objects.items() if plural == "events"]
    same(len(events), 10)
    combined = [e for e in events if e["message"].startswith("(combined from similar events): ")]
    same(len(combined), 1)
    assert len(server.requests("events")) <= 25, len(server.requests("events"))
