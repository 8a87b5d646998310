"""However a program ends, every call that returned is in its trace."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from command import BUILD, run
from program import clean_environ
from recording import (
    HAKREC,
    HAKTRACE,
    SCALE,
    WORKLOADS,
    Trace,
    record,
    shell_status,
    traced_program,
    wait_for,
)
from terminal import Terminal

THREADS = 4
PAST_ANY_BUFFER = 800_000  # calls of each thread
KILLS = 100 if SCALE > 1 else 20


def test_program_writes_over_the_records(tmp_path: Path) -> None:
    """It does not wait for ever for room that nobody makes any more; what came before is kept."""
    pairs = 16_000_000  # more calls than there is room for
    recording = record(tmp_path, WORKLOADS / "scribbler", str(pairs), timeout=60)
    assert recording.done.stdout == f"pairs {pairs}\n"
    assert recording.done.returncode == 1
    said = f"hakrec: {recording.trace.path}: the program has written over the memory that it"
    assert recording.done.stderr == f"{said} shares with hakrec\n"
    trace = run(HAKTRACE, "dump", recording.trace.path)
    assert 100 < trace.stdout.count("free") < pairs


@pytest.mark.parametrize("options", [(), ("--max-size", "4K")])
def test_program_writes_over_the_records_and_ends(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Its trace does not say that it is whole."""
    recording = record(tmp_path, WORKLOADS / "scribbler", "10", options=("--quiet", *options))
    assert (recording.done.returncode, recording.done.stdout) == (1, "pairs 10\n")
    assert "has written over the memory" in recording.done.stderr
    assert not recording.trace.info["complete"]


def returned(path: Path) -> list[int]:
    """Calls that returned, by the program's own count, one number a thread."""
    data = path.read_bytes() if path.exists() else b""
    return list(struct.unpack_from(f"<{THREADS}Q", data)) if len(data) >= 8 * THREADS else []


def recorded(trace: Trace) -> list[int]:
    """Calls in the trace, by the program's numbers of its threads, which sizes tell."""
    calls: Counter[str] = Counter()
    index: dict[str, int] = {}
    done = run(HAKTRACE, "dump", trace.path)
    for line in done.stdout.splitlines():
        _, thread, call, *_ = line.split("\t", 3)
        kind, _, rest = call.partition("(")
        if kind in ("malloc", "free") and thread != "0":
            calls[thread] += 1
            if kind == "malloc":
                index[thread] = int(rest.partition(")")[0]) // 1000 - 1
    counts = [0] * THREADS
    for thread, number in index.items():
        counts[number] = calls[thread]
    return counts


def assert_every_call(trace: Trace, progress: Path) -> None:
    """What returned is there; of each thread at most the call that was under way comes on top."""
    trace.assert_sound()
    for in_trace, counted in zip(recorded(trace), returned(progress), strict=True):
        assert counted <= in_trace <= counted + 1


def start_progress(
    folder: Path, *options: str, hakrec: Path = HAKREC
) -> tuple[subprocess.Popen[str], Path, Path]:
    """Starts the endless program under hakrec; waits until it works."""
    folder.mkdir(parents=True, exist_ok=True)
    progress, output = folder / "progress", folder / "trace.zst"
    process = subprocess.Popen(
        [hakrec, "--quiet", *options, "-o", output, WORKLOADS / "progress", progress],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: sum(returned(progress)) > 1000, "the program to work")
    return process, progress, output


def test_killed_at_any_moment(tmp_path: Path) -> None:
    moments = random.Random(1)
    for number in range(KILLS):
        process, progress, output = start_progress(tmp_path / str(number))
        time.sleep(moments.uniform(0, 0.004))
        pid = traced_program(process.pid, "progress")
        assert pid
        os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert shell_status(process.returncode) == 128 + signal.SIGKILL
        assert_every_call(Trace(output), progress)
        output.unlink()


@pytest.mark.parametrize(
    ("end", "status"),
    [("exit", 6), ("abort", 128 + signal.SIGABRT), ("kill", 128 + signal.SIGKILL),
     ("segv", 128 + signal.SIGSEGV)],
)  # fmt: skip
def test_ends_in_the_middle_of_things(tmp_path: Path, end: str, status: int) -> None:
    progress = tmp_path / "progress"
    recording = record(tmp_path, WORKLOADS / "progress", progress, "50000", end)
    assert shell_status(recording.done.returncode) == status
    assert max(returned(progress)) >= 50000
    assert_every_call(recording.trace, progress)


def test_interrupted_from_the_terminal(tmp_path: Path) -> None:
    """Ctrl-C reaches both: the program dies of it, hakrec finishes the trace."""
    process, progress, output = start_progress(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert shell_status(process.returncode) == 128 + signal.SIGINT
    assert_every_call(Trace(output), progress)


def test_termination_is_passed_on(tmp_path: Path) -> None:
    """SIGTERM sent to hakrec alone ends the program, and the trace is whole."""
    process, progress, output = start_progress(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert shell_status(process.returncode) == 128 + signal.SIGTERM
    assert_every_call(Trace(output), progress)


def assert_goes_on(progress: Path, calls: int) -> None:
    """Every thread makes so many more calls."""
    before = returned(progress)
    wait_for(
        lambda: all(
            now > then + calls for now, then in zip(returned(progress), before, strict=True)
        ),
        "every thread to go on",
    )


@pytest.mark.parametrize("reaped", [True, False])
def test_program_outlives_the_recorder(tmp_path: Path, reaped: bool) -> None:
    process, progress, output = start_progress(tmp_path)
    pid = traced_program(process.pid, "progress")
    assert pid
    try:
        os.kill(process.pid, signal.SIGKILL)
        if reaped:
            process.wait(timeout=20)
        assert_goes_on(progress, PAST_ANY_BUFFER)
    finally:
        os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=20)
    done = run(HAKTRACE, "verify", output)
    assert done.returncode == 1
    assert done.stderr


def test_after_104_days(tmp_path: Path) -> None:
    """The clock goes no further: the trace ends whole and says why, and the program goes on."""
    hakrec = tmp_path / "hakrec"
    shutil.copy(BUILD / "tests" / "recorder" / "hakrec-aged", hakrec)
    (tmp_path / "libhakrec.so").symlink_to(BUILD / "libhakrec.so")
    process, progress, output = start_progress(tmp_path, hakrec=hakrec)
    wait_for(lambda: output.stat().st_size, "the trace to begin")
    wait_for(lambda: Trace(output).info["complete"], "the recording to end", seconds=60)
    assert_goes_on(progress, 1000)
    process.terminate()
    process.communicate(timeout=60)
    assert shell_status(process.returncode) == 128 + signal.SIGTERM
    trace = Trace(output)
    trace.assert_sound()
    assert trace.info["end"] == "104 days"
    assert 1000 < trace.info["events"] < sum(returned(progress))


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_recorder_that_is_stopped(tmp_path: Path) -> None:
    """The program waits for it when the memory for records is full, and nothing is lost."""
    process, progress, output = start_progress(tmp_path)
    process.send_signal(signal.SIGSTOP)
    counts: list[int] = []
    for _ in range(1000):
        time.sleep(0.1)
        counts, before = returned(progress), counts
        if counts == before:
            break
    process.send_signal(signal.SIGCONT)
    assert_goes_on(progress, 1000)
    process.terminate()
    process.communicate(timeout=60)
    assert_every_call(Trace(output), progress)


def test_lossy_recorder_that_is_stopped(tmp_path: Path) -> None:
    """What is not in the trace when the memory for records is full is counted, to the call."""
    process, progress, output = start_progress(tmp_path, "--lossy")
    process.send_signal(signal.SIGSTOP)
    counts: list[int] = []
    while (now := returned(progress)) != counts and min(now) < PAST_ANY_BUFFER:
        counts = now
        time.sleep(0.5)
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.communicate(timeout=60)
    facts = Trace(output).info
    done = run(HAKTRACE, "verify", output)
    assert (done.returncode, facts["complete"]) == (0, True), done.stderr
    assert facts["lost_events"] > 0
    calls = facts["events"] + facts["lost_events"]
    # Each thread has a call under way, and the C library makes one for it.
    assert 0 <= calls - sum(returned(progress)) <= 2 * THREADS


def test_program_that_is_stopped(tmp_path: Path) -> None:
    """Somebody stops the program and lets it go on: hakrec does not stop, and takes all."""
    process, progress, output = start_progress(tmp_path)
    pid = traced_program(process.pid, "progress")
    assert pid
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: stopped(pid), "the program to stop")
    os.kill(pid, signal.SIGCONT)
    assert_goes_on(progress, PAST_ANY_BUFFER)
    assert not stopped(process.pid)
    process.terminate()
    process.communicate(timeout=60)
    assert_every_call(Trace(output), progress)


def test_stopped_from_the_terminal(terminal: Terminal, tmp_path: Path) -> None:
    """Ctrl-Z stops the job as a shell sees it, program and recorder; fg lets both go on."""
    progress, output = tmp_path / "progress", tmp_path / "trace.zst"
    terminal.send(f"{HAKREC} --quiet -o {output} {WORKLOADS}/progress {progress}\n")
    wait_for(lambda: sum(returned(progress)) > 1000, "the program to work")
    hakrec = traced_program(terminal.pid, "hakrec")
    assert hakrec
    program = traced_program(hakrec, "progress")
    assert program
    terminal.send("\x1a")
    terminal.expect("Stopped")
    assert stopped(hakrec)
    assert stopped(program)
    terminal.send("fg\n")
    assert_goes_on(progress, PAST_ANY_BUFFER)
    terminal.send("\x03")
    terminal.send("echo status $?\n")
    terminal.expect(f"status {128 + signal.SIGINT}")
    assert_every_call(Trace(output), progress)
