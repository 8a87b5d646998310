"""The shared library offers what trace.h and arrow.h declare, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT, run

DECLARED = re.compile(r"TRACE_API\s[^;]*?\b(trace_\w+)\(")


def exported(library: Path) -> set[str]:
    """Names of the functions and objects that a shared library defines for others."""
    done = run("nm", "-D", "--defined-only", library)
    assert done.returncode == 0, done.stderr
    return {line.split()[-1] for line in done.stdout.splitlines()}


def test_exports_are_the_declarations(build: Path) -> None:
    library = build / "libhaktrace.so"
    declared: set[str] = set()
    for header in ("trace.h", "arrow.h", "statistic.h"):
        declared |= set(DECLARED.findall((ROOT / "traces" / header).read_text()))
    assert len(declared) > 40
    assert exported(library) == declared


@pytest.mark.parametrize("header", ["trace.h", "calls.h", "sitekey.h", "arrow.h", "statistic.h"])
def test_headers_stand_alone(header: str, tmp_path: Path) -> None:
    source = tmp_path / "alone.c"
    source.write_text(f'#include "traces/{header}"\nint main(void) {{ return 0; }}\n')
    done = run("gcc", "-std=c17", "-Wall", "-Werror", f"-I{ROOT}", "-fsyntax-only", source)
    assert done.returncode == 0, done.stderr
