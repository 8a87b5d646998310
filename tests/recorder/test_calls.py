"""Every call is in the trace with its exact kind, size, alignment and outcome."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from recording import WORKLOADS, Row, brief, record, record_like_bare

UINT64_MAX = 2**64 - 1
TOO_BIG = 2**63
HALF = 2**63 - 1


def free(kind: str = "free") -> tuple[Any, ...]:
    return kind, None, None, ()


def alloc(kind: str, size: int, align: int | None = None, *flags: str) -> tuple[Any, ...]:
    return kind, size, align, flags


EDGES = [
    # sizes of zero
    alloc("malloc", 0), free(),
    alloc("calloc", 0), free(),
    alloc("calloc", 0), free(),
    alloc("malloc", 101), alloc("realloc", 0),
    alloc("malloc", 102), alloc("reallocarray", 0),
    alloc("realloc", 0), free(),
    # failures
    alloc("malloc", 201),
    alloc("malloc", TOO_BIG, None, "failed"),
    alloc("calloc", UINT64_MAX, None, "failed"),
    alloc("calloc", TOO_BIG, None, "failed"),
    alloc("realloc", TOO_BIG, None, "failed"),
    alloc("reallocarray", UINT64_MAX, None, "failed"),
    alloc("memalign", TOO_BIG, 64, "failed"),
    alloc("aligned_alloc", TOO_BIG, 64, "failed"),
    alloc("posix_memalign", TOO_BIG, 64, "failed"),
    alloc("posix_memalign", 203, 24, "failed"),
    alloc("posix_memalign", 204, 2, "failed"),
    alloc("valloc", TOO_BIG, None, "failed"),
    alloc("pvalloc", TOO_BIG, None, "failed"),
    free(),
    # alignments
    alloc("memalign", 301, 128), free(),
    alloc("aligned_alloc", 302, 256), free(),
    alloc("posix_memalign", 303, 4096), free(),
    alloc("valloc", 304), free(),
    alloc("pvalloc", 305), free(),
    alloc("memalign", 306, 1 << 20), free(),
    # realloc
    alloc("realloc", 401), alloc("realloc", 400), alloc("realloc", 40100),
    alloc("reallocarray", 806), free(),
    alloc("reallocarray", 405), free(),
    # blocks that move or not
    alloc("malloc", 70001), alloc("malloc", 70002),
    alloc("realloc", 70000), alloc("realloc", 100003, None, "moved"), free(), free(),
    alloc("malloc", 50 << 20), alloc("realloc", 51 << 20), free(),
]  # fmt: skip

# Each operator new with its size and alignment, and the delete that followed it.
OPERATORS = [
    (alloc("new", 1001), "delete"),
    (alloc("new[]", 1002), "delete[]"),
    (alloc("new", 1003), "delete sized"),
    (alloc("new[]", 1004), "delete[] sized"),
    (alloc("new nothrow", 1005), "delete nothrow"),
    (alloc("new[] nothrow", 1006), "delete[] nothrow"),
    (alloc("new aligned", 1007, 64), "delete aligned"),
    (alloc("new[] aligned", 1008, 64), "delete[] aligned"),
    (alloc("new aligned", 1009, 64), "delete sized aligned"),
    (alloc("new[] aligned", 1010, 64), "delete[] sized aligned"),
    (alloc("new aligned nothrow", 1011, 64), "delete aligned nothrow"),
    (alloc("new[] aligned nothrow", 1012, 64), "delete[] aligned nothrow"),
]
OPERATOR_FAILURES = [
    alloc(kind, TOO_BIG, align, "failed")
    for kind, align in (
        ("new", None),
        ("new[]", None),
        ("new aligned", 64),
        ("new[] aligned", 64),
        ("new nothrow", None),
        ("new[] nothrow", None),
        ("new aligned nothrow", 64),
        ("new[] aligned nothrow", 64),
    )
]


def settled(row: Row) -> tuple[Any, ...]:
    """A row without the flag that the allocator decides freely: whether a large block moved."""
    kind, size, align, flags = brief(row)
    free_choice = kind == "reallocarray" or size in (40100, 51 << 20)
    return kind, size, align, tuple(f for f in flags if not (free_choice and f == "moved"))


def lives(rows: list[Row]) -> None:
    """Each object is born once, in the order of its number, and dies at most once."""
    born = [row["object"] for row in rows if row["object"] is not None]
    ended = [row for row in rows if "failed" not in row["flags"]]
    dead = [row["old_object"] for row in ended if row["old_object"] is not None]
    assert born == sorted(set(born))
    assert len(dead) == len(set(dead))


def test_edges_of_the_standard(tmp_path: Path) -> None:
    trace = record_like_bare(tmp_path, WORKLOADS / "edges").trace
    trace.assert_sound()
    rows = trace.calls_from("edges")
    assert [settled(row) for row in rows] == EDGES
    lives(trace.rows)
    for row in rows:
        failed = "failed" in row["flags"]
        freed_by_realloc = row["kind"] in ("realloc", "reallocarray") and row["size"] == 0
        if row["kind"] == "free" or failed:
            assert row["object"] is None
        elif not freed_by_realloc or row["old_object"] is None:
            assert row["object"] is not None
        else:
            assert row["object"] is None
    # Every block was freed; the one that two calls failed to resize lived on until its free.
    assert trace.info["leaked_objects"] == 0
    assert trace.info["failed_allocs"] == sum("failed" in row[3] for row in EDGES)


def test_realloc_names_the_block_that_ends(tmp_path: Path) -> None:
    rows = record_like_bare(tmp_path, WORKLOADS / "edges").trace.calls_from("edges")
    chain = rows[EDGES.index(alloc("realloc", 401)) :][:5]
    assert chain[0]["old_object"] is None
    for before, after in pairwise(chain):
        assert after["old_object"] == before["object"]


def test_every_operator_new_and_delete(tmp_path: Path) -> None:
    trace = record_like_bare(tmp_path, WORKLOADS / "operators").trace
    trace.assert_sound()
    expected = [alloc("malloc", 999), free()]
    for new, delete in OPERATORS:
        expected += [new, free(delete)]
    expected += [alloc("malloc", 998), free()]
    rows = trace.calls_from("operators")
    assert [brief(row) for row in rows[: len(expected)]] == expected
    pairs = rows[: len(expected)]
    for new_row, delete_row in zip(pairs[::2], pairs[1::2], strict=True):
        assert delete_row["old_object"] == new_row["object"]
    # An exception's memory is freed on the way back from a catch, by a jump from the C++ library.
    failures = [brief(row) for row in rows[len(expected) :] if row["kind"] != "free"]
    assert failures == OPERATOR_FAILURES


def test_an_operator_is_one_call(tmp_path: Path) -> None:
    """The malloc and free inside the real operators are not calls of the program."""
    trace = record_like_bare(tmp_path, WORKLOADS / "operators").trace
    sizes = [row["size"] for row in trace.calls if row["kind"] in ("malloc", "aligned_alloc")]
    assert not set(sizes) & set(range(1001, 1013))
    assert sizes.count(TOO_BIG) == 0


def test_calls_before_any_constructor(tmp_path: Path) -> None:
    """The recorder is not set up yet, nor are the libraries: nothing is missed."""
    trace = record_like_bare(tmp_path, WORKLOADS / "early").trace
    trace.assert_sound()
    rows = [brief(row) for row in trace.calls_from("early")]
    assert rows == [alloc("malloc", 501), alloc("malloc", 502), free(), alloc("malloc", 503),
                    free(), free()]  # fmt: skip


PAUSES = """
import ctypes, time
malloc = ctypes.CDLL(None).malloc
for size in range(60000, 60050):
    time.sleep(0.003)
    malloc(size)
"""


def test_a_call_after_a_pause_has_a_time_after_the_pause(tmp_path: Path) -> None:
    """Coarse times are good to a millisecond, in threads that seldom call as well."""
    trace = record_like_bare(tmp_path, "/usr/bin/python3", "-c", PAUSES).trace
    times = [row["time_ns"] for row in trace.rows if row["size"] in range(60000, 60050)]
    assert len(times) == 50
    # The first ones come after the interpreter's start, whose calls are many.
    assert all(after - before > 2_000_000 for before, after in pairwise(times[25:]))


# Steady calls, then very many, then few of a program that gives its processor away no more.
SPURT = """
import ctypes, time
malloc = ctypes.CDLL(None).malloc
for step in range(300):
    malloc(16)
    time.sleep(0.001)
for step in range(100_000):
    malloc(16)
for size in range(60000, 60040):
    end = time.monotonic_ns() + 5_000_000
    while time.monotonic_ns() < end:
        pass
    malloc(size)
    print(size, time.monotonic_ns())
"""


@pytest.fixture
def one_processor() -> Iterator[None]:
    """All that the test starts shares one processor."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def error_of_times_ms(folder: Path) -> float:
    """How far a call's time in the trace lies behind its own, at most; of the best call: nought."""
    recording = record(folder, "/usr/bin/python3", "-c", SPURT)
    told = {int(size): int(ns) for size, ns in map(str.split, recording.done.stdout.splitlines())}
    behind = [
        told[row["size"]] - row["time_ns"] for row in recording.trace.rows if row["size"] in told
    ]
    assert len(behind) == 40
    return float(max(behind) - min(behind)) / 1e6


@pytest.mark.usefixtures("one_processor")
def test_times_are_right_where_no_processor_is_idle(tmp_path: Path) -> None:
    """The thread that takes records in idle time gets none: the other one is called in its stead.

    Others may keep the processor from hakrec meanwhile, so it has several attempts.
    """
    assert any(error_of_times_ms(tmp_path / f"{attempt}") < 20 for attempt in range(5))
