"""A trace that is still being written can be read: what happened a moment ago is in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from command import info, run
from program import clean_environ
from recording import HAKREC, HAKTRACE, WORKLOADS, Trace, wait_for

BLOCKS = 7


def returned(path: Path) -> int:
    """Calls of the progress program that returned."""
    data = path.read_bytes()[:32] if path.exists() else b""
    return sum(int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8))


def wait_for_header(trace: Path) -> None:
    """Between a file's creation and the first write to it anybody may look."""
    wait_for(lambda: trace.exists() and trace.stat().st_size, "the trace to begin")


def test_trace_that_grows(tmp_path: Path) -> None:
    """Every call that returned comes to be read, again and again, while the program goes on."""
    progress, output = tmp_path / "progress", tmp_path / "trace.zst"
    process = subprocess.Popen(
        [HAKREC, "--quiet", "-o", output, WORKLOADS / "progress", progress], env=clean_environ()
    )
    try:
        wait_for_header(output)
        wait_for(lambda: returned(progress) > 1000, "the program to work")
        for _ in range(2):
            calls = returned(progress)
            facts = wait_for(
                lambda calls=calls: (now := info(output))["events"] >= calls and now,  # type: ignore[misc]
                "what had returned to be in the trace",
                seconds=60,
            )
            assert not facts["complete"]
        verified = run(HAKTRACE, "verify", output)
        assert (verified.returncode, verified.stderr.count(output.name)) == (1, 1)
    finally:
        process.terminate()
        process.wait(timeout=60)
    Trace(output).assert_sound()
    assert Trace(output).info["events"] >= facts["events"]


def test_program_that_rests(tmp_path: Path) -> None:
    """The last calls before a rest do not wait for those behind it."""
    output = tmp_path / "trace.zst"
    with subprocess.Popen(
        [HAKREC, "--quiet", "-o", output, WORKLOADS / "waiter", str(BLOCKS), "100"],
        env=clean_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            wait_for_header(output)
            wait_for(
                lambda: info(output)["events"] == BLOCKS,
                "the calls to be in the trace",
                seconds=60,
            )
            assert not info(output)["complete"]
        finally:
            output_of_program, _ = process.communicate("go on\n", timeout=60)
    assert (process.returncode, output_of_program) == (3, "readygo on\n")
    Trace(output).assert_sound()
    assert Trace(output).info["events"] == 2 * BLOCKS
