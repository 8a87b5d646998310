"""fork in programs with threads: each child's trace begins with what was alive, and all end."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import BUILD
from recording import SCALE, WORKLOADS, Recording, record

BLOCK_BYTES = 777


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


def test_fork_at_every_instruction(tmp_path: Path) -> None:
    """A signal handler that interrupts a call, forks, and returns in the child as well: which goes
    on, with the next call at the latest, and writes nothing into its parent's lane."""
    preload = f"LD_PRELOAD={BUILD}/libhakrec.so:{WORKLOADS}/libbump.so"
    recording = record(tmp_path, "env", preload, WORKLOADS / "stepper", "fork")
    assert recording.done.returncode == 0, recording.done.stderr
    _, calls, _, moments, _, well = recording.done.stdout.split()
    assert int(well) == int(moments) > 500
    recording.trace.assert_sound()
    assert recording.trace.info["events"] == int(calls)
    children = [trace for trace in recording.others if trace.path.name.startswith("stepper.")]
    assert len(children) == int(moments)
    for child in children[:: 1 + 8 // SCALE]:
        lost = child.info["lost_events"]
        assert lost in (0, 1)
        child.assert_sound(lost=lost)
        assert child.info["events"] in (2, 3)


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


def test_first_calls_together(tmp_path: Path) -> None:
    """Two threads of a forked child make its first calls at once: it joins the recording once."""
    recording = record(tmp_path, WORKLOADS / "together", "200")
    assert recording.done.stdout == "200\n"
    children = recording.others
    assert len(children) == 200
    assert {(child.info["events"], child.info["threads"]) for child in children} == {(4, 2)}
