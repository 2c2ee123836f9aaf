"""Rules on C files: layers, libraries, calls, head comments, and what ctags sees (function length, exported names)."""
import json
import os
import re
import subprocess

from . import tables


def _layer(path):
    prefixes = [p for p in tables.LAYERS if path.startswith(p)]
    return max(prefixes, key=len) if prefixes else None


def _resolve(tree, source, name):
    """The project path an include means, searched as the compiler does; None for a header that is not in the tree."""
    here = os.path.normpath(os.path.join(os.path.dirname(source.path), name))
    for candidate in (here, "include/" + name, os.path.normpath(name)):
        if candidate in tree:
            return candidate
    return "gen/" + name if re.match(r"policy_\w+\.h$", name) else None


def layers(tree, source):
    layer = _layer(source.path)
    if not source.is_c or not layer:
        return
    for line, name, system in source.includes():
        target = None if system else _resolve(tree, source, name)
        if target and not any(target.startswith(p) for p in tables.LAYERS[layer]):
            yield line, "layer", name, f"{layer} may include {', '.join(tables.LAYERS[layer])}, not {target}"


def libraries(tree, source):
    if not source.is_c:
        return
    for line, name, system in source.includes():
        if not system and _resolve(tree, source, name):
            continue
        for header, places, library in tables.LIBRARIES:
            if re.fullmatch(header, name) and not re.match(places, source.path):
                yield line, "library", name, f"{library} is used only in {places.replace(chr(92), '')}"


def libc_only(tree, source, seen=None, origin=None):
    """The sandboxed programs include libc and nothing else, however deep."""
    if origin is None and not re.match(tables.LIBC_ONLY, source.path):
        return
    seen = seen if seen is not None else {source.path}
    for line, name, system in source.includes():
        target = None if system else _resolve(tree, source, name)
        if target in tree and target not in seen:
            seen.add(target)
            for _, _, inner, _ in libc_only(tree, tree[target], seen, source):
                yield line, "libc-only", inner, f"through {name}: only libc headers in a sandboxed program"
        elif not target and not re.fullmatch(tables.LIBC_HEADERS, name):
            yield line, "libc-only", name, "only libc headers in a sandboxed program"


def paths(_tree, source):
    if not source.is_c or not re.match(tables.PRODUCT, source.path) or re.match(tables.PATH_MODULE, source.path):
        return
    for line, name, arguments in source.calls(tables.PATH_CALLS):
        if arguments and arguments[tables.PATH_CALLS[name] % len(arguments)] in tables.HARMLESS_PATHS:
            continue
        yield line, "path", name, "opens a path by string; lib/vpath.c is the one place"
    for line, name, arguments in source.calls(tables.AT_CALLS):
        index = tables.AT_CALLS[name]
        if len(arguments) <= index or not arguments[index].startswith('"'):
            yield line, "path", name, "name is not a literal; lib/vpath.c is the one place"
    for match in re.finditer(tables.PATH_FIELDS, source.code):
        yield source.line_of(match.start()), "path", "sun_path", "socket address by name; lib/vpath.c is the one place"


def banned_calls(_tree, source):
    if source.is_c and re.match(tables.PRODUCT, source.path):
        for line, name, _ in source.calls(tables.BANNED_CALLS):
            yield line, "banned", name, tables.BANNED_CALLS[name]


def head_comment(_tree, source):
    """Every .c starts with what it is; a script says so under its first line."""
    if source.path.endswith(".c"):
        good = re.match(r"\s*(/\*|//)", source.text)
    elif source.shell() or source.python():
        good = re.match(r'(#![^\n]*\n)?\s*(#(?!!)|"""|r""")', source.text) or not source.text.strip()
    else:
        return
    if not good:
        yield 1, "head", source.path, "no comment at the head of the file"


def _tags(root, sources):
    names = [s.path for s in sources if s.path.endswith(".c")]
    if not names:
        return
    out = subprocess.run(["ctags", "--output-format=json", "--kinds-C=f", "--fields=+neKf", "-L", "-"], cwd=root, text=True,
                         input="\n".join(names), capture_output=True, check=True).stdout
    for line in out.splitlines():
        tag = json.loads(line)
        if tag.get("_type") == "tag" and "end" in tag:
            yield tag


def functions(root, sources):
    """(path, line, rule, name, message): length of every function, prefix of every exported one."""
    for tag in _tags(root, sources):
        path, name, line = tag["path"], tag["name"], tag["line"]
        length = tag["end"] - line + 1
        if length > tables.FUNCTION_LINES and not name.startswith(("START_TEST", "END_TEST")):
            yield path, line, "function", name, f"{length} lines, at most {tables.FUNCTION_LINES}"
        if re.match(tables.EXPORT_SCOPE, path) and not tag.get("file") and not re.match(tables.EXPORTED, name):
            yield path, line, "export", name, "an exported function starts with wry_"


PER_FILE = [layers, libraries, libc_only, paths, banned_calls, head_comment]
