"""What --schedule, --speed, --copies, --skew and --memory make of a trace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import ROOT, run
from replaying import HAKREPLAY, HELPERS, SCHEDULES, SCRIBE, make_random, replay, results


def test_skew_makes_no_difference_to_what_is_done(tmp_path: Path) -> None:
    trace = make_random(tmp_path, 9, threads=8, rows=10000, live=300)
    made = []
    for skew in ("1", "10", "1000", "4000000000"):
        made += results(trace, "-n", "2", "--check", "-a", "glibc,jemalloc", "--skew", skew)
    assert len({result["digest"] for result in made}) == 1
    strict = made[0]
    assert strict["options"]["skew"] == 1
    assert strict["replayed_peak_live_bytes"] == strict["recorded_peak_live_bytes"]


def test_paced_keeps_the_gaps(tmp_path: Path) -> None:
    """Calls 40 ms and 60 ms after the first one, by two threads: no sooner, at any speed."""
    rows = ("0 0 1 8 0 0 -1 0 0", "40000000 1 1 8 0 1 -1 0 0", "60000000 0 5 0 0 -1 1 -1 0")
    head = ["fact pid 100", "module 0x1000 0x1000 00ff /usr/bin/app", "site 0 0 16"]
    head += ["thread 100 0 -1 thread", "thread 101 0 -1 thread"]
    text = "\n".join([*head, *(f"event {row} 0" for row in rows), "end 0 0 0 0", ""])
    trace = tmp_path / "paced.zst"
    assert run(SCRIBE, trace, input=text).returncode == 0
    for speed, least in (("1", 60_000_000), ("0.5", 120_000_000), ("4", 15_000_000)):
        options = ("-a", "glibc", "-n", "1", "-s", "paced", "--speed", speed)
        (result,) = results(trace, *options)
        assert result["wall_ns"] >= least
        assert result["options"]["speed"] == float(speed)
        late = result["late"]
        assert 0 < late["mean_ns"] <= late["max_ns"]
        assert late["p50_ns"] <= late["p99_ns"] <= late["max_ns"]
        assert "glibc: calls began " in replay(trace, *options).stdout


def test_paced_needs_times(tmp_path: Path) -> None:
    trace = tmp_path / "still.zst"
    text = "thread 1 0 -1 t\nevent 7 0 1 8 0 0 -1 -1 0 0\nevent 7 0 5 0 0 -1 0 -1 0 0\n"
    assert run(SCRIBE, trace, input=text + "end 0 0 0 0\n").returncode == 0
    done = replay(trace, "-a", "glibc", "-s", "paced")
    assert done.returncode == 1
    assert "still.zst: it has no times" in done.stderr


def test_copies(tmp_path: Path) -> None:
    """Each copy does what the trace says, with threads and objects of its own."""
    trace = make_random(tmp_path, 12, threads=6, rows=10000, live=300)
    options = ("-a", "hakmem,glibc,jemalloc", "-n", "1", "--check")
    alone = results(trace, *options)
    for schedule in SCHEDULES[1:]:
        made = results(trace, *options, "--copies", "5", "-s", schedule)
        for one, five in zip(alone, made, strict=True):
            assert five["digest"] == one["digest"]
            assert five["ops"] == 5 * one["ops"]
            assert five["threads"] == 5 * one["threads"]
            assert five["options"]["copies"] == 5
            assert five["check_errors"] == 0
            assert five["recorded_peak_live_bytes"] == one["recorded_peak_live_bytes"]
            most = 5 * one["replayed_peak_live_bytes"]
            assert one["replayed_peak_live_bytes"] < five["replayed_peak_live_bytes"] < 1.2 * most
    done = replay(trace, "-a", "glibc", "-n", "1", "--copies", "2",
                  program=HELPERS / "hakreplay-forgetful")  # fmt: skip
    assert done.returncode == 1
    assert "it did not do what was recorded" in done.stderr


def test_streamed_plan_does_the_same(tmp_path: Path) -> None:
    """A plan in many parts: the same calls in the same order, the same memory, nobody's stack."""
    trace = make_random(tmp_path, 13, threads=12, rows=30000, live=300)
    options = ("-a", "hakmem,glibc", "-n", "2", "--check")
    for schedule, *more in (*((s,) for s in SCHEDULES), ("lockstep", "--baton")):
        whole = results(trace, *options, "-s", schedule, *more)
        parts = results(trace, *options, "-s", schedule, *more, "--memory", "1K")
        for one, other in zip(whole, parts, strict=True):
            assert one["streamed"] is None
            assert other["streamed"]["parts"] > 10
            assert other["streamed"]["stall_ns"] > 0
            assert other["plan_bytes"] > 12 * other["ops"]
            for same in ("digest", "order_digest", "ops", "threads", "check_errors"):
                assert other[same] == one[same]
            if schedule == "lockstep":
                assert abs(other["peak_rss_bytes"] - one["peak_rss_bytes"]) <= 4 * 4096
                assert other["allocator_stats"] == one["allocator_stats"]
    made = results(trace, *options, "--copies", "3", "--memory", "100K")
    assert {(r["digest"], r["check_errors"]) for r in made} == {(whole[0]["digest"], 0)}
    done = replay(trace, "-a", "glibc", "-n", "1", "--memory", "1K")
    assert "was streamed in" in done.stdout


def test_streamed_run_that_fails(tmp_path: Path) -> None:
    """An allocator that fails midway ends its run, not the making of parts for the next one."""
    trace = make_random(tmp_path, 14, threads=5, rows=30000, live=1000)
    options = ("--alloc", f"broken={HELPERS / 'libbroken.so'},glibc", "--repeat", "2")
    done = run(HAKREPLAY, trace, *options, "--memory", "10K", env=os.environ | {"BROKEN": "fail"})
    assert done.returncode == 1
    assert "out of memory" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["broken", "failed"] in rows
    assert any(row[:1] == ["glibc"] and "failed" not in row for row in rows)


@pytest.mark.parametrize("name", ["compiler", "git", "python", "redis", "sqlite"])
def test_plan_is_small(name: str, tmp_path: Path) -> None:
    """16 bytes a call at most, on real programs; paced has 4 more for each gap."""
    trace = tmp_path / f"{name}.zst"
    trace.symlink_to(ROOT / "traces" / "samples" / trace.name)
    for schedule, most in zip(SCHEDULES, (16, 16, 20), strict=True):
        (result,) = results(trace, "-a", "null", "-n", "1", "-s", schedule)
        assert 12 * result["ops"] < result["plan_bytes"] <= most * result["ops"]
