"""Structural schemas of CustomResourceDefinitions: the rules that an API server has for them, and which values they let through.

Sources: the API reference of apiextensions.k8s.io/v1 and the Kubernetes documentation on structural schemas.
"""
import re

PLAIN = {"boolean": bool, "string": str, "object": dict, "array": list}
KEYWORDS = {"type", "format", "description", "properties", "additionalProperties", "items", "required", "enum", "default", "nullable", "pattern", "minimum",
            "maximum", "minLength", "maxLength", "maxItems", "anyOf", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
            "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"}
FORMATS = {"integer": {"int32", "int64"}, "string": {"date-time"}}
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
BOUNDS = {"int32": 2 ** 31, "int64": 2 ** 63}


def children(schema):
    """(what to add to the path, schema) of each node directly below."""
    for name, below in schema.get("properties", {}).items():
        yield "." + name, below
    if isinstance(schema.get("items"), dict):
        yield "[]", schema["items"]
    if isinstance(schema.get("additionalProperties"), dict):
        yield "{}", schema["additionalProperties"]


def walk(schema, path=""):
    """(path, schema) of every node."""
    yield path, schema
    for step, below in children(schema):
        yield from walk(below, path + step)


# --- what an API server asks of a schema ----------------------------------------------------------------------------------
def _type_problems(schema):
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if kind or schema.get("anyOf") != INT_OR_STRING:
            yield "int-or-string has no type, and the anyOf of integer and string"
    elif kind not in {*PLAIN, "integer", "number"}:
        yield f"type {kind}"
    elif "anyOf" in schema:
        yield "anyOf is for int-or-string alone"
    if "format" in schema and schema["format"] not in FORMATS.get(kind, ()):
        yield f"format {schema['format']} of {kind}"


def _object_problems(schema):
    if "properties" in schema and "additionalProperties" in schema:
        yield "properties and additionalProperties exclude each other"
    if set(schema) & {"properties", "additionalProperties", "required", "x-kubernetes-map-type"} and schema.get("type") != "object":
        yield "is no object"
    for name in schema.get("required", []):
        if name not in schema.get("properties", {}):
            yield f"required {name} is no property"
    if sorted(set(schema.get("required", []))) != schema.get("required", []):
        yield "required is not a sorted set"


def _list_problems(schema):
    kind, items = schema.get("x-kubernetes-list-type"), schema.get("items", {})
    if (schema.get("type") == "array") != ("items" in schema):
        yield "arrays have items, others none"
    if kind not in (None, "atomic", "set", "map"):
        yield f"list type {kind}"
    if kind == "set" and items.get("type") not in ("string", "integer"):
        yield "a set has scalars"
    if (kind == "map") != ("x-kubernetes-list-map-keys" in schema):
        yield "lists of type map have keys, others none"
    for key in schema.get("x-kubernetes-list-map-keys", []):
        at = items.get("properties", {}).get(key)
        if at is None or at.get("type") not in ("string", "integer") or not (key in items.get("required", []) or "default" in at):
            yield f"key {key} is no scalar that is always there"


def _value_problems(schema):
    if "enum" in schema and (not schema["enum"] or len(set(schema["enum"])) != len(schema["enum"])):
        yield "enum is not a set of values"
    if "default" in schema:
        yield from (f"default: {problem}" for problem in problems(schema, schema["default"]))
    if "pattern" in schema:
        re.compile(schema["pattern"])
    for rule in schema.get("x-kubernetes-validations", []):
        if not rule.get("rule") or not rule.get("message"):
            yield "a validation has rule and message"


CHECKS = [_type_problems, _object_problems, _list_problems, _value_problems]


def structural_problems(schema):
    """Everything for which an API server would refuse the schema, or say NonStructuralSchema."""
    for path, node in walk(schema):
        for keyword in set(node) - KEYWORDS:
            yield f"{path}: keyword {keyword}"
        for check in CHECKS:
            yield from (f"{path}: {problem}" for problem in check(node))
    root = schema.get("properties", {})
    if schema.get("type") != "object" or root.get("metadata") != {"type": "object"}:
        yield "the root is an object, and of its metadata nothing is said"
    for name in ("apiVersion", "kind"):
        if root.get(name, {}).get("type") != "string":
            yield f"{name} is a string"


# --- which values it lets through -------------------------------------------------------------------------------------------
def _is(schema, value):
    kind = schema.get("type")
    whole = isinstance(value, int) and not isinstance(value, bool)
    if schema.get("x-kubernetes-int-or-string"):
        return whole or isinstance(value, str)
    if kind == "integer":
        return whole
    if kind == "number":
        return whole or isinstance(value, float)
    return isinstance(value, PLAIN[kind])


def _scalar_problems(schema, value, path):
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path}: {value!r} does not match"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{path}: length"
    elif isinstance(value, int) and not isinstance(value, bool):
        bound = BOUNDS.get(schema.get("format"), 2 ** 63)
        if not max(schema.get("minimum", -bound), -bound) <= value <= min(schema.get("maximum", bound), bound - 1):
            yield f"{path}: {value} is out of range"


def _object_values(schema, value, path):
    known = schema.get("properties", {})
    yield from (f"{path}.{name}: required" for name in schema.get("required", []) if name not in value)
    for name, below in value.items():
        if name in known:
            yield from problems(known[name], below, f"{path}.{name}")
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from problems(schema["additionalProperties"], below, f"{path}.{name}")
        elif not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{path}.{name}: unknown field"


def problems(schema, value, path=""):
    """Why an API server with strict field validation refuses the value. Null is absent."""
    if value is None:
        return
    if not _is(schema, value):
        yield f"{path}: {value!r} is no {schema.get('type', 'integer or string')}"
    elif isinstance(value, dict):
        yield from _object_values(schema, value, path)
    elif isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{path}: too many items"
        for index, item in enumerate(value):
            yield from problems(schema["items"], item, f"{path}[{index}]")
    else:
        yield from _scalar_problems(schema, value, path)


def object_problems(schema, value):
    """The same of a whole object: its metadata is the API server's own."""
    return list(problems(schema, {name: part for name, part in value.items() if name != "metadata"}))


def at(schema, path):
    """The node that a JSONPath of a column or of scale means; KeyError when there is none."""
    for step in re.findall(r"\.\w+|\[[^]]*\]", path):
        schema = schema["items"] if step[0] == "[" else schema["properties"][step[1:]]
    return schema
