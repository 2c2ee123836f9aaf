"""Debian packages as the only source of the guests: resolve, fetch, unpack.

apt resolves a name to one exact file and its SHA256 (`apt-get download
--print-uris` touches nothing); the file is kept in the cache under that name, so
a second build needs no network. The lock lines say what was used: they are part of
the key under which finished guests are cached.

The machine's own package lists are used as they are. Where they are missing or too
old, refresh() fetches lists of this tool's own into the cache.

Relies on: apt-get, apt-cache, dpkg-deb. No root needed.
"""
import hashlib
import os
import re
import subprocess
import urllib.parse

URI_LINE = re.compile(r"^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$")
LIB_PACKAGE = re.compile(r"^(lib[a-z0-9.+-]+|zlib1g)$")


class PackageError(Exception):
    """A package cannot be had; the message says what to do."""


# Options that point apt at lists of our own; empty as long as the machine's serve.
APT_OPTIONS = []


def cache_dir():
    """Directory that outlives clones: $WHERRY_CACHE, else the user's cache."""
    chosen = os.environ.get("WHERRY_CACHE")
    if not chosen:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        chosen = os.path.join(base, "wherry")
    os.makedirs(chosen, exist_ok=True)
    return chosen


def run(argv, **options):
    """Output of a command as text; PackageError with its stderr when it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **options)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise PackageError(f"{argv[0]}: {last[0]}")
    return done.stdout


def refresh():
    """Fetch package lists into the cache; False when they were fetched already."""
    if APT_OPTIONS:
        return False
    lists = os.path.join(cache_dir(), "apt-lists")
    os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
    APT_OPTIONS.extend(["-o", f"Dir::State::Lists={lists}", "-o", "Dir::Cache::pkgcache=",
                        "-o", "Dir::Cache::srcpkgcache="])
    run(["apt-get", *APT_OPTIONS, "update"])
    return True


def depends(names):
    """Dependencies of each name and of all that these need: {name: [name, ...]}."""
    found, current = {}, None
    for line in run(["apt-cache", *APT_OPTIONS, "depends", "--recurse", "--no-recommends", "--no-suggests",
                     "--no-conflicts", "--no-breaks", "--no-replaces",
                     "--no-enhances", *names]).splitlines():
        if not line.startswith(" "):
            current = line.strip()
            found[current] = []
        elif (match := re.match(r"^ [ |](?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$", line)):
            found[current].append(match.group(1))
    return found


def library_closure(names, graph):
    """The library packages that `names` need, transitively; graph as depends() gives it."""
    wanted, seen = list(names), set()
    while wanted:
        fresh = {dep for dep in graph.get(wanted.pop(), []) if LIB_PACKAGE.match(dep)} - seen
        seen |= fresh
        wanted += fresh
    return seen


def kernel_package(flavour, graph):
    """linux-image-<flavour> is a meta package: the real image it stands for."""
    meta = f"linux-image-{flavour}"
    for dep in graph.get(meta, []):
        if re.match(r"^linux-image-\d", dep):
            return dep
    raise PackageError(f"{meta}: no kernel image behind it; run apt-get update")


class Package:
    """One exact .deb: name, file name, size, sha256."""

    def __init__(self, uri, file, size, sha256):
        self.uri, self.size, self.sha256 = uri, int(size), sha256
        self.file = file
        self.name, self.version = urllib.parse.unquote(file).split("_")[:2]

    def lock_line(self):
        return f"{self.sha256}  {self.file}"


def resolve(names):
    """Exact packages for names, sorted by file name."""
    found = []
    for line in run(["apt-get", *APT_OPTIONS, "download", "--print-uris", *names]).splitlines():
        if (match := URI_LINE.match(line.strip())):
            found.append(Package(*match.groups()))
    missing = set(names) - {package.name for package in found}
    if missing:
        raise PackageError(f"no candidate for {' '.join(sorted(missing))}; run apt-get update")
    return sorted(found, key=lambda package: package.file)


def digest(path):
    """SHA256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(packages):
    """Paths of the .deb files in the cache, downloaded when absent or damaged."""
    store = os.path.join(cache_dir(), "debs")
    os.makedirs(store, exist_ok=True)
    paths = []
    for package in packages:
        path = os.path.join(store, package.file)
        if not os.path.exists(path) or digest(path) != package.sha256:
            run(["apt-get", *APT_OPTIONS, "download", f"{package.name}={package.version}"], cwd=store)
            if digest(path) != package.sha256:
                raise PackageError(f"{package.file}: downloaded file has another SHA256")
        paths.append(path)
    return paths


def unpack(paths, directory):
    """Unpack .deb files below directory/<package name>."""
    for path in paths:
        target = os.path.join(directory, os.path.basename(path).split("_")[0])
        os.makedirs(target, exist_ok=True)
        run(["dpkg-deb", "-x", path, target])
