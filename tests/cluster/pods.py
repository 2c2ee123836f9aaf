"""Images and manifests that the cluster's own cases need: a pod's first process, and busybox.

busybox comes from its Debian package; a static binary is a whole image.
"""
import os
import tempfile

import settings
from guest import packages
from images import layout

EPOCH = 1700000000
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


def busybox_tree():
    """The static busybox with a link per applet."""
    with tempfile.TemporaryDirectory() as work:
        packages.unpack(packages.fetch(packages.resolve(["busybox-static"])), work)
        program = os.path.join(work, "busybox-static/bin/busybox")
        with open(program, "rb") as file:
            tree = {"bin/busybox": (file.read(), 0o755)}
        for name in packages.run([program, "--list"]).split():
            tree.setdefault(f"bin/{name}", "busybox")
    tree["etc/passwd"] = b"root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n"
    tree["etc/group"] = b"root:x:0:\nuser:x:1000:\n"
    for name in ("tmp", "proc", "sys", "dev"):
        tree[f"{name}/.keep"] = b""
    return tree


def write_image(path, reference, tree, config):
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path)) as layer:
        layout.tree_layer(layer.name, tree, EPOCH)
        layout.write(path, reference, [layer.name], config)
    return path


def images(folder, helpers):
    """Paths of the archives, made below `folder`."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(helpers, "pause"), "rb") as file:
        pause = {"pause": (file.read(), 0o755)}
    return [write_image(os.path.join(folder, "pause.tar"), settings.PAUSE_IMAGE, pause, {"Entrypoint": ["/pause"]}),
            write_image(os.path.join(folder, "busybox.tar"), settings.BUSYBOX_IMAGE, busybox_tree(), {"Env": [PATH]})]
