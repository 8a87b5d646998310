"""Large blocks: how many of their pages were resident at birth, at death and at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from haktrace import read_trace
from recording import WORKLOADS, Trace, record

MIB = 1 << 20
# Size: pages at birth and at death. glibc writes a header before each block, and moves the pages of
# one that grows; the block that grew has 257 pages that were written, a part of the first of which
# is that of another.
PAGES = {
    MIB: (1, 100),
    MIB - 1: (1, 1),
    MIB + 1: (1, 30),
    8 * MIB: (30, 30 + 257),
    MIB + 2: (1, 7),
    MIB + 3: (1, 50),
}


def pages(trace: Trace) -> dict[int, tuple[int | None, int | None]]:
    """Of each size at least 128 KiB the pages at birth and at death."""
    events = trace.rows
    sizes = {row["object"]: row["size"] for row in events if row["object"] is not None}
    births = {row["object"]: row["birth_pages"] for row in events}
    with read_trace(trace.path) as opened:
        resident = opened.resident
    assert {number: count for number, count in births.items() if count is not None} == resident[
        "birth_pages"
    ].dropna().to_dict()
    deaths = {row["old_object"]: row["death_pages"] for row in events}
    told = resident["death_pages"].dropna().to_dict()
    for number, count in deaths.items():
        assert count == told.get(number)
    return {
        size: (births[number], told.get(number))
        for number, size in sizes.items()
        if number in resident.index or size >= MIB - 1
    }


@pytest.mark.parametrize("arguments", [[], ["exit"]], ids=["returns", "exits"])
@pytest.mark.parametrize("options", [[], ["--time", "exact"]], ids=["coarse", "exact"])
def test_pages(arguments: list[str], options: list[str], tmp_path: Path) -> None:
    trace = record(tmp_path, WORKLOADS / "toucher", *arguments, options=["--quiet", *options]).trace
    trace.assert_sound()
    assert pages(trace) == PAGES
    assert trace.info["measured_objects"] == 6
    assert trace.info["measured_pages"] == 5 * 256 + 3 + 2048
    assert trace.info["touched_pages_low"] == 99 + 29 + 257 + 6 + 49
    assert trace.info["touched_pages_high"] == 100 + 1 + 30 + 287 + 7 + 50


def test_no_question_under_a_filter(tmp_path: Path) -> None:
    """The kernel would kill the program for one; 200,000 bytes are a large block."""
    result = record(tmp_path, WORKLOADS / "confined", "seccomp")
    if result.done.returncode == 77:
        pytest.skip("this program may not set a filter")
    assert result.done.returncode == 0
    rows = [row for row in result.trace.rows if row["size"] == 200000]
    assert len(rows) == 25000
    assert {row["birth_pages"] for row in rows} == {None}
    assert result.trace.info["touched_pages_high"] is None
