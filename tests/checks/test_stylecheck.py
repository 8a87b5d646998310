"""The style check finds each thing that it forbids, and nothing in a tree that has none of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CONFIGS = ("tests/style.py", ".clang-format", ".clang-tidy", "Makefile", "analysis/pyproject.toml")
GOOD = {
    "traces/calls.h": "#define CALLS 1\n",
    "traces/trace.h": '#include "calls.h"\n\nint trace_open(void);\n',
    "traces/trace.c": '#include "trace.h"\n\nint trace_open(void)\n{\n\treturn CALLS;\n}\n',
    "allocator/hakmem.h": '#include "traces/calls.h"\n',
    "replayer/plan.c": '#include "allocator/hakmem.h"\n#include "traces/trace.h"\n',
    "analysis/haktrace/__init__.py": '"""Package."""\n',
    "tests/part/build.mk": "$(eval $(call helper,part/x,tests/part/odd.c))\n",
}
BIG = "int f(void)\n{\n" + "\tf();\n" * 90 + "\treturn 0;\n}\n"
BUG = "int odd(int a, int b)\n{\n\treturn a ? b : b;\n}\n"


def notebook(source: str, outputs: list[str]) -> str:
    """A notebook of one cell."""
    cell: dict[str, object] = {"cell_type": "code", "id": "a", "metadata": {}}
    cell |= {"source": [source], "outputs": outputs, "execution_count": None}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}) + "\n"


def check(tree: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the style check on a tree of these files."""
    for name in CONFIGS:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    command = [sys.executable, str(tree / "tests/style.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_nothing_to_find(tmp_path: Path) -> None:
    done = check(tmp_path, GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    assert "traces/: calls trace\n" in done.stdout


BAD = [
    ("traces/far.c", '#include "replayer/none.h"\n', '1: "replayer/none.h" is no file of the tree'),
    ("recorder/up.c", '#include "allocator/hakmem.h"\n', "1: recorder/ may not include"),
    ("allocator/up.c", '\n#include "traces/trace.h"\n', "2: allocator/ may not include"),
    ("traces/trace.h", '#include "ring.h"\n', "in or behind a circle of includes: needs ring"),
    ("traces/ring.h", '#include "trace.h"\n', "in or behind a circle of includes: needs trace"),
    ("traces/Odd.c", "int odd;\n", "1: a file's name is a lower-case noun"),
    ("allocator/plan.h", "int plan;\n", "1: the noun plan is taken by allocator/plan.h"),
    ("traces/big.c", BIG, "2: function of 93 lines; the most is 80"),
    ("traces/long.c", "int a;\n" * 601, "1: file of 601 lines; the most is 600"),
    ("traces/ugly.c", "int  a;\n", "ugly.c:1:4: error: code should be clang-formatted"),
    ("tests/part/odd.c", BUG, "bugprone-branch-clone"),
    ("README.md", "see\n/wo" + "rk/main\n", "2: path of one machine"),
    ("notes.txt", "pypi" + ".org\n", "1: name of a package registry"),
    ("analysis/haktrace/a.py", '"""A."""\n\nimport ctypes\n', "3: only binding.py may import"),
    ("analysis/haktrace/b.py", '"""B."""\nx=1\n', "b.py:1: ruff format"),
    ("analysis/haktrace/c.py", '"""C."""\n\nimport os\n', "c.py:3:8: F401"),
    ("analysis/haktrace/d.py", '"""D."""\n\nx: int = ""\n', "d.py:3: error: Incompatible types"),
    ("analysis/haktrace/e.py", '"""E."""\n\nfrom haktrace import f\n\nx = f\n', "needs f"),
    ("analysis/haktrace/f.py", '"""F."""\n\nfrom haktrace import e\n\nx = e\n', "needs e"),
    ("analysis/n.ipynb", notebook("import numpy", []), "may only import haktrace and os"),
    ("analysis/o.ipynb", notebook("1", ["x"]), "cell 1 has an output: strip it"),
]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is found in a tree that has everything forbidden."""
    done = check(tmp_path_factory.mktemp("bad"), GOOD | {name: text for name, text, _ in BAD})
    assert done.returncode == 1
    return done.stderr.splitlines()


@pytest.mark.parametrize(("name", "text", "finding"), BAD, ids=lambda value: value[:20])
def test_finding(name: str, text: str, finding: str, findings: list[str]) -> None:
    assert any(finding in line for line in findings), findings
