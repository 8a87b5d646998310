"""What the switches cost at their defaults: nothing, counted in instructions."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from conftest import BUILD, run

pytestmark = pytest.mark.skipif(
    "/config/" in str(BUILD),
    reason="valgrind and a sanitizer's own malloc exclude each other",
)

PAIR = BUILD / "tests" / "bench" / "allocator" / "pair"
FEW, MANY = 1000, 3000


def instructions(library: Path, size: int, count: int, options: str = "") -> int:
    """Instructions of a program that makes `count` pairs of malloc and free."""
    done = run(
        *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
        *(PAIR, size, count),
        env={**os.environ, "LD_PRELOAD": str(library), "HAKMEM_OPTIONS": options},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


def per_pair(library: Path, size: int, options: str = "") -> int:
    """Instructions of one pair; what the program does once cancels out."""
    more = instructions(library, size, MANY, options) - instructions(library, size, FEW, options)
    return round(more / (MANY - FEW))


@pytest.mark.parametrize("size", [64, 4096, 100_000, 3_000_000])
def test_switches_at_their_defaults_cost_no_instruction(build: Path, size: int) -> None:
    unswitched = build / "tests" / "allocator" / "libhakmem-unswitched.so"
    assert per_pair(build / "libhakmem.so", size) == per_pair(unswitched, size)


def test_rules_cost_instructions_only_when_loaded(build: Path, tmp_path: Path) -> None:
    library, rules = build / "libhakmem.so", tmp_path / "some.rules"
    rules.write_text("elsewhere+0x123@16 keep\n")
    bare = per_pair(library, 64)
    assert per_pair(library, 64, "rules=") == bare
    assert per_pair(library, 64, f"rules={rules}") > bare
