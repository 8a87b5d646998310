"""What hakreplay measures beside time: latencies, memory over the trace, allocators' counters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from replaying import ALLOCATORS, HELPERS, SCHEDULES, make_random, replay, results, write


def latencies(result: dict[str, Any]) -> dict[tuple[str, str | None, int | None], int]:
    """Counts by kind, place and class of sizes."""
    calls = result["latency"]["calls"]
    return {(row["kind"], row["place"], row["to_bytes"]): row["count"] for row in calls}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_latencies_are_told_by_kind_size_and_place(tmp_path: Path, schedule: str) -> None:
    rows = [f"0 1 {size} 0 {n} -1 0 0" for n, size in enumerate((16, 17, 100, 128, 5000))]
    rows += ["1 5 16 0 -1 0 0 0", "1 5 17 0 -1 1 0 0", "0 5 100 0 -1 2 0 0"]
    rows += ["1 3 300 0 5 3 0 0", "1 6 64 64 6 -1 0 0", "1 5 300 0 -1 5 0 0"]
    trace = write(tmp_path / "places.zst", *rows, threads=2)
    (result,) = results(trace, "-a", "glibc", "-n", "1", "-s", schedule, "--latency")
    assert latencies(result) == {
        ("all", None, None): 11,
        ("malloc", None, None): 5,
        ("malloc", None, 16): 1,
        ("malloc", None, 32): 1,
        ("malloc", None, 128): 2,
        ("malloc", None, 8192): 1,
        ("realloc", None, None): 1,
        ("realloc", None, 512): 1,
        ("free", None, None): 4,
        ("free", "local", None): 2,
        ("free", "remote", None): 2,
        ("free", "remote", 16): 1,
        ("free", "remote", 32): 1,
        ("free", "local", 128): 1,
        ("free", "local", 512): 1,
        ("memalign", None, None): 1,
        ("memalign", None, 64): 1,
    }
    names = ("p50_ns", "p90_ns", "p99_ns", "p99.9_ns", "p99.99_ns", "max_ns")
    for row in result["latency"]["calls"]:
        values = [row[name] for name in names]
        assert values == sorted(values) and values[0] >= 0
    assert result["latency"]["timer_ns"] > 0


def test_latency_of_many_threads(tmp_path: Path) -> None:
    trace = make_random(tmp_path, 21, threads=60, rows=20000, live=300)
    plain = results(trace, "-a", "glibc", "-n", "1")[0]
    for schedule in SCHEDULES[:2]:
        (result,) = results(trace, "-a", "glibc", "-n", "1", "-s", schedule, "--latency")
        assert result["digest"] == plain["digest"]
        # Inherited objects are allocated, too; foreign calls are not made.
        assert latencies(result)["all", None, None] >= result["ops"]
        done = replay(trace, "-a", "glibc", "-n", "1", "-s", schedule, "--latency")
        assert "p99.99" in done.stdout


def test_latency_is_not_for_checking(tmp_path: Path) -> None:
    trace = write(tmp_path / "one.zst", "0 1 10 0 0 -1 0 0")
    done = replay(trace, "--latency", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--latency and --check do not go together" in done.stderr


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_is_no_heap_is_left_out(tmp_path: Path, schedule: str) -> None:
    """null has no heap: what the loader wrote and the stacks took is nobody's."""
    trace = make_random(tmp_path, 23, threads=2, rows=5000, live=300)
    (result,) = results(trace, "-a", "null", "-n", "1", "-s", schedule)
    assert result["peak_rss_bytes"] < 160 << 10


def steps(folder: Path) -> Path:
    """1000 blocks of 1001 bytes, of which every second one is freed again."""
    born = [f"0 1 1001 0 {n} -1 0 0" for n in range(1000)]
    died = [f"0 5 1001 0 -1 {n} 0 0" for n in range(0, 1000, 2)]
    return write(folder / "steps.zst", *born, *died)


@pytest.mark.parametrize("name", ALLOCATORS)
def test_series_splits_the_overhead(tmp_path: Path, name: str) -> None:
    first, second = results(steps(tmp_path), "-a", name, "-n", "2", "-s", "lockstep")
    series = first["rss_series"]
    assert second["rss_series"] == series
    assert series["ops"][-1] == 1500
    assert len(series["ops"]) <= 128 and series["ops"] == sorted(set(series["ops"]))
    columns = [series[f"{what}_bytes"] for what in ("rss", "live", "overhead", "rounding")]
    columns += [series["free_bytes"], series["rest_bytes"]]
    for ops, rss, live, overhead, rounding, free, rest in zip(series["ops"], *columns, strict=True):
        alive = min(ops, 1000) - max(ops - 1000, 0)
        assert live == 1001 * alive
        assert overhead == rss - live == rounding + free + rest
        # Rounded to less than a quarter more, and to a multiple of 8.
        assert 7 * alive <= rounding <= 300 * alive
        assert free >= 0
    # What 500 blocks held is free now, unless the allocator gave it back.
    most = series["live_bytes"].index(1001 * max(x // 1001 for x in series["live_bytes"]))
    gained = series["free_bytes"][-1] - series["free_bytes"][most]
    assert gained + 4096 * 8 >= 500 * 1001 and gained < 500 * 1300


def test_series_of_threads(tmp_path: Path) -> None:
    trace = make_random(tmp_path, 22, threads=8, rows=20000, live=300)
    for schedule in SCHEDULES[:2]:
        (result,) = results(trace, "-a", "glibc", "-n", "1", "-s", schedule)
        series = result["rss_series"]
        assert max(series["live_bytes"]) <= 1.05 * result["recorded_peak_live_bytes"]
        assert min(series["live_bytes"]) >= 0
        assert min(series["rounding_bytes"]) >= 0


def test_series_counts_whole_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the memory while other threads are asking for the usable size of large blocks."""
    monkeypatch.setenv("BROKEN", "slow")
    rows = []
    for n in range(4000):
        rows += [f"{n % 8} 5 0 0 -1 {n - 8} 0 0"] if n >= 8 else []
        rows += [f"{n % 8} 1 100000 0 {n} -1 0 0"]
    trace = write(tmp_path / "large.zst", *rows, threads=8)
    allocator = f"slow={HELPERS / 'libbroken.so'}"
    (result,) = results(trace, "-a", allocator, "-n", "1", "-s", "parallel")
    series = result["rss_series"]
    assert min(series["live_bytes"]) >= 0
    assert min(series["rounding_bytes"]) >= 0
    # glibc's blocks are multiples of 16 bytes, 8 of them its own.
    assert max(series["rounding_bytes"]) <= 8 * 8


COUNTERS = {
    "hakmem": "mapped_bytes",
    "glibc": "uordblks",
    "jemalloc": "stats.allocated",
    "tcmalloc": "generic.current_allocated_bytes",
    "mimalloc": "current_commit",
}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_counters_of_every_allocator(tmp_path: Path, name: str) -> None:
    trace = write(tmp_path / "block.zst", "0 1 3000000 0 0 -1 0 0")
    (result,) = results(trace, "-a", name, "-n", "1")
    counters = result["allocator_stats"]
    held = counters[COUNTERS[name]] + counters.get("hblkhd", 0)
    assert held >= 3_000_000
