"""Where the cluster's programs come from."""
import contextlib
import copy
import os
import tempfile

import binaries
from suite import case, check


def program(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    return path


@contextlib.contextmanager
def environment(**values):
    """These variables for the time of a block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def etcd():
    return next(module for module in binaries.MODULES if module.name == "etcd")


@case("a program of $WHERRY_CLUSTER_BIN or PATH is taken when its version is just the pinned one")
def present_programs(bed):
    wanted = etcd().version[1:]
    with tempfile.TemporaryDirectory() as given, tempfile.TemporaryDirectory() as path:
        with environment(WHERRY_CLUSTER_BIN=given, PATH=path + ":/usr/bin:/bin"):
            for said, taken in ((f"etcd Version: {wanted}", True), (f"etcd Version: {wanted}1", False),
                                (f"etcd Version: 1{wanted}", False), ("etcd Version: 3.4.23", False)):
                for folder in (given, path):
                    where = program(folder, "etcd", f"echo '{said}'")
                    check(binaries.present(etcd()) == ({"etcd": where} if taken else {}), f"{said} in {folder}")
                    os.unlink(where)
            program(given, "etcd", f"echo 'etcd Version: {wanted}'; exit 1")
            check(not binaries.present(etcd()), "a program that fails was taken")


@case("without any go it is said what to do")
def no_go(bed):
    with environment(PATH="/nonexistent"):
        try:
            binaries.go_command("1.26.0")
        except binaries.BuildError as error:
            check("tools/deps cluster" in str(error), str(error))
        else:
            raise AssertionError("a go command was found")


@case("a go that can fetch a newer one is told to, a newer one is used as it is")
def go_versions(bed):
    with tempfile.TemporaryDirectory() as folder, environment(PATH=folder + ":/usr/bin:/bin"):
        for said, chosen in (("go1.24.4", binaries.GO_TOOLCHAIN), ("go1.26.0", "local"), ("go1.30.1", "local")):
            program(folder, "go", f"echo 'go version {said} linux/amd64'")
            found = binaries.go_command("1.26.0")[1]["GOTOOLCHAIN"]
            check(found == chosen, f"{said}: {found}")


@case("what was built is kept under a key of all that it was built from")
def keys(bed):
    keys_now = [module.key() for module in binaries.MODULES]
    check(len(set(keys_now)) == len(keys_now), "two modules have one key")
    other = copy.copy(etcd())
    other.build = {**other.build, "tags": "other"}
    check(other.key() not in keys_now, "other build tags, the same key")
