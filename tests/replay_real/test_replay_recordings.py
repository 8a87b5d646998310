"""Recorded real programs replay on every allocator, in every schedule, with the same digest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, run
from program import Program
from programs import REAL_PROGRAMS, STORM
from recording import WORKLOADS, RealRecordings, Trace, record

HAKREPLAY = BUILD / "hakreplay"
ALLOCATORS = ("hakmem", "glibc", "jemalloc", "tcmalloc", "mimalloc")
UNTIMED = ("lockstep", "parallel")  # of what is over before the clock moves on
SCHEDULES = (*UNTIMED, "paced")

Result = dict[str, Any]


def replay(
    folder: Path,
    trace: Path,
    schedule: str,
    allocators: tuple[str, ...] = ALLOCATORS,
    repeat: int = 1,
) -> list[Result]:
    """Replays a trace with --check and returns the JSON lines."""
    lines = folder / f"{trace.stem}-{schedule}.jsonl"
    lines.unlink(missing_ok=True)
    done = run(
        HAKREPLAY, trace, "--alloc", ",".join(allocators), "--schedule", schedule,
        *(("--speed", "1000000") if schedule == "paced" else ()),
        "--repeat", str(repeat), "--check", "--json", lines,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(results) == len(allocators) * repeat
    return results


def assert_clean(results: list[Result], trace: Trace, schedule: str) -> None:
    """Every run did what the trace says, without a check error, on the allocator that was asked."""
    expected = trace.info["events"] - trace.info["foreign_frees"]
    for result in results:
        assert result["check_errors"] == 0, result
        assert result["schedule"] == schedule
        assert result["ops"] == results[0]["ops"] <= expected
        name = "libc.so" if result["allocator"] == "glibc" else result["allocator"]
        assert name in Path(result["allocator_path"]).name
        assert (result["order_digest"] is not None) == (schedule == "lockstep")
    assert len({result["digest"] for result in results}) == 1
    assert len({result["order_digest"] for result in results}) == 1


@dataclass
class Replays:
    """Replays each recording once per schedule, when it is first asked for."""

    recordings: RealRecordings
    folder: Path
    made: dict[tuple[str, str], list[Result]] = field(default_factory=dict)

    def __call__(self, program: Program, schedule: str) -> tuple[Trace, list[Result]]:
        """The trace and the results."""
        trace = self.recordings(program).largest
        key = (program.name, schedule)
        if key not in self.made:
            folder = self.folder / program.name
            folder.mkdir(exist_ok=True)
            self.made[key] = replay(folder, trace.path, schedule)
        return trace, self.made[key]


@pytest.fixture(scope="module")
def replays(real_recordings: RealRecordings, tmp_path_factory: pytest.TempPathFactory) -> Replays:
    return Replays(real_recordings, tmp_path_factory.mktemp("replays"))


every_program = pytest.mark.parametrize(
    "program", [*REAL_PROGRAMS, STORM], ids=lambda program: program.name
)


@every_program
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_replays_clean_everywhere(replays: Replays, program: Program, schedule: str) -> None:
    trace, results = replays(program, schedule)
    assert_clean(results, trace, schedule)
    assert results[0]["ops"] > 0
    assert results[0]["recorded_peak_live_bytes"] == trace.info["peak_live_bytes"]


@every_program
def test_one_digest_for_all(replays: Replays, program: Program) -> None:
    digests = {r["digest"] for schedule in SCHEDULES for r in replays(program, schedule)[1]}
    assert len(digests) == 1


@every_program
def test_lockstep_has_the_recorded_peak(replays: Replays, program: Program) -> None:
    trace, results = replays(program, "lockstep")
    for result in results:
        assert result["replayed_peak_live_bytes"] == trace.info["peak_live_bytes"]


@every_program
def test_lockstep_repeats_itself(
    real_recordings: RealRecordings, tmp_path: Path, program: Program
) -> None:
    """Two lockstep runs: the same counters, and the same faults and memory to 1 %."""
    trace = real_recordings(program).largest
    runs = replay(tmp_path, trace.path, "lockstep", ("hakmem", "glibc", "tcmalloc"), repeat=2)
    for first, second in zip(runs[:3], runs[3:], strict=True):
        assert first["allocator"] == second["allocator"]
        assert first["allocator_stats"] == second["allocator_stats"]
        for figure in ("minor_faults", "peak_rss_bytes"):
            assert second[figure] == pytest.approx(first[figure], rel=0.01), figure


def test_compilers_helpers(real_recordings: RealRecordings, tmp_path: Path) -> None:
    """The small processes around the compiler proper replay as well."""
    made = real_recordings(next(p for p in REAL_PROGRAMS if p.name == "g++"))
    for trace in made.traces:
        if trace is not made.largest and trace.info["events"]:
            for schedule in UNTIMED:
                results = replay(tmp_path, trace.path, schedule, ("hakmem", "glibc"))
                assert_clean(results, trace, schedule)


@pytest.mark.parametrize(
    "command",
    [
        ["forker"],
        ["forkstorm", "2"],
        ["edges"],
        ["operators"],
        ["exits"],
        ["churn", "200", "8"],
        ["pluginhost", "--deep", "libplugin-a.so"],
    ],
    ids=" ".join,
)
def test_hard_cases(tmp_path: Path, command: list[str]) -> None:
    """Inherited objects, foreign frees, failed calls, every operator, threads that come and go."""
    words = [str(WORKLOADS / word) if word.endswith(".so") else word for word in command]
    recording = record(tmp_path, WORKLOADS / words[0], *words[1:])
    for trace in recording.traces:
        everywhere = []
        for schedule in UNTIMED:
            results = replay(tmp_path, trace.path, schedule)
            assert_clean(results, trace, schedule)
            everywhere += results
        assert len({result["digest"] for result in everywhere}) == 1
