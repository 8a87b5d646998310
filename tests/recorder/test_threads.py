"""Threads: many, short, ending; signal handlers in them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from command import run
from program import clean_environ
from recording import HAKREC, HAKTRACE, SCALE, WORKLOADS, Trace, record, record_like_bare

EXIT_SIZES = (111, 222, 333, 444)
EXIT_THREADS = 5


def churn_calls(output: str) -> int:
    """Calls that the threads made, by their own account."""
    return int(output.rsplit(maxsplit=1)[-1])


@pytest.mark.parametrize(("threads", "alive"), [(2000 * SCALE, 8), (2000 * SCALE, 2000)])
def test_every_thread_is_in_the_trace(tmp_path: Path, threads: int, alive: int) -> None:
    # 2,000 at once is the goal, and no quirk of this machine may lower it unseen.
    recording = record(
        tmp_path, WORKLOADS / "churn", str(threads), str(alive), timeout=60 + threads / 100
    )
    assert recording.done.returncode == 0, recording.done.stderr
    trace = recording.trace
    trace.assert_sound()
    facts = trace.info
    assert facts["threads"] == threads + 1
    worker_calls = 0
    started = exited = 0
    for thread, counts in trace.count_by_thread().items():
        started += counts.pop("thread_start", 0) if thread else 0
        exited += counts.pop("thread_exit", 0) if thread else 0
        if thread:
            assert set(counts) == {"malloc", "free"}
            assert counts["malloc"] == 2
            worker_calls += counts.total()
        else:
            assert set(counts) - {"thread_start", "thread_exit"} <= {"calloc", "free"}
    assert worker_calls == churn_calls(recording.done.stdout) == 4 * threads - 1
    assert started == threads
    assert exited == threads


RENAMED = """
import ctypes, os, time
library = ctypes.CDLL(None)
library.malloc(1)
library.prctl(15, b"renamed")  # PR_SET_NAME
for step in range(500):
    library.malloc(16)
    time.sleep(0.001)
os._exit(0)
"""


def test_name_that_a_thread_takes_later(tmp_path: Path) -> None:
    """It ends with the process, without an exit at which its name would be seen."""
    recording = record(tmp_path, "/usr/bin/python3", "-c", RENAMED)
    assert recording.done.returncode == 0, recording.done.stderr
    first = run(HAKTRACE, "dump", recording.output).stdout.splitlines()[0]
    assert "thread_start" in first
    assert '"renamed"' in first


def test_threads_that_call_after_their_exit(tmp_path: Path) -> None:
    """Far more of them than there are lanes: a sixteenth of the address space has 4,096 chunks."""
    threads = 6000
    file = tmp_path / "trace.zst"
    command = f"exec {HAKREC} --quiet -o {file} {WORKLOADS}/late {threads}"
    done = run("/bin/sh", "-c", f"ulimit -v {1 << 18}; {command}", timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    facts = Trace(file).info
    assert facts["threads"] == threads + 1
    assert facts["lost_events"] == 0
    assert facts["events"] >= 4 * threads


def test_destructors_of_a_thread(tmp_path: Path) -> None:
    trace = record_like_bare(tmp_path, WORKLOADS / "exits").trace
    trace.assert_sound()
    rows = trace.calls_from("exits")
    by_thread: dict[int, list[int | None]] = {}
    for row in rows:
        by_thread.setdefault(row["thread"], []).append(row["size"])
    assert len(by_thread) == EXIT_THREADS
    for calls in by_thread.values():
        # thread_local's constructor and destructor, the key's value, then its two destructors
        assert Counter(calls) == Counter([*EXIT_SIZES, None, None, None, None])
    leaked = {row["object"] for row in rows} - {row["old_object"] for row in rows} - {None}
    assert not leaked


def test_exit_comes_after_the_last_call(tmp_path: Path) -> None:
    trace = record(tmp_path, WORKLOADS / "exits").trace
    ended = set()
    for row in trace.rows:
        assert row["thread"] not in ended, "a call of a thread that has exited"
        if row["kind"] == "thread_exit":
            ended.add(row["thread"])
    assert len(ended) >= EXIT_THREADS


@pytest.fixture
def interrupted(tmp_path: Path) -> tuple[str, Trace]:
    """Output and trace of a program whose signal handler allocates at any moment."""
    recording = record(
        tmp_path,
        WORKLOADS / "handler",
        str(1000 * min(SCALE, 5)),
        environ={"LD_PRELOAD": str(WORKLOADS / "libbump.so")},
    )
    assert recording.done.returncode == 0, recording.done.stderr
    return recording.done.stdout, recording.trace


def test_signal_handlers_may_allocate(interrupted: tuple[str, Trace]) -> None:
    output, trace = interrupted
    words = output.split()
    main, handler = int(words[1]), int(words[3])
    trace.assert_sound()
    done = run(HAKTRACE, "dump", trace.path)
    calls = Counter(line.split("\t")[2].partition(")")[0] for line in done.stdout.splitlines())
    assert calls["malloc(10"] == main // 2
    assert calls["malloc(1000"] == handler // 2
    assert trace.info["events"] == main + handler


def test_handlers_in_handlers(tmp_path: Path) -> None:
    """Beyond the fourth that interrupts another's call they go unrecorded, and each is counted,
    also when no call comes after it."""
    environ = {"LD_PRELOAD": str(WORKLOADS / "libbump.so")}
    for depth in (1, 4, 8):
        trace = record(tmp_path / str(depth), WORKLOADS / "descent", str(depth),
                       environ=environ).trace  # fmt: skip
        recorded = min(depth, 4)
        trace.assert_sound(lost=2 * (depth - recorded))
        sizes = [row["size"] for row in trace.calls_from("descent") if row["kind"] == "malloc"]
        assert sizes == [100 + i for i in reversed(range(recorded))]
        lost = [row["size"] for row in trace.rows if row["kind"] == "lost"]
        assert sum(lost) == 2 * (depth - recorded)


def test_forwards_to_another_preloaded_allocator(tmp_path: Path) -> None:
    bump = WORKLOADS / "libbump.so"
    said = record_like_bare(tmp_path, WORKLOADS / "hello", environ={"LD_PRELOAD": str(bump)})
    said.trace.assert_sound()
    assert [row["size"] for row in said.trace.calls_from("hello")] == [81, None]
    done = run("/bin/sh", "-c", "echo $LD_PRELOAD", env=clean_environ() | {"LD_PRELOAD": str(bump)})
    assert done.stdout.strip() == str(bump)
