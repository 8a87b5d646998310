"""Runs of any length: hakrec takes no more memory for more calls, and the order holds."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from program import clean_environ
from recording import HAKREC, SCALE, WORKLOADS, Trace

THREADS = 4
EXCHANGES = 125_000_000 if SCALE > 1 else 250_000  # of each thread; a soak makes 10^9 calls
WARM_UP = 0.25  # of the samples
SAMPLE_S = 0.25 if SCALE > 1 else 0.01
# The memory that is shared with the program, which fills when hakrec falls behind, and all else.
MOST_BYTES = 64 << 20
# Of hakrec's own memory, beyond what the first quarter of a run took: an index entry for each block
# of the trace, and what is known of the addresses that the program has used.
GROWTH_BYTES = 4 << 20


def resident_bytes(pid: int) -> tuple[int, int]:
    """Memory that a process has in use: its own, and all; 0: it is gone."""
    try:
        _, everything, others, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return (int(everything) - int(others)) * 4096, int(everything) * 4096


def samples_of(process: subprocess.Popen[str]) -> list[tuple[int, int]]:
    """Memory of a process from its start to its end."""
    samples: list[tuple[int, int]] = []
    while process.poll() is None:
        samples.append(resident_bytes(process.pid))
        time.sleep(SAMPLE_S)
    return [sample for sample in samples if sample[0]]


def test_memory_stays_the_same(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace.zst")
    command = [str(WORKLOADS / "storm"), str(THREADS), str(EXCHANGES)]
    with subprocess.Popen(
        [HAKREC, "--quiet", "-o", trace.path, *command],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        samples = samples_of(process)
        assert process.stdout
        calls = int(process.stdout.read().split()[-1])
    assert process.returncode == 0
    own = [sample[0] for sample in samples]
    warm, most = max(own[: round(len(own) * WARM_UP)]), max(own)
    everything = max(sample[1] for sample in samples)
    print(
        f"{calls} calls, {trace.path.stat().st_size} bytes of trace; hakrec's own memory: "
        f"{warm} bytes in the first quarter, {most} at most, {everything} with what it shares"
    )
    trace.assert_sound()
    # One more for each thread that the C library makes.
    assert trace.info["events"] == calls + THREADS
    assert most <= warm + GROWTH_BYTES
    assert everything <= MOST_BYTES
