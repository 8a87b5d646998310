"""fork in programs with threads: each child's trace begins with what was alive, and all end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import haktrace
import pytest
from command import BUILD
from program import clean_environ
from recording import HAKREC, SCALE, WORKLOADS, Recording, Trace, record, wait_for
from recording import children as processes_below

BLOCK_BYTES = 777
SERIES = 4096  # stepper's
EARLY = {"fork": 40, "_Fork": 6, "daemon": 6}  # moments of a call that has begun: no record yet


def children(recording: Recording, forks: int) -> None:
    """As many as forks, each with its own pid, and each freed the one block it inherited."""
    assert (recording.done.returncode, recording.done.stdout) == (0, f"{forks} children\n")
    recording.assert_sound()
    assert len(recording.others) == forks
    for trace in recording.others:
        inherited = {row["object"] for row in trace.rows
                     if row["kind"] == "inherited" and row["size"] == BLOCK_BYTES}  # fmt: skip
        freed = {row["old_object"] for row in trace.calls_from("forkers")}
        assert len(freed) == 1
        assert freed <= inherited


def test_threads_that_fork_at_once(tmp_path: Path) -> None:
    """None takes another's child for its own."""
    forks = 10 * SCALE
    children(record(tmp_path, WORKLOADS / "forkers", "together", str(forks)), 4 * forks)


def test_block_handed_to_the_thread_that_forks(tmp_path: Path) -> None:
    """Whatever other threads did before the fork stands before it in the order."""
    forks = 40 * SCALE
    recording = record(tmp_path, WORKLOADS / "forkers", "handed", str(forks))
    children(recording, forks)


def test_fork_while_streams_are_flushed(tmp_path: Path) -> None:
    """The C library forks with its streams locked, under which other threads make calls."""
    forks = 50 * SCALE
    children(record(tmp_path, WORKLOADS / "forkers", "flushed", str(forks), timeout=60), forks)


def test_fork_before_any_call(tmp_path: Path) -> None:
    """The child is not taken for a thread of its parent's, though no handler has seen the fork."""
    recording = record(tmp_path, WORKLOADS / "forkers", "raw")
    assert (recording.done.returncode, recording.done.stdout) == (0, "1 children\n")
    recording.assert_sound()
    assert not recording.trace.calls
    (child,) = recording.others
    assert [row["size"] for row in child.calls_from("forkers")] == [BLOCK_BYTES, None]


def test_forks_within_a_fork(tmp_path: Path) -> None:
    """Three of its handlers fork; each child frees the block that its parent made for it, the one
    that forks as well another's too."""
    recording = record(tmp_path, WORKLOADS / "forkers", "nested", timeout=60)
    assert (recording.done.returncode, recording.done.stdout) == (0, "3 children\n")
    recording.assert_sound()
    sizes = [BLOCK_BYTES, BLOCK_BYTES, None, BLOCK_BYTES, None, None]
    assert [row["size"] for row in recording.trace.calls_from("forkers")] == sizes
    sizes_of_others = [
        [row["size"] for row in trace.calls_from("forkers")] for trace in recording.others
    ]
    assert sorted(sizes_of_others, key=len) == [[None]] * 3 + [[BLOCK_BYTES, None, None]]
    for trace in recording.others:
        inherited = {row["object"] for row in trace.rows if row["kind"] == "inherited"}
        assert trace.calls_from("forkers")[-1]["old_object"] in inherited


def early(children: list[Trace], moments: int) -> Iterator[list[tuple[int, int]]]:
    """Of each of stepper's series the children of its first moments, in their order: calls and how
    many of them are lost."""
    found = []
    for child in children:
        read = haktrace.read_trace(child.path)
        calls = read.events[read.events.kind != "inherited"]
        moment = int(calls[calls.kind == "malloc"]["size"].iloc[-1])
        found.append((moment, len(calls), int((read.totals or {})["lost_events"])))
    for _, series in groupby(sorted(found), lambda child: child[0] // SERIES):
        yield [(calls, lost) for _, calls, lost in islice(series, moments)]


@pytest.mark.parametrize("how", ["fork", "_Fork", "daemon"])
def test_fork_at_every_instruction(tmp_path: Path, how: str) -> None:
    """A signal handler that interrupts a call, forks, and returns in the child (or in the child's
    child) as well: which goes on, with the next call at the latest, and writes nothing into its
    parent's lane. The call interrupted is the child's from its begin, or lost and counted."""
    preload = f"LD_PRELOAD={BUILD}/libhakrec.so:{WORKLOADS}/libbump.so"
    recording = record(tmp_path, "env", preload, WORKLOADS / "stepper", how)
    assert recording.done.returncode == 0, recording.done.stderr
    _, calls, _, moments, _, well = recording.done.stdout.split()
    assert int(well) == int(moments) > (500 if how == "fork" else 100)
    recording.trace.assert_sound()
    assert recording.trace.info["events"] == int(calls)
    children = [trace for trace in recording.others if trace.path.name.startswith("stepper.")]
    assert len(children) >= int(moments)
    for child in children[:: 1 + 8 // SCALE]:
        child.assert_sound(lost=child.info["lost_events"])
    if how == "daemon":
        children = [child for child in children if child.info["allocs"]]
        assert len(children) == int(moments)
    for series in early(children, EARLY[how]):
        whole = [child for child in series if child == (3, 0)]
        lost = [child for child in series if child == (2, 1)]
        assert series == whole + lost
        assert whole
        assert lost


def test_fork_that_fails(tmp_path: Path) -> None:
    """hakrec does not wait for a child that never was."""
    recording = record(tmp_path, WORKLOADS / "forkers", "denied", timeout=60)
    if recording.done.returncode == 77:
        pytest.skip("fork cannot be made to fail here")
    children(recording, 0)
    sizes = [row["size"] for row in recording.trace.calls_from("forkers")]
    assert sizes == [BLOCK_BYTES, None]


def test_fork_that_fails_unseen(tmp_path: Path) -> None:
    """A library behind ours refuses it: the child of the fork before keeps its number."""
    forks = 20 * SCALE
    refusing = {"LD_PRELOAD": str(WORKLOADS / "librefuse.so")}
    command = (WORKLOADS / "forkers", "late", str(2 * forks))
    children(record(tmp_path, *command, environ=refusing, timeout=60), forks)


def test_fork_of_the_c_library(tmp_path: Path) -> None:
    """A fork that fails after it is not taken for it."""
    refusing = {"LD_PRELOAD": str(WORKLOADS / "librefuse.so")}
    recording = record(tmp_path, WORKLOADS / "forkers", "hidden", environ=refusing, timeout=60)
    if recording.done.returncode == 77:
        pytest.skip("no terminals here")
    children(recording, 2)


def test_first_calls_together(tmp_path: Path) -> None:
    """Two threads of a forked child make its first calls at once: it joins the recording once."""
    recording = record(tmp_path, WORKLOADS / "together", "200")
    assert recording.done.stdout == "200\n"
    children = recording.others
    assert len(children) == 200
    assert {(child.info["events"], child.info["threads"]) for child in children} == {(4, 2)}


def has_ended(parent: int) -> bool:
    """Whether a child of a process has ended, of which the parent has not been told."""
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in processes_below(parent)]
    return any(stat.rpartition(")")[2].split()[0] == "Z" for stat in stats)


def test_forks_while_hakrec_stands_still(tmp_path: Path) -> None:
    """Handlers that interrupt calls fork, and all is over before hakrec hears of it: each child has
    what its parent had at the fork."""
    trace = tmp_path / "trace.zst"
    preload = f"LD_PRELOAD={BUILD}/libhakrec.so:{WORKLOADS}/libbump.so"
    stepper = ["env", preload, str(WORKLOADS / "stepper"), "_Fork"]
    command = [str(HAKREC), "--quiet", "-o", str(trace), *stepper]
    with subprocess.Popen(
        command, env=clean_environ(), stdout=subprocess.PIPE, text=True
    ) as hakrec:
        wait_for(lambda: any(tmp_path.glob("stepper.*")), "a child's trace", seconds=20)
        os.kill(hakrec.pid, signal.SIGSTOP)
        wait_for(lambda: has_ended(hakrec.pid), "the program's end", seconds=60)
        os.kill(hakrec.pid, signal.SIGCONT)
        assert hakrec.stdout
        moments = int(hakrec.stdout.read().split()[3])
    assert hakrec.returncode == 0
    traces = [Trace(path) for path in tmp_path.glob("stepper.*")]
    assert len(traces) == moments
    for child in traces[:: 1 + 8 // SCALE]:
        child.assert_sound(lost=child.info["lost_events"])


@pytest.mark.parametrize("options", [(), ("--max-size", "4K")], ids=["whole", "ended"])
def test_fork_within_a_new_handler(tmp_path: Path, options: tuple[str, ...]) -> None:
    """The operator goes on in parent and child, also where recording has ended in between."""
    recording = record(tmp_path, WORKLOADS / "forkinnew", options=("--quiet", *options))
    assert recording.done.stdout == "child's status 0\nend\n"
    assert recording.done.returncode == 0
    recording.trace.assert_sound()
    assert (recording.trace.info["end"] == "max-size") == bool(options)
