"""hakreplay on made-up traces: what was executed, on which allocator, and what is said of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import BUILD, info, measured, run
from replaying import (
    ALLOCATORS,
    HAKREPLAY,
    HELPERS,
    SCHEDULES,
    make_random,
    replay,
    results,
    write,
)

SCALE = int(os.environ.get("HAK_SCALE", "1"))

FIELDS = (
    "trace trace_digest allocator allocator_path allocator_build schedule repeat options ops "
    "threads wall_ns cpu_ns ns_per_op loop_ns_per_op again_ns_per_op peak_rss_bytes "
    "recorded_peak_live_bytes replayed_peak_live_bytes minor_faults major_faults "
    "voluntary_switches involuntary_switches syscalls digest order_digest check_errors "
    "plan_bytes streamed late latency rss_series allocator_stats machine version"
).split()

SMALL = (
    "0 1 100 0 0 -1 0 0",
    "0 2 40 0 1 -1 1 0",
    "0 3 300 0 2 0 2 0",
    "0 6 64 64 3 -1 -1 0",
    "0 5 0 0 -1 1 -1 0",
    "0 5 0 0 -1 3 -1 0",
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small.zst", *SMALL)


def test_json_has_exactly_the_fields(small: Path) -> None:
    (result,) = results(small, "--alloc", "glibc", "--repeat", "1", "--schedule", "lockstep")
    assert list(result) == FIELDS
    assert result["trace"] == str(small)
    assert result["ops"] == 6
    assert result["threads"] == 1
    assert result["repeat"] == 0
    assert result["recorded_peak_live_bytes"] == 404
    assert result["replayed_peak_live_bytes"] == 404
    assert result["wall_ns"] > 0
    assert result["ns_per_op"] == pytest.approx(result["wall_ns"] / 6, abs=0.001)
    assert result["options"]["touch"] == "pages"
    assert result["options"]["skew"] is None
    assert (result["options"]["speed"], result["options"]["copies"]) == (None, 1)
    assert result["late"] is None
    for unmeasured in ("again_ns_per_op", "syscalls", "latency", "check_errors"):
        assert result[unmeasured] is None
    assert Path(result["allocator_path"]).name.startswith("libc.so")
    assert len(result["allocator_build"]) == 40
    assert set(result["machine"]) == {"cpu", "processors", "memory_bytes", "kernel", "libc"}


def test_json_appends_in_interleaved_order(small: Path) -> None:
    lines = small.with_suffix(".jsonl")
    lines.write_text("{}\n")
    done = replay(small, "-a", "jemalloc,glibc", "-n", "3", "--json", lines)
    assert done.returncode == 0, done.stderr
    first, *rest = map(json.loads, lines.read_text().splitlines())
    assert first == {}
    expected = [(repeat, name) for repeat in range(3) for name in ("jemalloc", "glibc")]
    assert [(result["repeat"], result["allocator"]) for result in rest] == expected


@pytest.mark.parametrize("name", ALLOCATORS)
def test_the_right_library_answers(small: Path, name: str) -> None:
    (result,) = results(small, "--alloc", name, "--repeat", "1")
    library = "libc.so.6" if name == "glibc" else f"lib{name}"
    assert Path(result["allocator_path"]).name.startswith(library)
    assert result["allocator"] == name
    assert ("heaps_created" in result["allocator_stats"]) == (name == "hakmem")


def test_named_path(small: Path) -> None:
    library = BUILD / "libhakmem.so"
    first, second = results(
        small, "--alloc", f"mine={library},{library}", "--repeat", "1", "--hakmem", "tiny=0"
    )
    assert (first["allocator"], second["allocator"]) == ("mine", "libhakmem.so")
    assert first["options"]["hakmem"] == "tiny=0"
    assert first["allocator_stats"] is not None


def test_options_of_the_environment_are_kept(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAKMEM_OPTIONS", "tiny=0")
    whole, other = results(small, "--alloc", "hakmem,glibc", "--repeat", "1", "--latency")
    assert (whole["options"]["hakmem"], other["options"]["hakmem"]) == ("tiny=0", None)
    assert whole["options"]["latency"] is True
    (given,) = results(small, "--alloc", "hakmem", "--repeat", "1", "--hakmem", "tls=0")
    assert (given["options"]["hakmem"], given["options"]["latency"]) == ("tls=0", False)


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("libz.so.1", "malloc is answered by"),
        (HELPERS / "libpartial.so", "does not define calloc"),
    ],
)
def test_what_is_no_allocator_is_refused(small: Path, library: str | Path, words: str) -> None:
    """A preload that did not take must never pass for a comparison."""
    path = Path("/lib/x86_64-linux-gnu", library)
    done = replay(small, "--alloc", f"thing={path}", "--repeat", "1")
    assert done.returncode == 1
    assert f"hakreplay: thing: {words}" in done.stderr or words in done.stderr
    assert "thing" in done.stdout and "failed" in done.stdout


def test_missing_allocators_are_named(small: Path, tmp_path: Path) -> None:
    alone = tmp_path / "hakreplay"
    alone.write_bytes(HAKREPLAY.read_bytes())
    alone.chmod(0o755)
    done = replay(small, "--alloc", "glibc,hakmem", program=alone)
    assert done.returncode == 1
    assert "allocator hakmem: libhakmem.so" in done.stderr
    done = replay(small, "--alloc", "glibc,thing")
    assert done.returncode == 1
    assert "allocator thing is not known" in done.stderr
    done = replay(small, "--alloc", "glibc,,null")
    assert done.returncode == 1
    assert done.stderr == "hakreplay: an allocator's name is empty\n"
    done = replay(small, "--alloc", "/nowhere/libthing.so")
    assert done.returncode == 1
    assert "/nowhere/libthing.so: No such file" in done.stderr
    for path in (small, BUILD / "obj" / "replayer" / "runner.o"):
        done = replay(small, "--alloc", f"glibc,{path}")
        assert (done.returncode, done.stdout) == (1, "")
        reason = "it is no shared library of this machine"
        assert done.stderr == f"hakreplay: allocator {path}: {reason}\n"


def test_wrong_usage(small: Path) -> None:
    for words in ("--schedule paced2", "--repeat 0", "--nonsense", "--skew x", "--memory 5X"):
        assert replay(small, *words.split()).returncode == 2
    done = replay(small, "--baton", "--schedule", "parallel")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--baton is for --schedule lockstep" in done.stderr
    for schedule, option in (("parallel", "--speed"), ("lockstep", "--copies")):
        done = replay(small, option, "2", "--schedule", schedule)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"hakreplay: {option} is for --schedule" in done.stderr
    for words, reason in (
        ("hakmem --hakmem tiny=0,tinny=1", "hakmem has no option tinny"),
        ("hakmem --hakmem tiny", "tiny has no value"),
        ("hakmem --hakmem tls=0,rules=/nowhere", "rules=/nowhere: No such file or directory"),
        ("glibc --hakmem tiny=0", "hakmem is not among the allocators"),
    ):
        done = replay(small, "--alloc", *words.split())
        assert (done.returncode, done.stdout) == (2, "")
        assert f"hakreplay: --hakmem: {reason}" in done.stderr
    assert run(HAKREPLAY).returncode == 2
    assert run(HAKREPLAY, small, small).returncode == 2
    assert run(HAKREPLAY, "--version").stdout.startswith("hakreplay ")
    assert "--schedule" in run(HAKREPLAY, "--help").stdout


def test_damaged_traces_need_a_word(tmp_path: Path) -> None:
    whole = make_random(tmp_path, 1, rows=60000)
    cut = tmp_path / "cut.zst"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    done = replay(cut, "--alloc", "glibc")
    assert done.returncode == 1
    assert "cut.zst" in done.stderr and "--partial" in done.stderr
    assert done.stdout == ""
    (result,) = results(cut, "--alloc", "glibc", "--repeat", "1", "--partial")
    assert 0 < result["ops"] < info(whole)["events"]
    assert result["options"]["partial"] is True


def test_a_trace_without_calls_is_refused(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.zst", threads=0)
    started = write(tmp_path / "started.zst")
    cut = tmp_path / "cut.zst"
    cut.write_bytes(started.read_bytes()[:-60])
    for trace, options in ((empty, ()), (started, ()), (cut, ("--partial",))):
        done = replay(trace, "--alloc", "glibc", *options)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"hakreplay: {trace}: " in done.stderr
        assert done.stderr.endswith(": it has no calls to replay\n")


def test_no_trace() -> None:
    done = replay(Path("/nowhere.zst"), "--alloc", "glibc")
    assert done.returncode == 1
    assert "/nowhere.zst" in done.stderr


def test_every_change_of_the_trace_changes_the_digest(tmp_path: Path) -> None:
    """Thread, kind, size, alignment, object, site, order, one call less: each shows."""
    two = ("0 1 8 0 0 -1 0 0", "1 1 8 0 1 -1 0 0", "1 6 8 32 2 -1 0 0", "0 5 0 0 -1 0 -1 0")
    changed = [
        two,
        ("1 1 8 0 0 -1 0 0", *two[1:]),
        ("0 2 8 0 0 -1 0 0", *two[1:]),
        ("0 1 9 0 0 -1 0 0", *two[1:]),
        ("0 1 8 0 0 -1 1 0", *two[1:]),
        (*two[:2], "1 6 8 64 2 -1 0 0", two[3]),
        (*two[:3], "0 5 0 0 -1 1 -1 0"),
        (*two[:3], "1 5 0 0 -1 0 -1 0"),
        two[:3],
        ("0 1 8 0 0 -1 0 0", "1 6 8 32 1 -1 0 0", "1 1 8 0 2 -1 0 0", two[3]),
    ]
    digests = set()
    for number, rows in enumerate(changed):
        trace = write(tmp_path / f"{number}.zst", *rows, threads=2)
        made = [r for s in SCHEDULES for r in results(trace, "-a", "glibc", "-n", "2", "-s", s)]
        assert len({result["digest"] for result in made}) == 1
        digests.add(made[0]["digest"])
    assert len(digests) == len(changed)


def test_order_digest_tells_the_order(tmp_path: Path) -> None:
    """The same calls in each thread's order, interleaved otherwise."""
    rows = ("0 1 8 0 0 -1 0 0", "1 1 8 0 1 -1 0 0", "0 1 8 0 2 -1 0 0")
    first = write(tmp_path / "a.zst", rows[0], rows[1], rows[2], threads=2)
    second = write(tmp_path / "b.zst", rows[0], "0 1 8 0 1 -1 0 0", "1 1 8 0 2 -1 0 0", threads=2)
    options = ("--alloc", "glibc", "--repeat", "1")
    (a,), (b,) = (results(t, *options, "-s", "lockstep") for t in (first, second))
    assert a["digest"] != b["digest"]  # the start of a thread counts, too
    assert a["order_digest"] != b["order_digest"]
    (c,) = results(first, *options, "-s", "parallel")
    assert c["digest"] == a["digest"] and c["order_digest"] is None


def test_forgotten_call_is_noticed(tmp_path: Path) -> None:
    trace = make_random(tmp_path, 2, threads=3)
    for schedule in SCHEDULES:
        done = replay(
            trace, "-a", "glibc", "-n", "1", "-s", schedule,
            program=HELPERS / "hakreplay-forgetful",
        )  # fmt: skip
        assert done.returncode == 1
        assert "it did not do what was recorded" in done.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("overlap", "was overwritten"),
        ("odd", "is not aligned to"),
        ("scribble", "was overwritten"),
        ("dirty", "is not zero"),
        ("forget", "of the old"),
        ("misaligned", "is not aligned to"),
        ("short", "bytes are usable"),
    ],
)
def test_check_finds(tmp_path: Path, fault: str, words: str) -> None:
    trace = make_random(tmp_path, 3, threads=3, rows=20000, live=1000)
    library = HELPERS / "libbroken.so"
    for schedule in SCHEDULES:
        options = ("--alloc", f"broken={library}", "--repeat", "1", "--schedule", schedule)
        done = run(HAKREPLAY, trace, *options, "--check", env=os.environ | {"BROKEN": fault})
        assert done.returncode == 1
        assert "hakreplay: broken: check: " in done.stderr and words in done.stderr
        done = run(HAKREPLAY, trace, *options, "--check", env=os.environ | {"BROKEN": "not"})
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("fault", "words"), [("fail", "out of memory"), ("crash", "signal 6 (Aborted) during")]
)
def test_failing_allocators_are_told(tmp_path: Path, fault: str, words: str) -> None:
    trace = make_random(tmp_path, 3, threads=3, rows=20000, live=1000)
    options = ("--alloc", f"broken={HELPERS / 'libbroken.so'},glibc", "--repeat", "2")
    done = run(HAKREPLAY, trace, *options, env=os.environ | {"BROKEN": fault})
    assert done.returncode == 1
    assert done.stderr.count("hakreplay: broken: ") == 1
    assert words in done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["broken", "failed"] in rows
    assert any(row[:1] == ["glibc"] and "failed" not in row for row in rows)


def test_no_ratio_to_a_glibc_that_failed(small: Path) -> None:
    options = ("--alloc", f"glibc={HELPERS / 'libpartial.so'},null", "--repeat", "1")
    done = replay(small, *options)
    (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith("null ")]
    assert row[4] == "-"


def running(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path("/proc", pid, "status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_runner_outlives_hakreplay(tmp_path: Path, sign: int) -> None:
    command = [HAKREPLAY, make_random(tmp_path, 11), "-a", "glibc", "-n", "1000000"]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL) as child:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        runner = ""
        while not runner and child.poll() is None:
            runner = children.read_text().strip()
        child.send_signal(sign)
        assert child.wait(60) == -sign
    deadline = time.monotonic() + 20
    while running(runner) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not running(runner)


RANDOM = [(4, 1, 3000, 50), (5, 2, 5000, 20), (6, 12, 10000, 30), (7, 60, 20000, 300)]


@pytest.mark.parametrize(("seed", "threads", "rows", "live"), [*RANDOM, (8, 200, 20000, 1000)])
def test_random_traces(tmp_path: Path, seed: int, threads: int, rows: int, live: int) -> None:
    """Every kind of call, threads that come and go, remote frees and reallocs: all do the same."""
    for more in range(SCALE):
        trace = make_random(tmp_path, seed + 100 * more, threads=threads, rows=rows, live=live)
        # mimalloc 2.0 hands out misaligned blocks: its digest counts, its checks do not.
        checked = ("-n", "1", "--check", "-a", ",".join(ALLOCATORS[:4]))
        made = [r for s in SCHEDULES for r in results(trace, *checked, "-s", s)]
        made += results(trace, "-n", "1", "-a", "glibc,jemalloc", "-s", "lockstep", "--baton")
        made += [r for s in SCHEDULES for r in results(trace, "-n", "1", "-a", "mimalloc", "-s", s)]
        assert len({result["digest"] for result in made}) == 1
        assert len({r["order_digest"] for r in made if r["schedule"] == "lockstep"}) == 1
        assert {r["options"]["baton"] for r in made} == {False, True}
        assert sum(result["check_errors"] or 0 for result in made) == 0


def test_lockstep_repeats_itself(tmp_path: Path) -> None:
    """Same placement for deterministic allocators: same faults, memory, counters."""
    trace = make_random(tmp_path, 10, threads=20, rows=30000, live=500)
    made = results(trace, "-n", "3", "-s", "lockstep", "-a", "hakmem,glibc,tcmalloc")
    for name in ("hakmem", "glibc", "tcmalloc"):
        runs = [r for r in made if r["allocator"] == name]
        assert all(r["allocator_stats"] == runs[0]["allocator_stats"] for r in runs)
        assert max(r["minor_faults"] for r in runs) - min(r["minor_faults"] for r in runs) <= 2
        rss = [r["peak_rss_bytes"] for r in runs]
        assert max(rss) - min(rss) <= 2 * 4096


def test_threads_are_real_to_the_allocator(tmp_path: Path) -> None:
    """hakmem gives every recorded thread that allocates a heap, a new one or that of a dead one."""
    rows = ["0 1 64 0 0 -1 0 0"]
    for thread in range(1, 6):
        rows += [f"{thread} 64 0 0 -1 -1 -1 0", f"{thread} 1 64 0 {thread} -1 0 0"]
        if thread < 4:
            rows.append(f"{thread} 65 0 0 -1 -1 -1 0")
    trace = write(tmp_path / "threads.zst", *rows, threads=6)
    for schedule in SCHEDULES:
        (result,) = results(trace, "-a", "hakmem", "-n", "1", "-s", schedule)
        stats = result["allocator_stats"]
        assert result["threads"] == 6
        assert stats["heaps_created"] + stats["heaps_adopted"] == 6


def test_odd_calls(tmp_path: Path) -> None:
    """Inherited, failed, foreign and empty calls are executed as the man page says."""
    trace = write(
        tmp_path / "odd.zst",
        "0 66 500 0 0 -1 -1 0",
        "0 66 500 256 1 -1 -1 0",
        "0 67 3 0 -1 -1 -1 0",
        "0 5 0 0 -1 0 -1 0",
        "0 5 0 0 -1 -1 -1 4",
        "0 1 9223372036854775807 0 -1 -1 0 1",
        "0 2 -1 0 -1 -1 0 1",
        "0 3 20 0 2 -1 0 0",
        "0 3 9223372036854775807 0 -1 2 0 1",
        "0 3 0 0 -1 2 0 0",
        "0 3 10 0 3 -1 0 4",
        "0 1 0 0 4 -1 0 0",
        "0 5 0 0 -1 4 0 0",
        "0 16 9223372036854775807 0 -1 -1 0 1",
    )
    for schedule in SCHEDULES:
        done = replay(trace, "-a", ",".join(ALLOCATORS), "-s", schedule, "--check", "-n", "1")
        assert done.returncode == 0, done.stderr
        assert "1 calls on blocks allocated elsewhere were left out" in done.stdout
        assert "the recorder lost 3 calls" in done.stdout
        made = results(trace, "-a", ",".join(ALLOCATORS), "-s", schedule, "--check", "-n", "1")
        assert {(r["ops"], r["check_errors"]) for r in made} == {(10, 0)}
        assert {r["recorded_peak_live_bytes"] for r in made} == {1000}


def test_callers_that_fail_no_more_are_counted(tmp_path: Path) -> None:
    trace = write(tmp_path / "surprise.zst", "0 1 100 0 -1 -1 0 1", "0 1 100 0 0 -1 0 0")
    done = replay(trace, "-a", "glibc", "-n", "1")
    assert done.returncode == 0
    assert "glibc: 1 calls succeeded that failed when recorded" in done.stdout


def test_null_is_the_loop(small: Path) -> None:
    null, glibc = results(small, "-a", "null,glibc", "-n", "1", "--check")
    assert null["allocator_path"] is None and null["check_errors"] is None
    assert glibc["check_errors"] == 0
    assert glibc["loop_ns_per_op"] > 0


def test_baton_under_valgrind(small: Path) -> None:
    """valgrind has no thread pointer to swap: the baton stands in by itself."""
    lines = small.with_suffix(".jsonl")
    command = ["valgrind", "--tool=none", "-q", "--trace-children=yes", HAKREPLAY, small]
    done = run(*command, "-a", "glibc", "-s", "lockstep", "-n", "1", "--json", lines)
    assert done.returncode == 0, done.stderr
    assert json.loads(lines.read_text())["options"]["baton"] is True


# Calls, memory of a part, and in which schedules: when soaking, a billion in parallel.
LONG = (
    [(2_000_000 * SCALE, 256 << 20, SCHEDULES), (20_000_000 * SCALE, 256 << 20, ("parallel",))]
    if SCALE > 1
    else [(500_000, 2 << 20, SCHEDULES)]
)


@pytest.mark.parametrize(("events", "part", "schedules"), LONG)
def test_long_trace_takes_bounded_memory(
    tmp_path: Path, events: int, part: int, schedules: tuple[str, ...]
) -> None:
    """The plan in parts, and what any trace takes, which grows with none of its calls.

    The results are read from the table: the JSON lines would cost a further run of each.
    """
    trace = tmp_path / "long.zst"
    generate = BUILD / "tests" / "traces" / "generate"
    command = [generate, f"--events={events}", "--threads=4", "--live=100000", trace]
    assert run(*command, timeout=None).returncode == 0
    digests = set()
    for schedule in schedules:
        speed = ("--speed", "1000000") if schedule == "paced" else ()
        command = [HAKREPLAY, trace, "-a", "hakmem", "-n", "1", "-s", schedule, *speed]
        table, memory = measured(*command, "--memory", part)
        print(f"{schedule}: {memory / 1e6:.0f} MB\n{table}")
        assert memory < 250_000_000 + part
        assert int(re.findall(r"was streamed in (\d+) parts", table)[0]) >= 3
        digests |= set(re.findall(r"; digest ([0-9a-f]{16})$", table, re.MULTILINE))
    assert len(digests) == 1
    trace.unlink()


def test_android_trace(shared_traces: Path, tmp_path: Path) -> None:
    """Android's own trace of surfaceflinger: 15 threads, 2.4 million calls."""
    trace = tmp_path / "surfaceflinger.zst"
    source = shared_traces / "surfaceflinger.zip"
    done = run(BUILD / "haktrace", "import", "--from", "android", source, "-o", trace)
    assert done.returncode == 0, done.stderr
    made = []
    for schedule in SCHEDULES[:2]:  # it has no times
        made += results(trace, "-a", ",".join(ALLOCATORS), "-s", schedule, "-n", "1", "--check")
    assert {r["ops"] for r in made} == {2452725}
    assert {r["threads"] for r in made} == {15}
    assert len({r["digest"] for r in made}) == 1
    assert len({r["order_digest"] for r in made}) == 2  # lockstep's and none
    assert sum(r["check_errors"] for r in made) == 0
    for result in made:
        assert result["replayed_peak_live_bytes"] == pytest.approx(2063697, rel=0.02)
