"""Whatever allocator the program runs on, its calls are recorded and reach that allocator."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import BUILD
from recording import WORKLOADS, brief, record_like_bare

CALLS = 10007
ALLOCATORS = [
    "libjemalloc.so.2",
    "libtcmalloc_minimal.so.4",
    "libmimalloc.so.2.0",
    str(BUILD / "libhakmem.so"),
]
on_every_allocator = pytest.mark.parametrize(
    "library", ALLOCATORS, ids=lambda name: Path(name).name.partition(".")[0]
)


@on_every_allocator
def test_producers_and_consumers(tmp_path: Path, library: str) -> None:
    environ = {"LD_PRELOAD": library}
    trace = record_like_bare(tmp_path, WORKLOADS / "prime", str(CALLS), environ=environ).trace
    trace.assert_sound()
    assert len(trace.calls_from("prime")) == CALLS


def test_a_free_that_makes_calls(tmp_path: Path) -> None:
    """What it calls on its way to the real one is a part of the same call."""
    environ = {"LD_PRELOAD": str(WORKLOADS / "libfussy.so")}
    trace = record_like_bare(tmp_path, WORKLOADS / "prime", str(CALLS), environ=environ).trace
    trace.assert_sound()
    assert len(trace.calls_from("prime")) == CALLS
    assert trace.calls_from("libfussy.so") == []


@on_every_allocator
def test_storm(tmp_path: Path, library: str) -> None:
    environ = {"LD_PRELOAD": library}
    command: list[str | Path] = [WORKLOADS / "storm", "4", "30000", "64", "32"]
    recording = record_like_bare(tmp_path, *command, environ=environ)
    recording.trace.assert_sound()
    calls = int(recording.done.stdout.split()[-1])
    # Besides its own calls: the C library's for each thread, a few of the allocator's for itself.
    assert calls + 4 <= recording.trace.info["events"] <= calls + 20


@on_every_allocator
def test_forks_and_thread_exits(tmp_path: Path, library: str) -> None:
    for name in ("forker", "exits"):
        environ = {"LD_PRELOAD": library}
        record_like_bare(tmp_path / name, WORKLOADS / name, environ=environ).assert_sound()


# libmimalloc.so.2.0 is C: its operator new cannot throw and ends the program.
@pytest.mark.parametrize("library", [ALLOCATORS[0], ALLOCATORS[1], ALLOCATORS[3]],
                         ids=["libjemalloc", "libtcmalloc_minimal", "libhakmem"])  # fmt: skip
def test_operators_of_its_own(tmp_path: Path, library: str) -> None:
    """An allocator that exports operator new and delete: each is one call, none is missed."""
    trace = record_like_bare(tmp_path, WORKLOADS / "operators", environ={"LD_PRELOAD": library})
    rows = trace.trace.calls_from("operators")
    trace.assert_sound()
    news = [row for row in rows if row["kind"].startswith("new") and "failed" not in row["flags"]]
    deletes = [row for row in rows if row["kind"].startswith("delete")]
    assert [row["size"] for row in news] == list(range(1001, 1013))
    assert [row["old_object"] for row in deletes] == [row["object"] for row in news]


@pytest.mark.parametrize(
    "library",
    ["", ALLOCATORS[0], ALLOCATORS[1], ALLOCATORS[3]],
    ids=["glibc", "libjemalloc", "libtcmalloc_minimal", "libhakmem"],
)
def test_exceptions_in_a_call(tmp_path: Path, library: str) -> None:
    """A new handler throws, catches, frees and lets the call succeed, and another one throws out of
    it: all in the order in which it happened."""
    environ = {"LD_PRELOAD": library} if library else {}
    trace = record_like_bare(tmp_path, WORKLOADS / "stubborn", environ=environ).trace
    trace.assert_sound()
    rows = trace.calls_from("stubborn")
    assert [(row["kind"], row["size"], "failed" in row["flags"]) for row in rows] == [
        ("malloc", 200 << 20, False), ("free", None, False), ("free", None, False),
        ("new", 190 << 20, False), ("delete", None, False),
        ("new", 1 << 63, True), ("free", None, False),
        ("new", 2001, False), ("delete", None, False),
    ]  # fmt: skip
    assert [rows[i]["old_object"] for i in (2, 4, 8)] == [rows[i]["object"] for i in (0, 3, 7)]


EXTENDED = [
    ("malloc", 301, None, ()), ("memalign", 302, 256, ()), ("calloc", 303, None, ()),
    ("malloc", 304, None, ()), ("malloc", 305, None, ()),
    ("realloc", 30100, None, ("moved",)), ("realloc", 310, None, ()),
    *[("free", None, None, ())] * 5,
]  # fmt: skip


def test_functions_beyond_the_standard(tmp_path: Path) -> None:
    """jemalloc's mallocx and its like are recorded as what the standard calls for the same."""
    environ = {"LD_PRELOAD": "libjemalloc.so.2"}
    recording = record_like_bare(tmp_path, WORKLOADS / "extended", environ=environ)
    assert recording.done.returncode == 0
    recording.assert_sound()
    rows = recording.trace.calls_from("extended")
    assert [brief(row) for row in rows] == EXTENDED
    born = {row["object"] for row in rows} - {None}
    assert born == {row["old_object"] for row in rows} - {None}


def test_functions_that_are_not_there(tmp_path: Path) -> None:
    """Where no allocator has them the program finds none, recorded or not."""
    recording = record_like_bare(tmp_path, WORKLOADS / "extended")
    assert recording.done.returncode == 3
    assert recording.done.stdout == "mallocx 0 rallocx 0 xallocx 0 dallocx 0 sdallocx 0\n"


@pytest.mark.parametrize("words", [(), ("nothrow",)], ids=["new", "nothrow"])
@pytest.mark.parametrize(
    "library", ["", *ALLOCATORS[:2]], ids=["glibc", "libjemalloc", "libtcmalloc_minimal"]
)
def test_a_call_within_a_call_on_another_stack(
    tmp_path: Path, library: str, words: tuple[str, ...]
) -> None:
    """Each has its own size, though the second one had the thread's pen meanwhile."""
    environ = {"LD_PRELOAD": library} if library else {}
    trace = record_like_bare(tmp_path, WORKLOADS / "fibers", *words, environ=environ).trace
    trace.assert_sound()
    sizes = {row["object"]: row["size"] for row in trace.calls if row["object"] is not None}
    freed = [row["old_object"] for row in trace.calls_from("fibers")[-2:]]
    assert [sizes[number] for number in freed] == [100 << 20, 24]
