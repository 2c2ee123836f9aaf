"""The files of a tree and the two views of a C file that rules need: code without comments, and its calls."""
import os
import re

SKIP_FOLDERS = {".git", "build", "__pycache__", "node_modules"}
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


class Source:
    """One text file. `code` has comments blanked and literals emptied; line numbers are those of `text`."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.lines = self.text.split("\n")
        self.is_c = path.endswith((".c", ".h"))
        self.code = TOKEN.sub(_blank, self.text) if self.is_c else self.text

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def includes(self):
        """(line, name, is_system) of each #include."""
        for number, line in enumerate(self.lines, 1):
            match = re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line)
            if match:
                yield number, match.group(1) or match.group(2), bool(match.group(1))

    def calls(self, names):
        """(line, name, arguments) of each call of a plain function in `names`: not a member, not a longer name."""
        pattern = r"(?<![\w.>])(" + "|".join(sorted(names, key=len, reverse=True)) + r")\s*\("
        for match in re.finditer(pattern, self.code):
            yield self.line_of(match.start()), match.group(1), _arguments(self.code, self.text, match.end())

    def shell(self):
        return bool(re.match(r"#!\s*\S*/(env\s+)?(ba|da)?sh\b", self.text)) or self.path.endswith(".sh")

    def python(self):
        return bool(re.match(r"#!.*\bpython3?\b", self.text)) or self.path.endswith(".py")


def _blank(match):
    """Comments become spaces; literals keep their quotes, lose their text; newlines stay, so lines keep their numbers."""
    token = match.group(0)
    if token[0] in "\"'":
        return token[0] + " " * (len(token) - 2) + token[0]
    return re.sub(r"[^\n]", " ", token)


def _arguments(code, text, start):
    """The arguments, as written, of a call whose opening parenthesis ends at `start`."""
    depth, begin, found = 1, start, []
    for at in range(start, min(len(code), start + 4000)):
        char = code[at]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if depth == 0 or (depth == 1 and char == ","):
            found.append(text[begin:at].strip())
            begin = at + 1
        if depth == 0:
            break
    return found


def is_binary(path):
    with open(path, "rb") as f:
        return b"\0" in f.read(8192)


def load(root):
    """Every text file below `root`, sorted by path."""
    sources = []
    for where, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIP_FOLDERS and not f.startswith("build-"))
        for name in sorted(files):
            full = os.path.join(where, name)
            if os.path.islink(full) or not os.path.isfile(full) or is_binary(full):
                continue
            sources.append(Source(root, os.path.relpath(full, root)))
    return sources
