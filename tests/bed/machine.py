"""A QEMU process that a test talks to: serial console, QMP, guest agent.

`Machine` starts qemu-system-x86_64 with the test's arguments, the first serial port
and the monitor on UNIX sockets in a private directory, and ends it in any case.
`expect` waits for a pattern in what the console has printed since the last match.

Relies on: qemu-system-x86_64. Python's standard library only.
"""
import codecs
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time


PROMPT = r"@\S+:\S+[#$] "


class Failure(AssertionError):
    """What was expected did not happen; the message carries the console's tail."""


def connect(path, process, seconds):
    """A stream socket connected to `path`, which the process is about to make."""
    until = time.monotonic() + seconds
    while True:
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(path)
            return stream
        except (FileNotFoundError, ConnectionRefusedError):
            stream.close()
            if process.poll() is not None or time.monotonic() > until:
                raise Failure(f"qemu: no socket {os.path.basename(path)}, "
                              f"exit status {process.poll()}") from None
            time.sleep(0.02)


class Monitor:
    """QMP, or the guest agent's protocol with greeting=False."""

    def __init__(self, stream, greeting=True):
        self.stream, self.rest, self.events = stream, b"", []
        if greeting:
            self._line(20)
            self.execute("qmp_capabilities")

    def _line(self, seconds):
        until = time.monotonic() + seconds
        while b"\n" not in self.rest:
            self.stream.settimeout(max(0.05, until - time.monotonic()))
            data = self.stream.recv(65536)
            if not data:
                raise Failure("monitor: closed")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line.lstrip(b"\xff")) if line.strip() else {}

    def execute(self, command, seconds=20, **arguments):
        """The command's return value; Failure with its error."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self.stream.sendall(json.dumps(request).encode() + b"\n")
        while True:
            try:
                reply = self._line(seconds)
            except TimeoutError:
                raise Failure(f"{command}: no answer") from None
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply:
                raise Failure(f"{command}: {reply['error']['desc']}")
            elif "return" in reply:
                return reply["return"]

    def synchronize(self, number, seconds):
        """Whether the guest agent answers guest-sync-delimited with `number`; older replies are dropped."""
        until = time.monotonic() + seconds
        request = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        # 0xff makes the agent drop a request that it has half read.
        self.stream.sendall(b"\xff" + json.dumps(request).encode() + b"\n")
        try:
            while time.monotonic() < until:
                if self._line(max(0.05, until - time.monotonic())).get("return") == number:
                    return True
        except (TimeoutError, ValueError):
            pass
        return False

    def wait_event(self, name, seconds):
        """The first event of that name, seen already or to come."""
        until = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            try:
                reply = self._line(max(0.05, until - time.monotonic()))
            except TimeoutError:
                raise Failure(f"no event {name} in {seconds} s") from None
            if "event" in reply:
                self.events.append(reply)


class Machine:
    """One running QEMU, started behind the words of `prefix`; use as a context manager."""

    def __init__(self, *arguments, memory=128, prefix=()):
        self.directory = tempfile.mkdtemp(prefix="wherry-machine-")
        serial, monitor = self.path("serial"), self.path("qmp")
        self.log = open(self.path("qemu.log"), "wb")  # closed in close()
        self.process = subprocess.Popen(
            [*prefix, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-m", str(memory),
             "-chardev", f"socket,id=serial,path={serial},server=on,wait=on", "-serial", "chardev:serial",
             "-chardev", f"socket,id=qmp,path={monitor},server=on,wait=off", "-mon", "qmp,mode=control",
             *[argument.replace("@DIR@", self.directory) for argument in arguments]],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.console, self.text, self.seen, self.ended = None, "", 0, False
        self.changed = threading.Condition()
        try:
            self.console = connect(serial, self.process, 20)
            threading.Thread(target=self._drain, daemon=True).start()
            self.monitor = Monitor(connect(monitor, self.process, 20))
        except Exception as error:
            message = self.qemu_messages()
            self.close()
            raise Failure(f"{error}: {message}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, name):
        return os.path.join(self.directory, name)

    def qemu_messages(self):
        with open(self.path("qemu.log"), encoding="utf-8", errors="replace") as file:
            return file.read().strip()

    def close(self):
        """End QEMU at once and remove what it left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.console:
            self.console.shutdown(socket.SHUT_RDWR)
            self.console.close()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _drain(self):
        """Thread: a console that nobody reads stops the guest after some hundred bytes."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = self.console.recv(65536)
            except OSError:
                data = b""
            with self.changed:
                # The shell's question for the cursor position may come in two pieces.
                tail = self.text[-3:] + decoder.decode(data)
                self.text = self.text[:-3] + tail.replace("\r", "").replace("\x1b[6n", "")
                self.ended = not data
                self.changed.notify_all()
                if self.ended:
                    return

    def expect(self, pattern, seconds=30, keep=False):
        """Match of `pattern` after the last match; keep=True: do not move on."""
        until, compiled = time.monotonic() + seconds, re.compile(pattern, re.M)
        with self.changed:
            while True:
                if (match := compiled.search(self.text, self.seen)):
                    if not keep:
                        self.seen = match.end()
                    return match
                left = until - time.monotonic()
                if left <= 0 or self.ended:
                    raise Failure(f"console: no /{pattern}/ in {seconds} s; {self.qemu_messages()}\n{self.text[-1500:]}")
                self.changed.wait(left)

    def send(self, text):
        self.console.sendall(text.encode())

    def login(self, user="root", password="wherry", seconds=60):
        """From the login prompt to a shell."""
        self.expect(r"login: ", seconds)
        self.send(user + "\r")
        self.expect("Password: ")
        self.send(password + "\r")
        self.expect(PROMPT, 20)
        # The shell's line editor breaks its echo at the terminal's width.
        self.send("stty cols 2000\r")
        self.expect(PROMPT, 20)

    def command(self, line, seconds=20):
        """(exit status, output) of a shell command at the console."""
        start = self.seen = len(self.text)
        # The marker is written in two parts so that the echo of the line is no match.
        self.send(f"{line}; echo '@'\"@$?@\"\r")
        status = self.expect(r"@@(\d+)@$", seconds)
        output = self.text[start:status.start()]
        self.expect(PROMPT)
        return int(status.group(1)), output.partition("\n")[2].strip("\n")

    def wait(self, seconds=30):
        """Exit status of QEMU, which ends on its own."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > until:
                raise Failure(f"qemu: still there after {seconds} s\n{self.text[-800:]}")
            time.sleep(0.02)
        return self.process.returncode
