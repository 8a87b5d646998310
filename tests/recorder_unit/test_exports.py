"""What libhakrec.so shows to the program: the interposed functions and nothing else."""

from __future__ import annotations

import re
import shutil

import pytest
from command import BUILD, run
from conftest import ROOT


def test_exported_symbols() -> None:
    if not shutil.which("nm"):
        pytest.skip("no nm")
    listed = run("nm", "-D", "--defined-only", BUILD / "libhakrec.so")
    assert listed.returncode == 0, listed.stderr
    exported = {line.split()[-1].partition("@")[0] for line in listed.stdout.splitlines()}
    calls = (ROOT / "traces" / "calls.h").read_text()
    rows = re.findall(r"\bX\([A-Z_]+,\s*\d+,\s*(\w+),", calls)
    assert len(rows) == 30
    # dlclose: addresses may mean other code afterwards. The others: filters of system calls, ends,
    # forks that fail or call no handlers.
    assert exported == {*rows, "dlclose", "syscall", "prctl", "fork", "_Fork", "_exit", "_Exit"}


def test_needs_nothing_but_the_c_library() -> None:
    if not shutil.which("readelf"):
        pytest.skip("no readelf")
    listed = run("readelf", "-d", BUILD / "libhakrec.so")
    assert re.findall(r"\(NEEDED\).*\[(.*)\]", listed.stdout) == ["libc.so.6"]
