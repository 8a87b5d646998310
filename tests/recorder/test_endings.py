"""However a program ends, every call that returned is in its trace."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from command import run
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

THREADS = 4
KEPT = 32
KILLS = 100 if SCALE > 1 else 20


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


def start_progress(folder: Path) -> tuple[subprocess.Popen[str], Path, Path]:
    """Starts the endless program under hakrec; waits until it works."""
    folder.mkdir(parents=True, exist_ok=True)
    progress, output = folder / "progress", folder / "trace.zst"
    process = subprocess.Popen(
        [HAKREC, "--quiet", "-o", output, WORKLOADS / "progress", progress],
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


def test_program_outlives_the_recorder(tmp_path: Path) -> None:
    process, progress, output = start_progress(tmp_path)
    pid = traced_program(process.pid, "progress")
    assert pid
    try:
        process.kill()
        process.wait(timeout=20)
        before = returned(progress)
        # Every thread goes on, past what any buffer could hold.
        wait_for(
            lambda: all(
                now > then + 200_000 for now, then in zip(returned(progress), before, strict=True)
            ),
            "every thread to go on without hakrec",
        )
    finally:
        os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=20)
    done = run(HAKTRACE, "verify", output)
    assert done.returncode == 1
    assert done.stderr
