"""LIST and WATCH."""
import json
import time

from bed import case, same, settle


def watch(probe, number=1, plural="pods", ns="-", labels="-", fields="-", keep="text", page=0, seconds=0, wait=True):
    probe.send(f"watch {number} {plural} {ns} {labels} {fields} {keep} {page} {seconds}")
    return probe.wait(lambda line: line.get("watch") == number and "synced" in line) if wait else None


def changed(probe, change, name, number=1):
    return probe.wait(lambda line: line.get("watch") == number and line.get("changed") == change and line["name"] == name)


@case
def watch_follows_changes(bed):
    server = bed.server()
    server.put("pods", "a", "one")
    probe = bed.probe(server)
    same(watch(probe)["synced"], 1)
    server.put("pods", "a", "two")
    changed(probe, "ADDED", "two")
    server.put("pods", "a", "one", spec={"x": 1})
    changed(probe, "MODIFIED", "one")
    server.remove("pods", "a", "one")
    changed(probe, "DELETED", "one")
    settle(probe, server, 1, "pods")
    same(len(server.requests("watch=true")), 1)
    same(probe.end(), 0)


@case
def watch_empty_lists(bed):
    server = bed.server()
    server.fail("/pods", null=True)
    probe = bed.probe(server)
    same(watch(probe)["synced"], 0)
    same(watch(probe, number=2, plural="configmaps")["synced"], 0)
    server.put("pods", "a", "one")
    changed(probe, "ADDED", "one")


@case
def list_pages(bed):
    server = bed.server()
    for i in range(23):
        server.put("pods", f"ns{i % 3}", f"p{i}")
    server.fail("continue=", times=1, metadata_first=True, indent=2)
    probe = bed.probe(server)
    same(watch(probe, page=5)["synced"], 23)
    same(len(server.requests("limit=5")), 5)
    settle(probe, server, 1, "pods")


@case
def list_token_expires(bed):
    """410 in the middle of a list: a new one, and nothing told twice."""
    server = bed.server()
    for i in range(12):
        server.put("pods", "a", f"p{i:02}")
    server.fail("continue=", times=1, status=410)
    probe = bed.probe(server)
    same(watch(probe, page=5)["synced"], 12)
    settle(probe, server, 1, "pods")
    same(len([l for l in probe.seen if l.get("changed")]), 12)


@case
def list_that_outlives_every_token(bed):
    """Lists that expire again and again are asked for in one piece."""
    server = bed.server()
    for i in range(12):
        server.put("pods", "a", f"p{i:02}")
    server.fail("continue=", times=100, status=410)
    probe = bed.probe(server)
    same(watch(probe, page=5)["synced"], 12)
    assert "limit" not in server.requests("/pods")[-2][1] or "limit" not in server.requests("/pods")[-1][1]


@case
def partial_list_deletes_nothing(bed):
    server = bed.server()
    for i in range(9):
        server.put("pods", "a", f"p{i}")
    probe = bed.probe(server)
    watch(probe, page=4)
    server.fail("continue=", times=3, close=True)
    server.compact()
    server.drop()
    probe.wait(lambda line: "synced" in line)
    same([l for l in probe.seen if l.get("changed") == "DELETED"], [])
    settle(probe, server, 1, "pods")


@case
def first_page_again_forgets_what_is_gone(bed):
    """A page that was half read is asked for again; what it had and has no more is deleted."""
    server = bed.server()
    server.put("pods", "a", "first")
    server.put("pods", "a", "second", spec={"filler": "x" * 400})
    server.fail("/pods", times=1, cut=200)
    server.fail("/pods", times=1, delay=0.5)
    probe = bed.probe(server)
    watch(probe, wait=False)
    changed(probe, "ADDED", "first")
    server.remove("pods", "a", "first")
    changed(probe, "DELETED", "first")
    settle(probe, server, 1, "pods")


@case
def gone_lists_anew(bed):
    """410 on a watch: only what differs is told, deletions and replacements included."""
    server = bed.server()
    for name in ("stays", "goes", "changes", "replaced"):
        server.put("pods", "a", name)
    probe = bed.probe(server)
    watch(probe)
    server.fail("watch=true", times=2, close=True, delay=0.3)
    server.drop()
    probe.wait(lambda line: "lost" in line)
    seen = len(probe.seen)
    server.remove("pods", "a", "goes")
    server.put("pods", "a", "changes", spec={"n": 2})
    server.remove("pods", "a", "replaced")
    server.put("pods", "a", "replaced", uid="other")
    server.put("pods", "a", "comes")
    server.compact()
    probe.wait(lambda line: "synced" in line)
    told = sorted((l["changed"], l["name"]) for l in probe.seen[seen:] if l.get("changed"))
    same(told, [("ADDED", "comes"), ("ADDED", "replaced"), ("DELETED", "goes"), ("DELETED", "replaced"), ("MODIFIED", "changes")])
    settle(probe, server, 1, "pods")


@case
def bookmark_moves_the_watch_on(bed):
    """A watch that saw nothing but bookmarks goes on after them, not from its list."""
    server = bed.server()
    server.put("pods", "a", "one")
    server.bookmarks, server.second = 0.2, 0.25
    probe = bed.probe(server)
    watch(probe, seconds=4)
    for i in range(20):
        server.put("configmaps", "a", f"c{i}")
    time.sleep(0.7)
    server.compacted = server.version - 3
    server.put("pods", "a", "two")
    changed(probe, "ADDED", "two")
    time.sleep(2.2)
    same(len(server.requests("/pods.*limit=")), 1, "listed anew although bookmarks came")
    assert len(server.requests("watch=true")) > 1, "the watch was not resumed"


@case
def watch_ends_are_resumed(bed):
    server = bed.server()
    server.put("pods", "a", "one")
    server.second = 0.25
    probe = bed.probe(server)
    watch(probe, seconds=4)
    for i in range(6):
        time.sleep(0.5)
        server.put("pods", "a", f"p{i}")
        changed(probe, "ADDED", f"p{i}")
    same(len(server.requests("/pods.*limit=")), 1)
    seconds = {r[1].split("timeoutSeconds=")[1] for r in server.requests("watch=true")}
    assert all(4 <= int(s) < 8 for s in seconds), seconds


def cut_everywhere(bed, length, begin, plural="pods"):
    """Runs `begin(server, probe, number, ns, cut)` for cuts over a stream of `length` bytes, 24 at a time."""
    step = 1 if bed.long else max(1, length // 240)
    cuts = list(range(0, length + 1, step))
    server = bed.server()
    probe = bed.probe(server)
    for at in range(0, len(cuts), 24):
        group = [(at + i + 1, f"n{at + i}", cut) for i, cut in enumerate(cuts[at:at + 24])]
        for number, ns, cut in group:
            begin(server, probe, number, ns, cut)
        for number, ns, _ in group:
            ends = time.monotonic() + 20
            while True:
                want = sorted((o["metadata"]["name"], o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for (p, n, _), o in list(server.objects.items()) if n == ns)
                found = sorted((o["name"], o["uid"], o["version"]) for o in probe.dump(number)["dump"])
                if want == found:
                    break
                assert time.monotonic() < ends, f"watch {number}: {want} {found}\n  {server.requests(f'/{ns}/')}\n  {[line for line in probe.seen if line.get('watch') == number]}"
                time.sleep(0.05)
            probe.send(f"unwatch {number}")
            probe.wait(lambda line, number=number: line.get("unwatched") == number)
    return server, probe


@case
def watch_cut_at_every_byte(bed):
    """However a stream is cut, the store ends up as the server; nothing is told twice, nothing is left out."""
    def change(server, ns):
        server.put("pods", ns, "new", spec={"text": "a \\ \" \u20ac {[" * 3, "n": [1.5e3, True, None, {}]}, metadata={"managedFields": [{"x": "}"}]})
        server.put("pods", ns, "new", spec={"text": "b"})
        server.remove("pods", ns, "old")

    def begin(server, probe, number, ns, cut):
        server.put("pods", ns, "old")
        server.fail(f"/{ns}/pods.*watch=true", times=1, cut=cut)
        watch(probe, number, ns=ns)
        change(server, ns)

    sample = bed.server()
    sample.put("pods", "n", "old")
    change(sample, "n")
    length = sum(len(json.dumps({"type": kind, "object": obj})) + 1 for _, _, kind, obj in sample.events[1:])
    server, probe = cut_everywhere(bed, length, begin)
    told = {}
    for line in probe.seen:
        if line.get("changed"):
            told.setdefault(line["watch"], []).append((line["changed"], line["name"]))
    expected = [("ADDED", "old"), ("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "old")]
    for number, changes in told.items():
        same(changes, expected, f"watch {number}")
    assert len(server.requests("watch=true")) > len(told) * 1.95, "the cuts did not happen"


@case
def list_cut_at_every_byte(bed):
    def begin(server, probe, number, ns, cut):
        for i in range(3):
            server.put("pods", ns, f"p{i}", spec={"text": "a \\ \" \u20ac {["})
        server.fail(f"/{ns}/pods", times=1, cut=cut)
        watch(probe, number, ns=ns, wait=False)
    _, probe = cut_everywhere(bed, 620, begin)
    same({l["changed"] for l in probe.seen if l.get("changed")}, {"ADDED"})
    same(max(sum(1 for l in probe.seen if l.get("changed") and l["watch"] == n) for n in {l["watch"] for l in probe.seen if l.get("changed")}), 3)


@case
def slow_stream_in_small_pieces(bed):
    server = bed.server()
    for i in range(3):
        server.put("pods", "a", f"p{i}", spec={"t": "x" * 40})
    server.fail("/pods", times=2, pieces=3, slow=0.001)
    probe = bed.probe(server)
    watch(probe)
    server.put("pods", "a", "late")
    changed(probe, "ADDED", "late")
    settle(probe, server, 1, "pods")


@case
def reordered_events_list_anew(bed):
    """A stream whose versions go backwards is not believed."""
    server = bed.server()
    one = server.put("pods", "a", "one")
    server.put("pods", "a", "two")
    stale = json.dumps({"type": "MODIFIED", "object": one}) + "\n"
    server.fail("watch=true", times=1, inject=stale)
    probe = bed.probe(server)
    watch(probe)
    lost = probe.wait(lambda line: "lost" in line)
    assert "after version" in lost["lost"], lost
    probe.wait(lambda line: "synced" in line)
    settle(probe, server, 1, "pods")
    same([l for l in probe.seen if l.get("changed") == "MODIFIED"], [])


@case
def garbage_is_waited_out(bed):
    """No JSON, wrong shapes, unknown events, errors inside a stream."""
    server = bed.server()
    server.put("pods", "a", "one")
    bad = ["{]", "[]", '{"type":"NEW","object":{}}\n', '{"type":"ADDED","object":{"metadata":{}}}\n', '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"inside"}}\n', "\x00", '"a"', '{"type":"ADDED"}\n']
    for text in bad:
        server.fail("watch=true", times=1, inject=text)
    for text in ('{"items":[1]}', "<html>", '{"kind":"Status"}', '{"items":[{"metadata":{}}],"kind":"XList","metadata":{"resourceVersion":"1"}}', "", '{"kind":"XList","items":[],"metadata":{}}'):
        server.fail("limit=", times=1, status=200, body=text)
    probe = bed.probe(server)
    watch(probe)
    ends = time.monotonic() + 40
    while time.monotonic() < ends and not any("inside" in l.get("lost", "") for l in probe.seen):
        probe.wait(lambda line: "lost" in line, 30)
    while len(server.faults) and any(f.times for f in server.faults):
        assert time.monotonic() < ends, [f.what for f in server.faults if f.times]
        time.sleep(0.1)
    server.put("pods", "a", "two")
    settle(probe, server, 1, "pods")
    same([l for l in probe.seen if l.get("changed") == "DELETED"], [])


@case
def refusals_are_waited_out(bed):
    """403, 404, 429 with Retry-After, 500, 503: told, waited out, nothing deleted."""
    server = bed.server()
    server.put("pods", "a", "one")
    probe = bed.probe(server)
    watch(probe)
    for code in (403, 404, 500, 503):
        server.fail("/pods", times=1, status=code)
    server.fail("/pods", times=1, status=429, retry_after=2)
    begun = time.monotonic()
    server.drop()
    probe.wait(lambda line: "lost" in line and line["failure"]["http"] == 429, 30)
    since = time.monotonic()
    server.put("pods", "a", "two")
    changed(probe, "ADDED", "two")
    assert time.monotonic() - since >= 1.9, "Retry-After was not kept"
    codes = [l["failure"]["http"] for l in probe.seen if "lost" in l and l["failure"]["http"]]
    same(codes, [403, 404, 500, 503, 429])
    same([l for l in probe.seen if l.get("changed") == "DELETED"], [])
    assert time.monotonic() - begun < 30


@case
def server_away_and_back(bed):
    """Nothing is deleted while it is away; soon after it is back, everything is as there, an older state too."""
    server = bed.server()
    for i in range(5):
        server.put("pods", "a", f"p{i}")
    probe = bed.probe(server)
    watch(probe)
    old, version, port = dict(server.objects), server.version, server.port
    server.put("pods", "a", "young")
    server.put("pods", "a", "p1", spec={"n": 2})
    changed(probe, "MODIFIED", "p1")
    server.stop()
    time.sleep(6)
    same([l for l in probe.seen if l.get("changed") == "DELETED"], [])
    back = bed.server(port=port)
    back.objects, back.version = old, version  # restored from a backup
    since = time.monotonic()
    changed(probe, "DELETED", "young")
    took = time.monotonic() - since
    assert took < 2.5, f"{took:.1f} s after it came back"
    settle(probe, back, 1, "pods")
    back.put("pods", "a", "new")
    changed(probe, "ADDED", "new")


@case
def watch_without_a_byte_is_not_trusted_for_ever(bed):
    """A watch whose time is over is ended here when the server does not end it."""
    server = bed.server()
    server.put("pods", "a", "one")
    server.second = 1000.0
    probe = bed.probe(server)
    watch(probe, seconds=1)
    probe.wait(lambda line: "lost" in line, 20)
    server.put("pods", "a", "two")
    changed(probe, "ADDED", "two")
    same(len(server.requests("/pods.*limit=")), 1)


@case
def selectors_and_kinds(bed):
    server = bed.server()
    server.put("pods", "a", "mine", metadata={"labels": {"kubevirt.io": "virt-launcher"}}, spec={"nodeName": "n1"})
    server.put("pods", "a", "other")
    server.put("nodes", None, "n1")
    probe = bed.probe(server)
    same(watch(probe, labels="kubevirt.io=virt-launcher", fields="spec.nodeName=n1")["synced"], 1)
    same(watch(probe, number=2, plural="nodes")["synced"], 1)
    same(probe.dump(2)["dump"][0]["ns"], "")
    assert "labelSelector=kubevirt.io%3Dvirt-launcher&fieldSelector=spec.nodeName%3Dn1" in server.requests("/pods")[0][1]


@case
def objects_of_each_keeping(bed):
    server = bed.server()
    server.put("virtualmachineinstances", "a", "vm", metadata={"managedFields": [{"manager": "x"}], "labels": {"l": "\u20ac"}}, spec={"domain": {"cpu": {"cores": 2}}, "pad": "abc" * 400})
    probe = bed.probe(server)
    for number, keep in ((1, "text"), (2, "packed"), (3, "names")):
        watch(probe, number, "virtualmachineinstances", keep=keep)
        probe.send(f"object {number} a vm")
        answer = probe.wait(lambda line: "object" in line)
        if keep == "names":
            assert answer["object"] is None and "only its names" in answer["error"], answer
            continue
        found = answer["object"]
        same((found["apiVersion"], found["kind"]), ("kubevirt.io/v1", "VirtualMachineInstance"))
        same(found["spec"]["domain"]["cpu"]["cores"], 2)
        same(found["metadata"]["labels"], {"l": "\u20ac"})
        assert "managedFields" not in found["metadata"]
