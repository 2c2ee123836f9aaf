"""What the cases of this suite share."""
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Skip(Exception):
    """The case cannot run here; the text says why."""


def call(argv, env=None, cwd=TOP, user=None, stdin=""):
    """(exit status, output) of a command; what a calling make or runner left in the environment is not passed on."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "WRY_", "MFLAGS", "SUITES"))}
    done = subprocess.run(argv, env={**clean, **(env or {})}, cwd=cwd, user=user, text=True, input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
    return done.returncode, done.stdout


def script(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n" + text + "\n")
    os.chmod(path, 0o755)


def same(found, expected, output=""):
    assert found == expected, f"expected {expected!r}, found {found!r}\n{output}"


def last(output):
    return output.rstrip().splitlines()[-1]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
