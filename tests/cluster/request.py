#!/usr/bin/env python3
"""One request to the API server by curl: request.py KUBECONFIG METHOD PATH [CURL OPTION...]; prints the status, then the body."""
import base64
import os
import re
import subprocess
import sys
import tempfile


TRUST = (("--cacert", "certificate-authority-data"), ("--cert", "client-certificate-data"), ("--key", "client-key-data"))


def field(text, key):
    return re.search(rf"{key}: *\"?([^\"\s,}}]+)", text).group(1)


def main():
    config, method, path, *options = sys.argv[1:]
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with tempfile.TemporaryDirectory() as folder:
        trust = []
        for flag, key in TRUST:
            trust += [flag, os.path.join(folder, key)]
            with open(trust[-1], "wb") as file:
                file.write(base64.b64decode(field(text, key)))
        argv = ["curl", "--silent", "--show-error", "--request", method, *trust, *options, "--write-out", "\n%{http_code}", field(text, "server") + path]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    print(status)
    print(body, end="")


main()
