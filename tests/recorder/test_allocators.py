"""Whatever allocator the program runs on, its calls are recorded and reach that allocator."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import BUILD
from recording import WORKLOADS, record_like_bare

CALLS = 10007
ALLOCATORS = [
    "libjemalloc.so.2",
    "libtcmalloc_minimal.so.4",
    "libmimalloc.so.2.0",
    str(BUILD / "libhakmem.so"),
]
on_every_allocator = pytest.mark.parametrize(
    "library", ALLOCATORS, ids=lambda name: Path(name).name.partition(".")[0]
)


@on_every_allocator
def test_producers_and_consumers(tmp_path: Path, library: str) -> None:
    environ = {"LD_PRELOAD": library}
    trace = record_like_bare(tmp_path, WORKLOADS / "prime", str(CALLS), environ=environ).trace
    trace.assert_sound()
    assert len(trace.calls_from("prime")) == CALLS


@on_every_allocator
def test_storm(tmp_path: Path, library: str) -> None:
    environ = {"LD_PRELOAD": library}
    command: list[str | Path] = [WORKLOADS / "storm", "4", "30000", "64", "32"]
    recording = record_like_bare(tmp_path, *command, environ=environ)
    recording.trace.assert_sound()
    calls = int(recording.done.stdout.split()[-1])
    # Besides its own calls: the C library's for each thread, a few of the allocator's for itself.
    assert calls + 4 <= recording.trace.info["events"] <= calls + 20


@on_every_allocator
def test_forks_and_thread_exits(tmp_path: Path, library: str) -> None:
    for name in ("forker", "exits"):
        environ = {"LD_PRELOAD": library}
        record_like_bare(tmp_path / name, WORKLOADS / name, environ=environ).assert_sound()
