"""`make check-style`: order of folders and files, names, sizes, wording, format, lint and types.

Prints one line `file:line: reason` a finding and exits 1 when there is any. What is allowed stands
in the tables below, tools are configured by .clang-format, .clang-tidy and analysis/pyproject.toml.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMPS = ROOT / "build" / "style"
CONFIG = "analysis/pyproject.toml"

# What the C files of a folder may include, themselves or through others: folders and files.
LAYERS = {
    "traces": {"traces"},
    "recorder": {"recorder", "traces"},
    "replayer": {"replayer", "traces", "allocator/hakmem.h"},
    "allocator": {
        "allocator",
        *("traces/calls.h", "traces/sitekey.h", "traces/stackbase.h", "traces/buildid.h"),
    },
    "analysis": set(),
}
# Python modules that only some modules of the package may import, and which.
RESERVED = {
    "ctypes": {"binding"},
    "cffi": {"binding"},
    "pyarrow": {"binding", "export"},
    "plotly": {"plots"},
}
# Programs that leak, crash and race on purpose, for the tests to record.
MISBEHAVING = "tests/workloads"

FILE_LINES, FILE_LINES_MAX = 500, 600
FUNCTION_LINES, FUNCTION_LINES_MAX = 60, 80
C_SUFFIXES = {".c", ".h", ".cc"}

# Words that no tracked file may hold, written so that this file does not hold them either.
WORDS = {
    "name of a package registry": re.compile(
        rb"py[p]i\.org|pythonh[o]sted\.org|conda\.an[a]conda|npmj[s]\.(org|com)|cr[a]tes\.io"
        rb"|rubyg[e]ms\.org|pr[o]xy\.golang|deb\.deb[i]an\.org"
    ),
    "path of one machine": re.compile(rb"(?<![\w.])/(w[o]rk|r[o]ot)/"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


@dataclass(frozen=True)
class Source:
    """One file of the tree, by its path from the root."""

    path: Path

    @cached_property
    def bytes(self) -> bytes:
        """What it holds."""
        return (ROOT / self.path).read_bytes()

    @cached_property
    def text(self) -> str:
        """The same as text."""
        return self.bytes.decode(errors="replace")

    @property
    def folder(self) -> str:
        """The top folder, "" for files of the root."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""

    @property
    def stem(self) -> str:
        """The noun: the name up to its first dot."""
        return self.path.name.partition(".")[0]

    def finding(self, line: int, reason: str) -> str:
        """One finding in this file."""
        return f"{self.path}:{line}: {reason}"


def tree() -> list[Source]:
    """Every file that is tracked or would be; without git, every file that is not made."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.splitlines()
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        hidden = re.compile(r"(^|/)(build|\.venv|__pycache__|\.\w+_cache)/")
        names = [name for name in names if not hidden.search(name)]
    return [Source(Path(name)) for name in sorted(names) if (ROOT / name).is_file()]


# ---- order of folders and files ----


def includes(source: Source, known: dict[Path, Source]) -> Iterator[tuple[int, str, Source | None]]:
    """Line, text and target of each quoted include; no target when no file has that name."""
    for match in INCLUDE.finditer(source.text):
        line = source.text.count("\n", 0, match.start(1)) + 1
        candidates = (source.path.parent / match[1], Path(match[1]))
        normal = [Path(os.path.normpath(path)) for path in candidates]
        yield line, match[1], next((known[path] for path in normal if path in known), None)


def closure(source: Source, known: dict[Path, Source]) -> set[Source]:
    """Every file that a file includes, itself or through others."""
    seen: set[Source] = set()
    todo = [source]
    while todo:
        for _, _, target in includes(todo.pop(), known):
            if target and target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def check_layers(c_files: list[Source]) -> Iterator[str]:
    """Includes that go against the order of folders."""
    known = {source.path: source for source in c_files}
    for source in c_files:
        allowed = LAYERS.get(source.folder)
        for line, text, target in includes(source, known):
            if target is None:
                yield source.finding(line, f'"{text}" is no file of the tree')
            elif allowed is not None:
                for reached in sorted({target} | closure(target, known), key=lambda s: s.path):
                    if reached.folder not in allowed and str(reached.path) not in allowed:
                        through = "" if reached == target else f" through {target.path}"
                        yield source.finding(
                            line, f"{source.folder}/ may not include {reached.path}{through}"
                        )


def total_order(edges: dict[str, set[str]]) -> tuple[list[str], list[str]]:
    """Nouns such that each stands after those it needs, and the nouns that are left on circles."""
    order: list[str] = []
    left = dict(edges)
    while ready := sorted(noun for noun, needs in left.items() if needs <= set(order)):
        order += ready
        for noun in ready:
            del left[noun]
    return order, sorted(left)


def check_order(folder: str, edges: dict[str, set[str]]) -> Iterator[str]:
    """Circles between the nouns of one folder; prints its order when there is none."""
    order, left = total_order(edges)
    if not left:
        print(f"{folder}/: {' '.join(order)}")
        return
    for noun in left:
        needs = " ".join(sorted(edges[noun] & set(left)))
        yield f"{folder}/{noun}:1: in or behind a circle of includes: needs {needs}"


def c_edges(c_files: list[Source]) -> dict[str, dict[str, set[str]]]:
    """Per folder of C files: each noun and the nouns of the same folder that it includes."""
    known = {source.path: source for source in c_files}
    folders: dict[str, dict[str, set[str]]] = {}
    for source in c_files:
        edges = folders.setdefault(str(source.path.parent), {}).setdefault(source.stem, set())
        for _, _, target in includes(source, known):
            same = target and target.path.parent == source.path.parent
            if target and same and target.stem != source.stem:
                edges.add(target.stem)
    return folders


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import; names of the package itself begin with `haktrace.`."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level or base == "haktrace":
                prefix = "haktrace." + (base + "." if node.level and base else "")
                yield from ((node.lineno, prefix + alias.name) for alias in node.names)
            else:
                yield node.lineno, base


def check_package(py_files: list[Source]) -> Iterator[str]:
    """Circles inside the Python package, and libraries that belong to one module of it."""
    package = [source for source in py_files if source.path.parts[:2] == ("analysis", "haktrace")]
    nouns = {source.stem for source in package}
    edges: dict[str, set[str]] = {source.stem: set() for source in package}
    for source in package:
        for line, name in imports(source):
            parts = name.split(".")
            owners = RESERVED.get(parts[0], {source.stem})
            if source.stem not in owners:
                names = " and ".join(f"{owner}.py" for owner in sorted(owners))
                yield source.finding(line, f"only {names} may import {parts[0]}")
            if parts[0] == "haktrace" and parts[1] in nouns - {source.stem}:
                edges[source.stem].add(parts[1])
    yield from check_order("analysis/haktrace", edges)


def check_notebooks(notebooks: list[Source]) -> Iterator[str]:
    """Outputs in notebooks, and imports of more than the package and the system's environment."""
    for source in notebooks:
        for number, cell in enumerate(json.loads(source.text)["cells"], 1):
            if cell.get("outputs") or cell.get("execution_count"):
                yield source.finding(1, f"cell {number} has an output: strip it")
            if cell["cell_type"] == "code":
                for node in ast.walk(ast.parse("".join(cell["source"]))):
                    base = node.module if isinstance(node, ast.ImportFrom) else None
                    names = [a.name for a in node.names] if isinstance(node, ast.Import) else [base]
                    if any(name and name not in ("haktrace", "os") for name in names):
                        yield source.finding(1, f"cell {number} may only import haktrace and os")


# ---- names and sizes ----


def check_names(sources: list[Source]) -> Iterator[str]:
    """Names that are no lower-case words, and nouns that stand in two folders."""
    for suffixes in (C_SUFFIXES, {".py"}):
        homes: dict[str, Source] = {}
        for source in sources:
            if source.path.suffix not in suffixes or source.stem in ("__init__", "conftest"):
                continue
            if not NAME.fullmatch(source.stem):
                yield source.finding(1, "a file's name is a lower-case noun")
            home = homes.setdefault(source.stem, source)
            if home.path.parent != source.path.parent:
                yield source.finding(1, f"the noun {source.stem} is taken by {home.path}")


def c_functions(source: Source) -> Iterator[tuple[int, int]]:
    """First line and number of lines of each function: kernel style puts its braces in column 0."""
    begin = 0
    for number, line in enumerate(source.text.splitlines(), 1):
        if line == "{":
            begin = number
        elif begin and line.startswith("}"):
            yield begin, number - begin + 1
            begin = 0


def py_functions(source: Source) -> Iterator[tuple[int, int]]:
    """First line and number of lines of each function."""
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def check_sizes(sources: list[Source]) -> Iterator[str]:
    """Files and functions that are too long; prints those that are about to be."""
    for source in sources:
        lines = source.text.count("\n")
        functions = py_functions if source.path.suffix == ".py" else c_functions
        long = [(1, lines, FILE_LINES, FILE_LINES_MAX, "file")]
        long += [
            (at, n, FUNCTION_LINES, FUNCTION_LINES_MAX, "function") for at, n in functions(source)
        ]
        for at, count, about, most, what in long:
            if count > most:
                yield source.finding(at, f"{what} of {count} lines; the most is {most}")
            elif count > about:
                print(f"note: {source.finding(at, f'{what} of {count} lines')}")


def check_words(sources: list[Source]) -> Iterator[str]:
    """Text that has no place in the tree."""
    for source in sources:
        for reason, pattern in WORDS.items():
            for match in pattern.finditer(source.bytes):
                line = source.bytes.count(b"\n", 0, match.start()) + 1
                yield source.finding(line, f"{reason}: {match[0].decode()}")


# ---- tools ----


def run_tool(*command: str) -> list[str]:
    """The complaints of a tool, one a line; empty when it is content."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return [f"{command[0]}:1: is missing; `make setup` installs it"]
    if done.returncode == 0:
        return []
    text = (done.stdout + done.stderr).replace(f"{ROOT}/", "")
    wanted = re.compile(r"^[\w./+-]+:\d+:|^error", re.M)
    lines = [line for line in text.splitlines() if wanted.search(line) and " note: " not in line]
    return lines or [text.strip()]


def tool(name: str) -> str:
    """A program of the Python environment that runs this."""
    return str(Path(sys.executable).parent / name)


def check_format(c_files: list[Source]) -> list[str]:
    """What clang-format would change: the first place in each file."""
    firsts: dict[str, str] = {}
    paths = [str(source.path) for source in c_files]
    for line in run_tool("clang-format", "--dry-run", "-Werror", *paths) if paths else []:
        firsts.setdefault(line.partition(":")[0], line)
    return list(firsts.values())


def check_python(py_files: list[Source]) -> list[str]:
    """What ruff and mypy say of Python files, and ruff of notebooks."""
    paths = [str(source.path) for source in py_files]
    config = f"--config={CONFIG}"
    lint = [tool("ruff"), "check", "--no-cache", "--quiet", "--output-format=concise", config]
    form = [tool("ruff"), "format", "--no-cache", "--check", "--quiet", config]
    types = [tool("mypy"), f"--config-file={CONFIG}", f"--cache-dir={STAMPS / 'mypy'}"]
    typed = [path for path in paths if path.endswith(".py")]
    shape = [f"{path}:1: ruff format" for path in paths if run_tool(*form, path)]
    return run_tool(*lint, *paths) + shape + run_tool(*types, *typed)


def compile_flags() -> dict[Path, list[str]]:
    """What the Makefile gives the compiler for each C file, as far as it matters to clang."""
    command = ["make", "--no-print-directory", "-kBn", "V=1", "SAN=", "CC=gcc", "test-programs"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("M")}
    plan = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    ).stdout
    flags = {}
    for line in plan.splitlines():
        if " -c -o " in line and ".bpf." not in line:  # what runs in the kernel has no libc
            words = shlex.split(line)
            kept = [w for w in words if w.startswith(("-D", "-I", "-std=", "-m", "-fno-builtin"))]
            flags[Path(words[-1])] = kept
    return flags


def tidy_stamp(source: Source, flags: list[str], known: dict[Path, Source]) -> Path:
    """A file whose being there says that clang-tidy liked exactly this text, headers and flags."""
    parts = sorted({source} | closure(source, known), key=lambda s: s.path)
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes() + "\0".join(flags).encode())
    for part in parts:
        digest.update(str(part.path).encode() + b"\0" + part.bytes)
    return STAMPS / "tidy" / digest.hexdigest()


def tidy(source: Source, flags: list[str], stamp: Path) -> list[str]:
    """What clang-tidy says of one file."""
    checks = ["clang-tidy", "--quiet", "--warnings-as-errors=*"]
    found = run_tool(*checks, str(source.path), "--", *flags)
    if not found:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    return found


def check_tidy(c_files: list[Source]) -> list[str]:
    """What clang-tidy says of every compiled file that changed since it was last content."""
    known = {source.path: source for source in c_files}
    todo = []
    for path, flags in compile_flags().items():
        if path in known and not path.is_relative_to(MISBEHAVING):
            stamp = tidy_stamp(known[path], flags, known)
            if not stamp.exists():
                todo.append((known[path], flags, stamp))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return [line for found in pool.map(lambda job: tidy(*job), todo) for line in found]


def main() -> int:
    """Runs every check."""
    sources = tree()
    c_files = [source for source in sources if source.path.suffix in C_SUFFIXES]
    py_files = [source for source in sources if source.path.suffix == ".py"]
    notebooks = [source for source in sources if source.path.suffix == ".ipynb"]
    checks: list[Iterable[str]] = [check_layers(c_files)]
    checks += [check_order(folder, edges) for folder, edges in sorted(c_edges(c_files).items())]
    checks += [check_package(py_files), check_notebooks(notebooks), check_names(sources)]
    checks += [check_sizes(c_files + py_files), check_words(sources)]
    findings = [line for check in checks for line in check]
    findings += check_format(c_files) + check_python(py_files + notebooks) + check_tidy(c_files)
    sys.stdout.flush()
    for line in findings:
        print(line, file=sys.stderr)
    print(f"style: {len(sources)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
