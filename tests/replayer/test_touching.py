"""How much of each block is written: page faults, exact to a page."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command import run
from haktrace import read_trace
from recording import WORKLOADS, record
from replaying import ALLOCATORS, HAKREPLAY, SCHEDULES, SCRIBE, results, write

PAGE = 4096
SIZE = 1000 * PAGE
BORN = f"0 1 {SIZE} 0 0 -1 0 0"
PAGES = (1, 2, 300, 999)
Counts = dict[int, int]


def faults(trace: Path, *options: str) -> tuple[int, str]:
    """Faults on glibc, which writes a header into a block's first page, and the digest."""
    (result,) = results(trace, "-a", "glibc", "-n", "1", *options)
    return result["minor_faults"], result["digest"]


def test_other_pages_are_another_trace(tmp_path: Path) -> None:
    """The same calls, but not the same replay: their results must not be compared."""
    traces = [write(tmp_path / f"{pages}.zst", BORN, left={0: pages}) for pages in PAGES]
    traces.append(write(tmp_path / "untold.zst", BORN))
    made = [results(trace, "-a", "glibc", "-n", "1")[0] for trace in traces]
    assert len({result["trace_digest"] for result in made}) == len(traces)
    assert len({result["digest"] for result in made}) == 1


def assert_told(trace: list[Path], expected: list[int], *options: str) -> None:
    """The traces do the same, and take so many faults more than the first one."""
    seen = [faults(path, *options) for path in trace]
    assert [count - seen[0][0] for count, _ in seen] == [0, *expected]
    assert len({digest for _, digest in seen}) == 1


def test_words(tmp_path: Path) -> None:
    """A block of 1000 pages: none or all of them become resident; the allocator takes a few."""
    plain = write(tmp_path / "plain.zst", BORN)
    told = write(tmp_path / "told.zst", BORN, left={0: 300})
    for trace, pages in ((plain, 1000), (told, 300)):
        seen = {
            touch: faults(trace, "-s", "lockstep", "--touch", touch)[0]
            for touch in ("none", "first", "pages", "all")
        }
        assert max(seen["none"], seen["first"]) < 20
        assert pages - 1 <= seen["pages"] - seen["first"] <= pages
        assert 999 <= seen["all"] - seen["first"] <= 1000


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("end", ["freed", "left"])
def test_recorded_pages(tmp_path: Path, end: str, schedule: str) -> None:
    """As many as were resident; all where nothing is told, or at least as many as there are."""
    rows = [BORN, "0 1 10 0 1 -1 0 0"] + (["0 5 0 0 -1 0 0 0"] if end == "freed" else [])
    traces = []
    for pages in (*PAGES, 1000, 5000, None):
        path = tmp_path / f"{pages}.zst"
        if pages is None:
            traces.append(write(path, *rows))
        elif end == "freed":
            traces.append(write(path, *rows, died={2: pages}))
        else:
            traces.append(write(path, *rows, left={0: pages}))
    for options in ((), ("--memory", "1")):
        assert_told(traces, [1, 299, 998, 1000, 1000, 1000], "-s", schedule, *options)


@pytest.mark.parametrize(
    "rows",
    [
        [f"0 6 {SIZE} 64 0 -1 0 0"],
        [f"0 2 {SIZE} 0 0 -1 0 0"],
        [f"0 16 {SIZE} 0 0 -1 0 0"],
        [f"0 20 {SIZE} 64 0 -1 0 0"],
        [f"0 3 {SIZE} 0 0 -1 0 0"],
        [f"0 3 {SIZE} 0 0 -1 0 4"],
    ],
    ids=[
        "memalign",
        "calloc",
        "new",
        "new aligned",
        "realloc of NULL",
        "foreign realloc",
    ],
)
def test_every_kind(tmp_path: Path, rows: list[str]) -> None:
    traces = [write(tmp_path / f"{pages}.zst", *rows, left={0: pages}) for pages in PAGES]
    assert_told(traces, [1, 299, 998], "-s", "lockstep")


def test_moved_blocks(tmp_path: Path) -> None:
    """glibc moves the pages of a block that grows; what was touched of it is not touched again."""
    grown = [BORN, f"0 3 {2 * SIZE} 0 1 0 0 2"]
    told: list[tuple[Counts, Counts]] = [
        ({1: 300}, {1: 300}),
        ({1: 300}, {1: 700}),
        ({1: 700}, {1: 700}),
        ({1: 300}, {}),
        ({}, {1: 1500}),
    ]
    traces = [
        write(tmp_path / f"{number}.zst", *grown, died=died, left=left)
        for number, (died, left) in enumerate(told)
    ]
    # A block of 2000 pages that begins behind a header has a byte in one page more.
    assert_told(traces, [400, 400, 1701, 1200], "-s", "lockstep")


def test_blocks_that_become_large_or_small(tmp_path: Path) -> None:
    small = ["0 1 3000 0 0 -1 0 0", f"0 3 {SIZE} 0 1 0 0 2"]
    traces = [write(tmp_path / f"{pages}.zst", *small, left={1: pages}) for pages in PAGES]
    assert_told(traces, [1, 299, 998], "-s", "lockstep")
    shrunk = [BORN, f"0 3 {100 * PAGE - 100} 0 1 0 0 0", "0 3 5000 0 2 1 0 0"]
    traces = [
        write(
            tmp_path / f"shrunk-{first}.zst",
            *shrunk,
            died={1: first, 2: min(first, 100)},
        )
        for first in (100, 101, 500)
    ]
    assert_told(traces, [1, 400], "-s", "lockstep")


def test_inherited_blocks(tmp_path: Path) -> None:
    """They are born before the clock starts: resident memory tells."""
    peaks = []
    for pages in (300, 301, 700):
        trace = write(
            tmp_path / f"{pages}.zst",
            f"0 66 {SIZE} 0 0 -1 -1 0",
            BORN.replace("0 -1", "1 -1"),
            left={0: pages, 1: 1},
        )
        (result,) = results(trace, "-a", "glibc", "-n", "1", "-s", "lockstep")
        peaks.append(result["peak_rss_bytes"])
    assert [peak - peaks[0] for peak in peaks] == [0, PAGE, 400 * PAGE]


def test_copies(tmp_path: Path) -> None:
    traces = [write(tmp_path / f"{pages}.zst", BORN, left={0: pages}) for pages in PAGES]
    for trace, more in zip(traces, (0, 1, 299, 998), strict=True):
        (one,) = results(traces[0], "-a", "glibc", "-n", "1", "--copies", "3")
        (other,) = results(trace, "-a", "glibc", "-n", "1", "--copies", "3")
        assert other["minor_faults"] - one["minor_faults"] == 3 * more


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_every_allocator(tmp_path: Path, allocator: str) -> None:
    """What is resident, beside what the allocator itself takes of such a block."""
    peaks = []
    for pages in (300, 301, 700):
        trace = write(tmp_path / f"{pages}.zst", BORN, left={0: pages})
        (result,) = results(trace, "-a", allocator, "-n", "1", "-s", "lockstep")
        peaks.append(result["peak_rss_bytes"])
        (checked,) = results(trace, "-a", allocator, "-n", "1", "--check")
        assert (checked["check_errors"], checked["digest"]) == (0, result["digest"])
    assert [peak - peaks[0] for peak in peaks] == [0, PAGE, 400 * PAGE]


def test_pages_of_another_size(tmp_path: Path) -> None:
    """A machine with pages of 16 KiB counts those."""
    traces = []
    for pages, page_bytes in ((1, 4096), (4, 4096), (1, 16384), (50, 16384)):
        path = tmp_path / f"{pages}-{page_bytes}.zst"
        head = f"fact page_bytes {page_bytes}\nthread 1 0 -1 t\nsite -1 0 0\n"
        text = f"{head}event 0 {BORN} 0\nleft 0 {pages}\nend 0 0 0 0\n"
        assert run(SCRIBE, path, input=text).returncode == 0
        traces.append(path)
    assert_told(traces, [3, 3, 199], "-s", "lockstep")


def test_a_program(tmp_path: Path) -> None:
    """A recorded one's large blocks: as many pages as it wrote to; whole where nobody counted."""
    trace = record(tmp_path, WORKLOADS / "toucher", options=["--quiet"]).trace
    sizes = {row["object"]: row["size"] for row in trace.rows if row["object"] is not None}
    with read_trace(trace.path) as opened:
        told = opened.resident["death_pages"].dropna().to_dict()
    pages = {
        number: told.get(number, (16 + size + PAGE - 1) // PAGE)
        for number, size in sizes.items()
        if size >= 128 << 10
    }
    (old,) = (
        row["old_object"]
        for row in trace.rows
        if row["kind"] == "realloc" and row["object"] is not None
    )
    pages[old + 1] = max(pages[old + 1], pages.pop(old))
    wrote = sum(count - 1 for count in pages.values())  # glibc itself wrote to the first one
    assert wrote >= 99 + 286 + 6 + 49
    seen = []
    for touch in ("none", "pages"):
        lines = tmp_path / f"{touch}.jsonl"
        done = run(
            HAKREPLAY, trace.path, "-a", "glibc", "-n", "1", "-s", "lockstep", "--touch", touch,
            "--json", lines, env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        seen.append(json.loads(lines.read_text())["minor_faults"])
    assert 20 <= seen[1] - seen[0] - wrote <= 30  # a block of 100000 bytes is written whole
