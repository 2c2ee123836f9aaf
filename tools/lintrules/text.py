"""Rules on any text file, on scripts and on make targets."""
import re
import subprocess

from . import tables


def size(_tree, source):
    count = len(source.lines) - (source.lines[-1] == "")
    if count > tables.FILE_LINES and not re.search(tables.LONG_TEXT, source.path):
        yield count, "size", source.path, f"{count} lines, at most {tables.FILE_LINES}"


def whitespace(_tree, source):
    if re.search(r"\.(md|patch|diff|txt)$|^LICENSE$|/(corpus|data|expected)/", source.path):
        return
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip():
            yield number, "whitespace", source.path, "white space at the end of the line"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "whitespace", source.path, "no newline at the end of the file"


def words(_tree, source):
    if source.path.startswith(("tools/lintrules/", "tests/lint/")):
        return
    for pattern, why in tables.WORDS:
        for match in re.finditer(pattern, source.text):
            yield source.line_of(match.start()), "word", match.group(0), why


def vague_names(_tree, source):
    if re.search(tables.VAGUE_NAMES, source.path) and not re.match(tables.VAGUE_EXEMPT, source.path):
        yield 1, "name", source.path, "the name does not say what is in it"


def python_syntax(_tree, source):
    if source.python():
        try:
            compile(source.text, source.path, "exec")
        except SyntaxError as error:
            yield error.lineno or 1, "python", source.path, str(error.msg)


def make_targets(_tree, source):
    """Every phony target has a `##` comment, so that `make help` lists it."""
    if not (source.path == "Makefile" or source.path.endswith(".mk")):
        return
    documented = set(re.findall(r"^([a-z][\w-]*):[^\n]*## \S", source.text, re.M))
    for match in re.finditer(r"^\.PHONY:(.*)$", source.text, re.M):
        for target in match.group(1).split():
            if target != "FORCE" and target not in documented:
                yield source.line_of(match.start()), "target", target, "make target without a ## comment"


def init_size(sources):
    """`launcher init` as a whole stays small."""
    files = [s for s in sources if re.match(tables.INIT_FILES, s.path)]
    total = sum(len(s.lines) - 1 for s in files)
    if total > tables.INIT_LINES:
        yield files[0].path, 1, "init", "lines", f"{total} lines together, at most {tables.INIT_LINES}"


def shellcheck(root, sources):
    names = [s.path for s in sources if s.shell()]
    if not names:
        return
    done = subprocess.run(["shellcheck", "-f", "gcc", "-x", *names], cwd=root, text=True, capture_output=True, check=False)
    for line in done.stdout.splitlines():
        match = re.match(r"([^:]+):(\d+):\d+: \w+: (.*) \[(SC\d+)\]$", line)
        if match:
            yield match.group(1), int(match.group(2)), "shell", match.group(4), match.group(3)
    if done.returncode > 1:
        yield names[0], 1, "shell", "shellcheck", done.stderr.strip()


PER_FILE = [size, whitespace, words, vague_names, python_syntax, make_targets]
