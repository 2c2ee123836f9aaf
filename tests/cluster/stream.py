#!/usr/bin/python3
"""One WebSocket to the API server, by a client that shares nothing with Wherry (python3-websocket, of Debian's Python).

  stream.py KUBECONFIG PATH [expect=TEXT | send=TEXT | ping | count=BYTES | idle=SECONDS]...

Prints what came; `refused STATUS MESSAGE` when the answer is not 101. Escapes in TEXT are Python's. A step that is not met in 60 s ends with status 1.
"""
import base64
import json
import os
import re
import ssl
import sys
import tempfile
import time

import websocket

SECONDS = 60


def read_config(path, folder):
    """Server and files of the certificates, of a kubeconfig with all data in it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    fields = {key: re.search(rf"{key}: *\"?([^\"\s,}}]+)", text).group(1)
              for key in ("server", "certificate-authority-data", "client-certificate-data", "client-key-data")}
    files = {key: os.path.join(folder, key) for key in fields if key != "server"}
    for key, name in files.items():
        with open(name, "wb") as file:
            file.write(base64.b64decode(fields[key]))
    return fields["server"], files


def open_socket(config, path, folder):
    server, files = read_config(config, folder)
    options = {"ca_certs": files["certificate-authority-data"], "certfile": files["client-certificate-data"],
               "keyfile": files["client-key-data"], "cert_reqs": ssl.CERT_REQUIRED}
    try:
        return websocket.create_connection(server.replace("https", "wss") + path, sslopt=options, subprotocols=["plain.kubevirt.io"], timeout=SECONDS)
    except websocket.WebSocketBadStatusException as error:
        body = (getattr(error, "resp_body", None) or b"").decode()
        try:
            body = json.loads(body)["message"]
        except (ValueError, KeyError):
            pass
        print(f"refused {error.status_code} {body or error}")
        sys.exit(0)


class Talk:
    def __init__(self, socket):
        self.socket, self.seen, self.all = socket, b"", 0

    def more(self, seconds):
        """FALSE: the other side has closed."""
        self.socket.settimeout(seconds)
        opcode, data = self.socket.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return False
        if opcode == websocket.ABNF.OPCODE_BINARY:
            self.seen += data
            self.all += len(data)
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        if opcode == websocket.ABNF.OPCODE_PONG:
            self.seen += b"<pong>"
        return True

    def until(self, true):
        end = time.monotonic() + SECONDS
        while not true():
            if time.monotonic() > end or not self.more(max(0.1, end - time.monotonic())):
                sys.exit("the stream ended, or nothing came")

    def expect(self, text):
        wanted = text.encode().decode("unicode_escape").encode()
        self.until(lambda: wanted in self.seen)
        self.seen = self.seen.split(wanted, 1)[1]

    def send(self, text):
        self.socket.send_binary(text.encode().decode("unicode_escape").encode())

    def ping(self, _):
        self.socket.ping("are you there")
        self.expect("<pong>")

    def count(self, text):
        self.until(lambda: self.all >= int(text))

    def closed(self, _):
        self.socket.settimeout(SECONDS)
        try:
            while self.more(SECONDS):
                pass
        except websocket.WebSocketConnectionClosedException:
            pass
        print("<closed>")

    def idle(self, text):
        time.sleep(float(text))


def main():
    with tempfile.TemporaryDirectory() as folder:
        socket = open_socket(sys.argv[1], sys.argv[2], folder)
    print(f"<101 {socket.getsubprotocol()}>", flush=True)
    talk = Talk(socket)
    for step in sys.argv[3:]:
        name, _, value = step.partition("=")
        getattr(talk, name)(value)
    socket.close()


main()
