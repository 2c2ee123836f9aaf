"""The programs of the cluster: one pinned release, found on this machine or built from the Go module proxy.

Each folder below go/ is a module that only pins versions: its go.mod and go.sum say what is built. A program that
$WHERRY_CLUSTER_BIN or PATH has in just that version is taken as it is; the rest is built once and kept in the cache, under
a key made of the module's files and the build's own settings, so that a second clone builds nothing. What was chosen is a
folder of links.

Relies on: go, at least 1.19, which fetches the version that a go.mod asks for when it is older.
"""
import fcntl
import hashlib
import os
import re
import shutil
import subprocess

from guest import packages

HERE = os.path.dirname(os.path.realpath(__file__))
GO_TOOLCHAIN = "go1.26.8"   # where the machine's own go is older than a go.mod asks for
KEPT_BUILDS = 2             # per module
KUBE_PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"]


class BuildError(Exception):
    """A program can be neither found nor built; the message says what to do."""


class Module:
    """One folder below go/: what it pins, and how its programs are built."""

    def __init__(self, name, pin, programs, build, links=()):
        self.name, self.programs, self.build = name, programs, build
        self.links = links          # names for the first program that was built
        self.folder = os.path.join(HERE, "go", name)
        self.version = self._pinned(pin)

    def _pinned(self, path):
        with open(os.path.join(self.folder, "go.mod"), encoding="utf-8") as file:
            text = file.read()
        self.go = re.search(r"^go (\S+)$", text, re.M).group(1)
        return re.search(rf"^(?:require )?\s*{re.escape(path)} (v\S+)", text, re.M).group(1)

    def flags(self):
        """Linker flags that tell the programs their version."""
        values = {name: value.format(version=self.version, minor=self.version.split(".")[1]) for name, value in self.build["set"].items()}
        return "-s -w " + " ".join(f"-X {name}={value}" for name, value in sorted(values.items()))

    def key(self):
        digest = hashlib.sha256(repr((self.flags(), self.build["tags"], sorted(self.build["packages"].items()),
                                      self.links, os.uname().machine)).encode())
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), "rb") as file:
                digest.update(name.encode() + b"\0" + file.read())
        return digest.hexdigest()[:24]

    def cached(self):
        return os.path.join(packages.cache_dir(), "cluster", f"{self.name}-{self.key()}")


KUBE_VERSION = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
MODULES = [
    Module("kube", "k8s.io/kubernetes", KUBE_PROGRAMS, {
        "packages": {"kube": "."}, "tags": "",
        "set": {f"{package}.{name}": value for package in KUBE_VERSION for name, value in (
            ("gitVersion", "{version}"), ("gitMajor", "1"), ("gitMinor", "{minor}"), ("gitTreeState", "archive"),
            ("buildDate", "1970-01-01T00:00:00Z"))}}, KUBE_PROGRAMS),
    Module("containerd", "github.com/containerd/containerd/v2", ["containerd", "containerd-shim-runc-v2", "ctr"], {
        "packages": {name: f"github.com/containerd/containerd/v2/cmd/{name}"
                     for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
        "tags": "no_btrfs no_zfs no_devmapper",
        "set": {"github.com/containerd/containerd/v2/version.Version": "{version}"}}),
    Module("etcd", "go.etcd.io/etcd/server/v3", ["etcd"], {
        "packages": {"etcd": "go.etcd.io/etcd/server/v3"}, "tags": "", "set": {}}),
]

VERSION_OPTION = {"kubectl": ["version", "--client"], "containerd-shim-runc-v2": ["-v"]}


def has_version(path, wanted):
    """Whether the program there says that it is version `wanted` (v1.2.3)."""
    name = os.path.basename(path)
    try:
        done = subprocess.run([path, *VERSION_OPTION.get(name, ["--version"])], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and re.search(rf"(?<![\d.]){re.escape(wanted[1:])}(?![\d.])", done.stdout) is not None


def present(module):
    """{program: path} of those that the machine has in the right version."""
    given = os.environ.get("WHERRY_CLUSTER_BIN")
    path = (given + os.pathsep if given else "") + os.environ.get("PATH", os.defpath)
    found = {name: shutil.which(name, path=path) for name in module.programs}
    return {name: where for name, where in found.items() if where and has_version(where, module.version)}


def version_tuple(text):
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def go_environment():
    """Environment of every go command: caches beside the finished programs, nothing from a workspace around us."""
    store = os.path.join(packages.cache_dir(), "go")
    env = dict(os.environ, CGO_ENABLED="0", GOWORK="off", GOCACHE=os.path.join(store, "build"),
               GOMODCACHE=os.path.join(store, "mod"), GOFLAGS="-mod=readonly -buildvcs=false -trimpath")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    return env


def go_version(go, env):
    text = subprocess.run([go, "version"], env=env, cwd="/", text=True, stdout=subprocess.PIPE, check=True).stdout
    return version_tuple(text.split()[2])


def old_go_toolchain(go, env):
    """The go command of GO_TOOLCHAIN, fetched as the module that newer go commands fetch by themselves: go 1.19 cannot."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    module = f"golang.org/toolchain@v0.0.1-{GO_TOOLCHAIN}.linux-{machine}"
    done = subprocess.run([go, "mod", "download", module], env={**env, "GOFLAGS": ""}, cwd="/", text=True,
                          stderr=subprocess.PIPE, check=False)
    root = os.path.join(env["GOMODCACHE"], module)
    if done.returncode != 0 or not os.path.isdir(root):
        raise BuildError(f"{module}: {done.stderr.strip()}")
    # Modules hold neither permissions nor a second go.mod: both are as the go command's own unpacking leaves them.
    for folder, _, files in os.walk(root):
        os.chmod(folder, 0o755)
        for name in files:
            path = os.path.join(folder, name)
            if name == "_go.mod":
                os.rename(path, os.path.join(folder, "go.mod"))
            elif os.path.relpath(folder, root).split(os.sep)[0] in ("bin", "pkg"):
                os.chmod(path, 0o755)
    return os.path.join(root, "bin/go")


def go_command(wanted):
    """(go, environment) of at least version `wanted`."""
    env, go = go_environment(), shutil.which("go")
    if not go:
        raise BuildError(f"no go: the cluster's programs are built with go {wanted} or newer (tools/deps cluster)")
    found = go_version(go, {**env, "GOTOOLCHAIN": "local"})
    if found >= version_tuple(wanted):
        return go, {**env, "GOTOOLCHAIN": "local"}
    if found < (1, 21):
        return old_go_toolchain(go, env), {**env, "GOTOOLCHAIN": "local"}
    return go, {**env, "GOTOOLCHAIN": GO_TOOLCHAIN}


def build(module, say):
    """The module's programs in its cached folder."""
    target = module.cached()
    if os.path.isdir(target):
        return target
    go, env = go_command(module.go)
    say(f"building {module.name} {module.version}, once")
    work = f"{target}.work"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for name, package in module.build["packages"].items():
        argv = [go, "build", "-tags", module.build["tags"], "-ldflags", module.flags(), "-o", os.path.join(work, name), package]
        done = subprocess.run(argv, cwd=module.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"{name}: {done.stdout.strip()[-2000:]}")
    for name in module.links:
        os.symlink(next(iter(module.build["packages"])), os.path.join(work, name))
    os.rename(work, target)
    forget_old(module.name, target)
    return target


def forget_old(name, keep):
    """Only the newest builds stay."""
    store = os.path.dirname(keep)
    others = [os.path.join(store, other) for other in os.listdir(store)
              if other.startswith(name + "-") and os.path.join(store, other) != keep]
    for path in sorted(others, key=os.path.getmtime)[:1 - KEPT_BUILDS or None]:
        shutil.rmtree(path, ignore_errors=True)


def collect(target, say=print):
    """Make `target` a folder of links to every program; builds what is missing."""
    chosen = {}
    store = os.path.join(packages.cache_dir(), "cluster")
    os.makedirs(store, exist_ok=True)
    with open(os.path.join(store, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)    # two builds would only be slower
        for module in MODULES:
            found = present(module)
            if len(found) < len(module.programs):
                folder = build(module, say)
                found = {name: os.path.join(folder, name) for name in module.programs} | found
            chosen |= found
    os.makedirs(target, exist_ok=True)
    for name, path in chosen.items():
        link = os.path.join(target, name)
        if not os.path.islink(link) or os.readlink(link) != path:
            os.symlink(path, link + ".new")
            os.rename(link + ".new", link)
    return chosen
