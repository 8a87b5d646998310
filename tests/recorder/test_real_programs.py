"""The real programs: unchanged by recording, and their traces whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import ROOT, run
from program import Program
from programs import GIT_ENVIRON, PRIME_CALLS, PRIME_LIBC_CALLS, REAL_PROGRAMS, STORM
from recording import RealRecordings, record_like_bare

RECORDED = (*REAL_PROGRAMS, STORM)
EVENTS_OF_A_LARGE_TRACE = 100_000
every_program = pytest.mark.parametrize("program", RECORDED, ids=lambda program: program.name)


@every_program
def test_prints_and_returns_what_it_does_without(
    real_recordings: RealRecordings, program: Program
) -> None:
    made = real_recordings(program)
    assert made.recorded.visible() == made.bare.visible()
    program.check(made.recorded, made.folder, made.scale)


@every_program
def test_trace_is_sound(real_recordings: RealRecordings, program: Program) -> None:
    made = real_recordings(program)
    assert made.traces
    for trace in made.traces:
        trace.assert_sound()
        assert trace.info["backend"] == "preload"
        assert run("zstd", "-q", "-t", trace.path).returncode == 0


@every_program
def test_threads_and_size_on_disk(real_recordings: RealRecordings, program: Program) -> None:
    facts = real_recordings(program).largest.info
    assert facts["threads"] >= program.threads
    if facts["events"] >= EVENTS_OF_A_LARGE_TRACE:
        assert facts["bytes_per_event"] <= 2.0
    assert facts["events"] == facts["allocs"] + facts["frees"] + facts["reallocs"]
    assert facts["duration_ns"] > 0


def test_compiler_children_are_recorded(real_recordings: RealRecordings) -> None:
    made = real_recordings(next(p for p in REAL_PROGRAMS if p.name == "g++"))
    images = {trace.image for trace in made.traces}
    assert {"cc1plus", "collect2"} <= images
    assert images & {"as", "x86_64-linux-gnu-as"}
    assert images & {"ld", "x86_64-linux-gnu-ld", "ld.bfd", "x86_64-linux-gnu-ld.bfd"}
    assert made.largest.image == "cc1plus"


def test_a_prime_number_of_calls(real_recordings: RealRecordings) -> None:
    made = real_recordings(next(p for p in REAL_PROGRAMS if p.name == "prime"))
    trace = made.largest
    said = dict(zip(*[iter(made.recorded.stdout.split())] * 2, strict=True))
    facts = trace.info
    for number in (PRIME_CALLS, facts["events"]):
        assert all(number % divisor for divisor in range(2, int(number**0.5) + 1))
    # The main thread makes none itself: the C library's callocs for the four threads are its only.
    by_thread = trace.count_by_thread()
    main = {kind: n for kind, n in by_thread.pop(0).items() if not kind.startswith("thread_")}
    assert main == {"calloc": PRIME_LIBC_CALLS}
    workers = sum(
        sum(n for kind, n in c.items() if kind not in {"thread_start", "thread_exit"})
        for c in by_thread.values()
    )
    assert len(by_thread) == 4
    assert workers == PRIME_CALLS
    assert facts["events"] == PRIME_CALLS + PRIME_LIBC_CALLS
    assert facts["allocs"] == int(said["mallocs"]) + PRIME_LIBC_CALLS
    assert facts["reallocs"] == int(said["reallocs"])
    assert facts["frees"] == int(said["frees"])
    assert facts["remote_frees"] > 0


def test_storm_frees_other_threads_blocks(real_recordings: RealRecordings) -> None:
    made = real_recordings(STORM)
    facts = made.largest.info
    calls = int(made.recorded.stdout.split()[-1])
    assert facts["events"] == calls + 4  # one calloc of the C library's for each thread
    # How far the threads mix is the scheduler's choice. Whatever it does, each of the 64 blocks
    # that stand there at first and of the 64 that are left at last is freed by another thread.
    assert facts["remote_frees"] >= 128


def test_git_log_of_this_project(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not (ROOT / ".git").exists() or run("git", "-C", ROOT, "rev-parse", "HEAD").returncode:
        pytest.skip("this tree is not a git repository")
    folder = tmp_path_factory.mktemp("project")
    command: list[str | Path] = [
        "git",
        "-c",
        f"safe.directory={ROOT}",
        "-C",
        ROOT,
        "log",
        "--stat",
        "HEAD",
    ]
    recording = record_like_bare(folder, *command, environ=GIT_ENVIRON)
    assert recording.done.returncode == 0
    recording.assert_sound()
