"""The runner counts what happened, and takes for a failure whatever should have run and did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PLAN = "echo 1..3; echo ok 1 - one; echo ok 2 - two;"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the runner and a style check that is content."""
    (tmp_path / "tests/part").mkdir(parents=True)
    shutil.copy(ROOT / "tests/run.py", tmp_path / "tests")
    (tmp_path / "tests/style.py").write_text("print('style')\n")
    return tmp_path


def unit(tree: Path, name: str, script: str) -> str:
    """A unit program that runs a shell script."""
    path = tree / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def pytest_file(tree: Path, name: str, text: str) -> str:
    """A file for pytest."""
    path = tree / "tests/part" / name
    path.write_text(text)
    return str(path.relative_to(tree))


def run(tree: Path, units: list[str], pytests: list[str], *more: str) -> tuple[str, int, str]:
    """The last line, the exit status, and all that the runner said."""
    command = [sys.executable, str(tree / "tests/run.py"), *more, "--units", *units]
    done = subprocess.run(
        [*command, "--pytests", *pytests], capture_output=True, text=True, check=False, timeout=120
    )
    said = done.stdout + done.stderr
    return done.stdout.splitlines()[-1], done.returncode, said


def test_all_well(tree: Path) -> None:
    good = unit(tree, "good", PLAN + "echo ok 3 - three")
    skips = unit(tree, "skips", PLAN + "echo 'not ok 3 # SKIP three'")
    absent = unit(tree, "absent", "echo needs something; exit 77")
    text = "import pytest\ndef test_a(): pass\n@pytest.mark.skip('no')\ndef test_b(): pass\n"
    last, status, said = run(tree, [good, skips, absent], [pytest_file(tree, "test_x.py", text)])
    assert (last, status) == ("7 passed, 0 failed, 3 skipped", 0)
    assert "needs something" in said


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (PLAN + "echo not ok 3 - three; exit 1", "bad: three"),
        (PLAN + "echo ok 3 - three; exit 1", "bad: exit status 1 after three"),
        (PLAN + "kill -SEGV $$", "bad: killed by SIGSEGV after two"),
        (PLAN, "bad: planned 3 tests, 2 reported"),
        ("echo 1..0", "bad: planned 0 tests, 0 reported"),
        ("true", "bad: planned 0 tests, 0 reported"),
    ],
)
def test_unit_that_fails(tree: Path, script: str, reason: str) -> None:
    bad = unit(tree, "bad", "echo words of it\n" + script)
    last, status, said = run(tree, [bad], [])
    assert status == 1
    assert ", 1 failed, " in last
    assert reason in said
    assert "    words of it" in said


def test_unit_that_hangs(tree: Path) -> None:
    runner = tree / "tests/run.py"
    runner.write_text(runner.read_text().replace("UNIT_TIMEOUT_S = 300", "UNIT_TIMEOUT_S = 1"))
    last, status, said = run(tree, [unit(tree, "slow", PLAN + "sleep 100 & wait")], [])
    assert (", 1 failed, " in last, status) == (True, 1)
    assert "slow: did not end within " in said


@pytest.mark.parametrize(
    ("text", "counts", "reason"),
    [
        ("def test_a(): assert 0\n", "1 passed, 1 failed", "test_x.py::test_a"),
        ("import nothing_of_the_kind\n", "1 passed, ", "test_x.py"),
        ("x = 1\n", "1 passed, ", "test_x.py: no test in it ran"),
        ("import os\ndef test_a(): os._exit(0)\n", "1 passed, ", "test_x.py: no test in it ran"),
    ],
)
def test_pytest_file_that_fails(tree: Path, text: str, counts: str, reason: str) -> None:
    last, status, said = run(tree, [], [pytest_file(tree, "test_x.py", text)])
    assert status == 1
    assert last.startswith(counts)
    assert " 0 failed" not in last
    assert reason in said


def test_what_is_not_there(tree: Path) -> None:
    last, status, said = run(tree, ["build/none"], ["tests/part/test_none.py"])
    assert (last, status) == ("1 passed, 2 failed, 0 skipped", 1)
    assert "build/none: not built" in said
    assert "tests/part/test_none.py: no such file" in said


def test_what_no_build_file_declares(tree: Path) -> None:
    pytest_file(tree, "test_lost.py", "def test_a(): pass\n")
    pytest_file(tree, "test_unit.c", "")
    last, status, said = run(tree, [], [])
    assert (last, status) == ("1 passed, 2 failed, 0 skipped", 1)
    assert "tests/part/test_lost.py: no build.mk declares it" in said
    assert "tests/part/test_unit.c: no build.mk declares it" in said


def test_style_that_fails(tree: Path) -> None:
    (tree / "tests/style.py").write_text("print('a.c:1: ugly')\nraise SystemExit(1)\n")
    last, status, said = run(tree, [unit(tree, "good", PLAN + "echo ok 3 - three")], [])
    assert (last, status) == ("3 passed, 1 failed, 0 skipped", 1)
    assert "a.c:1: ugly" in said


def test_under_sanitizers(tree: Path) -> None:
    good = unit(tree, "good", PLAN + "echo ok 3 - three")
    file = pytest_file(tree, "test_x.py", "def test_a(): assert 0\n")
    last, status, _ = run(tree, [good], [file], "--sanitized")
    assert (last, status) == ("3 passed, 0 failed, 1 skipped", 0)
    last, status, _ = run(tree, [], [file], "--sanitized")
    assert (last, status) == ("0 passed, 0 failed, 1 skipped", 1)
