"""Two CustomResourceDefinitions side by side: everything but descriptions. A difference is (path, what)."""

# Not compared: texts, and what the API server fills in.
IGNORED_NAMES = {"listKind", "singular"}


def _rules(schema):
    return [rule.get("rule") for rule in schema.get("x-kubernetes-validations", [])]


def _keyword(name, ours, theirs):
    """What differs in one keyword: its name, `validations.message` when only the words do, None when nothing does."""
    if ours.get(name) == theirs.get(name) and (name in ours) == (name in theirs):
        return None
    if name == "x-kubernetes-validations" and _rules(ours) == _rules(theirs):
        return name + ".message"
    if name == "required" and sorted(ours.get(name, [])) == sorted(theirs.get(name, [])):
        return None
    if name == "enum" and sorted(ours.get(name, [])) == sorted(theirs.get(name, [])):
        return None
    return name


def schemas(ours, theirs, path=""):
    """Every difference below two nodes."""
    mine, other = ours.get("properties", {}), theirs.get("properties", {})
    yield from ((f"{path}.{name}".lstrip("."), "missing") for name in other.keys() - mine.keys())
    yield from ((f"{path}.{name}".lstrip("."), "unknown to KubeVirt") for name in mine.keys() - other.keys())
    for name in mine.keys() & other.keys():
        yield from schemas(mine[name], other[name], f"{path}.{name}".lstrip("."))
    for name, step in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(ours.get(name), dict) and isinstance(theirs.get(name), dict):
            yield from schemas(ours[name], theirs[name], path + step)
    nested = {"properties", "items", "additionalProperties", "description"}
    for name in (ours.keys() | theirs.keys()) - nested:
        what = _keyword(name, ours, theirs)
        if what:
            yield path, what
    for name in ("items", "additionalProperties"):
        if (name in ours) != (name in theirs):
            yield path, name


def versions(ours, theirs):
    """The parts of two versions but their schemas."""
    for name in (ours.keys() | theirs.keys()) - {"schema"}:
        if ours.get(name) != theirs.get(name):
            yield f"spec.versions[{ours['name']}]", name


def definitions(ours, theirs):
    """Every difference of two definitions."""
    for name in ("group", "scope"):
        if ours["spec"][name] != theirs["spec"][name]:
            yield "spec", name
    for name in (ours["spec"]["names"].keys() | theirs["spec"]["names"].keys()) - IGNORED_NAMES:
        if ours["spec"]["names"].get(name) != theirs["spec"]["names"].get(name):
            yield "spec.names", name
    for name in ("name", "labels"):
        if ours["metadata"][name] != theirs["metadata"][name]:
            yield "metadata", name
    mine, other = ({version["name"]: version for version in crd["spec"]["versions"]} for crd in (ours, theirs))
    yield from (("spec.versions", name) for name in mine.keys() ^ other.keys())
    for name in mine.keys() & other.keys():
        yield from versions(mine[name], other[name])
        yield from schemas(mine[name]["schema"]["openAPIV3Schema"], other[name]["schema"]["openAPIV3Schema"])
