"""What parts are worth, on a small trace with known uses."""

from __future__ import annotations

import sys
from pathlib import Path

import haktrace
import pytest
from command import run
from haktrace.ablation import variants
from handmade import scribe


def made(folder: Path, sizes: list[int], site: int = -1) -> Path:
    """A trace that allocates and frees blocks of these sizes, one after another."""
    lines = ["thread 1 0 -1 main", "module 0 0x1000 00ff11223344556677 /usr/bin/app"]
    lines.append("site 0 64 32")
    for number, size in enumerate(sizes):
        lines.append(f"event 0 0 1 {size} 0 {number} -1 {site} 0 0")
        lines.append(f"event 0 0 5 0 0 -1 {number} -1 0 0")
    return scribe(folder / "made.zst", [*lines, "end 0 0 0 0"])


def test_parts_in_use_and_ratios(tmp_path: Path) -> None:
    parts = haktrace.ablate([made(tmp_path, [100] * 2000 + [3 << 20] * 40)], repeat=4)
    assert list(parts.index) == [
        ("made", variant) for variant in ("tls=0", "tiny=0", "l25=0", "whale=0", "learn=ucb1")
    ]
    assert list(parts["in_use"]) == [True, True, False, True, True]
    # Each of 40 Whales is mapped anew without the cache: all of its 768 pages are touched again.
    assert parts["faults"].loc[("made", "whale=0"), "ratio"] > 10
    assert parts["faults"].loc[("made", "whale=0"), "distinct"]
    assert (parts["time"]["repeats"] == 4).all()


def test_rules_are_a_variant_where_there_are_any(tmp_path: Path) -> None:
    bare = variants(made(tmp_path, [50000] * 10, site=0), tmp_path)
    ruled = variants(made(tmp_path, [50000] * 20, site=0), tmp_path)
    assert set(ruled) - set(bare) == {"rules"}


def test_as_text(tmp_path: Path) -> None:
    trace = made(tmp_path, [100] * 100)
    words = [sys.executable, "-W", "error", "-m", "haktrace.worth", "--repeat", "1", trace]
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ["made", variant] for variant in ("tls=0", "tiny=0", "l25=0", "whale=0", "learn=ucb1")
    ]


def test_a_trace_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(haktrace.TraceError, match=r"none\.zst"):
        haktrace.ablate([tmp_path / "none.zst"])
