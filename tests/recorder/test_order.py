"""The order: by the recorded clocks alone it is right, and without them it is not.

`orderer` stands in for hakrec: it keeps what the preloaded library wrote and merges it by clock,
lane and index, with none of the waiting that hakrec does on top. It offers every lane in turn the
bias that hakrec only offers one that alone writes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, info, run
from program import Program, clean_environ, execute
from programs import CXX, REAL_PROGRAMS, STORM
from recording import HAKREC, SCALE, WORKLOADS, RealRecordings

ORDERER = BUILD / "tests" / "recorder" / "orderer"
LIBRARY = BUILD / "libhakrec.so"
# 4 threads, 64 slots: two calls an exchange and a realloc every 32.
ADVERSARIAL_SCALE = 13
ADVERSARIAL_CALLS = 10_000_000

Report = list[dict[str, Any]]
runs = count()


def order(
    recordings: RealRecordings, program: Program, scale: int, options: Sequence[str] = ()
) -> Report:
    """Runs a program under the orderer; one report a process."""
    folder = recordings.prepared(program, f"order-{next(runs)}", scale)
    lines = folder / "order.jsonl"
    wrapper = [ORDERER, *options, "-o", lines, LIBRARY]
    outcome = execute(program, folder, wrapper=wrapper, scale=scale)
    program.check(outcome, folder, scale)
    return [json.loads(line) for line in lines.read_text().splitlines()]


def violations(report: Report) -> int:
    """Births and deaths that the order put wrongly; what a forked child inherited is no such."""
    unborn = sum(process["unborn_deaths"] for process in report if not process["forked"])
    return int(unborn + sum(process["double_births"] for process in report))


def test_clocks_order_an_adversarial_storm(real_recordings: RealRecordings) -> None:
    for _ in range(SCALE):
        report = order(real_recordings, STORM, ADVERSARIAL_SCALE)
        assert len(report) == 1
        assert report[0]["calls"] >= ADVERSARIAL_CALLS
        assert report[0]["lanes"] == 5
        assert violations(report) == 0


def test_without_clocks_the_check_fails(real_recordings: RealRecordings) -> None:
    report = order(real_recordings, STORM, 2, ["--deaf"])
    assert violations(report) > 1000


def test_bias_goes_from_thread_to_thread(tmp_path: Path) -> None:
    """Each of three threads is for a while the one that writes, and now and then it is not."""
    lines = tmp_path / "order.jsonl"
    # Again rather than longer: all records of a run are kept.
    for _ in range(SCALE):
        done = run(ORDERER, "-o", lines, LIBRARY, WORKLOADS / "baton", "20")
        assert done.returncode == 0, done.stderr
        _, calls = done.stdout.split()
        report = [json.loads(line) for line in lines.read_text().splitlines()]
        # Three more for the threads that the C library makes.
        assert [process["calls"] for process in report] == [int(calls) + 3]
        assert violations(report) == 0


@pytest.mark.parametrize("how", [[], ["threads"]], ids=["alone", "threads"])
def test_handler_at_every_instruction(tmp_path: Path, how: list[str]) -> None:
    """A signal handler that frees and allocates, between whatever two steps of a call it comes."""
    lines = tmp_path / "order.jsonl"
    preload = f"{LIBRARY}:{WORKLOADS}/libreuse.so"
    # Its calls take long, and would run after the tick else.
    stepper = [WORKLOADS / "stepper", *how]
    done = run(ORDERER, "--slow", "-o", lines, preload, *stepper, env=clean_environ())
    assert done.returncode == 0, done.stderr
    _, calls, _, moments, *_ = done.stdout.split()
    report = [json.loads(line) for line in lines.read_text().splitlines()]
    # One more for a thread that the C library makes.
    assert [process["calls"] for process in report] == [int(calls) + len(how)]
    assert int(moments) > 500
    assert violations(report) == 0


@pytest.mark.parametrize("program", REAL_PROGRAMS, ids=lambda program: program.name)
def test_clocks_order_a_real_program(real_recordings: RealRecordings, program: Program) -> None:
    report = order(real_recordings, program, 1)
    assert violations(report) == 0
    busiest = max(process["calls"] for process in report)
    if SCALE == 1:
        # The same calls as hakrec recorded, to the few that differ from run to run.
        recorded = real_recordings(program).largest.info["events"]
        assert busiest == pytest.approx(recorded, rel=0.05)
    if program is CXX:
        assert len(report) >= 5


def test_nothing_is_repaired(real_recordings: RealRecordings, tmp_path: Path) -> None:
    """Clock and waiting together: the trace needed no row moved, and says how many had to wait."""
    folder = real_recordings.prepared(STORM, "order-both", ADVERSARIAL_SCALE)
    trace = tmp_path / "trace.zst"
    wrapper = [HAKREC, "--quiet", "-o", trace]
    outcome = execute(STORM, folder, wrapper=wrapper, scale=ADVERSARIAL_SCALE)
    STORM.check(outcome, folder, ADVERSARIAL_SCALE)
    facts = info(trace)
    assert facts["events"] >= ADVERSARIAL_CALLS
    assert facts["repaired_events"] == 0
    assert facts["lost_events"] == 0
    assert facts["foreign_frees"] == 0
    assert facts["late_events"] is not None
