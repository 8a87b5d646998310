"""fork, exec and the other ways to start a program: one trace for each image, none lost."""

from __future__ import annotations

import stat
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from command import run
from program import clean_environ
from recording import (
    HAKREC,
    SCALE,
    WORKLOADS,
    Recording,
    Trace,
    brief,
    pid_of,
    record,
    record_like_bare,
    sizes,
    wait_for,
)


def alloc(kind: str, size: int, *flags: str) -> tuple[object, ...]:
    return kind, size, None, flags


FREE = ("free", None, None, ())


def own(trace: Trace, module: str) -> list[tuple[object, ...]]:
    """What the program itself called, in order."""
    return [brief(row) for row in trace.calls_from(module)]


def inherited(trace: Trace) -> Counter[int]:
    """Sizes of the objects that a forked process brought along."""
    rows = trace.rows
    marks = [row for row in rows if row["kind"] == "inherited"]
    first_call = next((i for i, row in enumerate(rows) if row in trace.calls[:1]), len(rows))
    assert all(row["kind"] != "inherited" for row in rows[first_call:])
    return Counter(row["size"] for row in marks)


def test_fork(tmp_path: Path) -> None:
    recording = record_like_bare(tmp_path, WORKLOADS / "forker")
    assert recording.done.returncode == 7
    recording.assert_sound()
    parent = recording.trace
    assert own(parent, "forker") == [
        alloc("malloc", 100), alloc("malloc", 200), alloc("calloc", 150),
        alloc("malloc", 300), FREE, FREE,
    ]  # fmt: skip
    assert not inherited(parent)
    children = {len(inherited(trace)): trace for trace in recording.others}
    assert len(recording.others) == 2
    child, grandchild = sorted(recording.others, key=lambda trace: 77 not in sizes(trace.calls))
    assert len(children) <= 2
    assert own(child, "forker") == [
        FREE, alloc("realloc", 5000, *child.calls_from("forker")[1]["flags"]),
        alloc("malloc", 77), FREE,
    ]  # fmt: skip
    assert inherited(child) >= Counter([100, 200, 150])
    assert 300 not in inherited(child)
    assert own(grandchild, "forker") == [FREE, FREE, alloc("malloc", 31), FREE]
    assert inherited(grandchild) >= Counter([5000, 150, 77])
    assert not inherited(grandchild) & Counter([100, 200])


def test_children_free_what_they_inherited(tmp_path: Path) -> None:
    """Frees in a child name the objects that its trace says it inherited."""
    recording = record(tmp_path, WORKLOADS / "forker")
    for trace in recording.others:
        known = {row["object"]: row["size"] for row in trace.rows if row["object"] is not None}
        freed = [known[row["old_object"]] for row in trace.calls if row["old_object"] is not None]
        assert freed in ([100, 200, 5000], [5000, 77, 31])


def test_fork_while_other_threads_allocate(tmp_path: Path) -> None:
    forks = 10 * SCALE
    recording = record(tmp_path, WORKLOADS / "forkstorm", str(forks))
    assert recording.done.stdout == f"children {forks}\n"
    assert len(recording.traces) == forks + 1
    recording.assert_sound()
    for trace in recording.others:
        assert own(trace, "forkstorm")[-1] == FREE
        assert sizes(trace.calls_from("forkstorm")) == list(range(1, 51))
        assert inherited(trace)[12345] == 1


@pytest.mark.parametrize("how", ["main", "thread"])
def test_exec_ends_a_trace_and_begins_the_next(tmp_path: Path, how: str) -> None:
    recording = record_like_bare(tmp_path, WORKLOADS / "execer", "1", how)
    assert recording.done.returncode == 9
    recording.assert_sound()
    assert len(recording.traces) == 3
    pid = recording.trace.info["pid"]
    names = sorted(trace.path.name for trace in recording.others)
    assert [name.split(".")[-3:] for name in names] == [
        [str(pid), "1", "zst"],
        [str(pid), "2", "zst"],
    ]
    by_age = [*sorted(recording.others, key=lambda trace: trace.path.name), recording.trace]
    for stage, trace in enumerate(by_age, 1):
        assert trace.info["pid"] == pid
        assert not inherited(trace)
        assert Counter(sizes(trace.calls_from("execer"))) == {
            1000 + stage: 1,
            stage: 10 * stage - 1,
        }


@pytest.mark.parametrize("how", ["vfork", "posix_spawn", "clone", "system", "popen"])
def test_ways_to_start_a_program(tmp_path: Path, how: str) -> None:
    recording = record_like_bare(tmp_path, WORKLOADS / "spawner", how)
    assert recording.done.stdout == "status 4\n"
    recording.assert_sound()
    assert own(recording.trace, "spawner") == [
        alloc("malloc", 51), FREE, alloc("malloc", 52), FREE,
    ]  # fmt: skip
    leaves = [t for t in recording.others if 41 in sizes(t.calls)]
    assert len(leaves) == 1
    leaf = leaves[0]
    assert own(leaf, "spawner") == [
        alloc("malloc", 41), alloc("malloc", 42), FREE, alloc("malloc", 42), FREE,
    ]  # fmt: skip
    assert pid_of(leaf) == leaf.info["pid"] != recording.trace.info["pid"]
    images = {trace.image for trace in recording.others}
    assert images <= {"spawner", "sh"}


def test_no_follow_records_one_process(tmp_path: Path) -> None:
    options = ("--quiet", "--no-follow")
    recording = record(tmp_path, WORKLOADS / "spawner", "posix_spawn", options=options)
    assert recording.done.stdout == "status 4\n"
    assert [trace.path for trace in recording.traces] == [recording.output]
    recording.assert_sound()


def test_daemon_is_recorded_to_its_end(tmp_path: Path) -> None:
    said = tmp_path / "said"
    recording = record(tmp_path / "run", WORKLOADS / "daemoniser", said)
    assert recording.done.returncode == 0
    # hakrec ended, so the daemon has: its last word is there, and so is its whole trace.
    pid = int(said.read_text())
    recording.assert_sound()
    daemon = next(trace for trace in recording.others if trace.info["pid"] == pid)
    assert own(daemon, "daemoniser") == [alloc("malloc", 60), FREE] * 25
    assert inherited(daemon)[61] == 1


def test_default_name(tmp_path: Path) -> None:
    program = WORKLOADS / "hello"
    done = run(HAKREC, "--quiet", program, cwd=tmp_path, env=clean_environ())
    assert (done.returncode, done.stdout, done.stderr) == (8, "hello\n", "")
    made = [path.name for path in tmp_path.iterdir()]
    assert len(made) == 1
    trace = Trace(tmp_path / made[0])
    assert made[0] == f"hello.{trace.info['pid']}.zst"
    trace.assert_sound()


def test_program_from_the_path_and_by_relative_name(tmp_path: Path) -> None:
    env = clean_environ() | {"PATH": f"{WORKLOADS}:/bin"}
    assert run(HAKREC, "--quiet", "-o", "a.zst", "hello", cwd=tmp_path, env=env).returncode == 8
    (tmp_path / "hi").symlink_to(WORKLOADS / "hello")
    assert run(HAKREC, "--quiet", "-o", "b.zst", "./hi", cwd=tmp_path, env=env).returncode == 8
    for name, program in (("a.zst", WORKLOADS / "hello"), ("b.zst", tmp_path / "hi")):
        trace = Trace(tmp_path / name)
        trace.assert_sound()
        assert trace.info["program"] == str(program)
        # Modules are the files themselves.
        assert trace.calls_from("hello")


def test_program_that_is_a_script(tmp_path: Path) -> None:
    """What ran is its interpreter."""
    script = tmp_path / "script"
    script.write_text(f"#!{WORKLOADS}/hello\n")
    script.chmod(0o755)
    trace = record(tmp_path, script).trace
    assert trace.info["program"] == str(WORKLOADS / "hello")
    assert str(script) in trace.info["command"]


def test_script(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\necho "script $1"\nexit 11\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    recording = record_like_bare(tmp_path / "run", script, "ran")
    assert (recording.done.returncode, recording.done.stdout) == (11, "script ran\n")
    recording.assert_sound()


def test_two_recorders_at_once(tmp_path: Path) -> None:
    running = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        command: list[str | Path] = [
            HAKREC,
            "--quiet",
            "-o",
            tmp_path / name / "trace.zst",
            WORKLOADS / "storm",
        ]
        running.append(
            subprocess.Popen([*command, "2", "50000"], stdout=subprocess.PIPE, text=True)
        )
    for process, name in zip(running, ("first", "second"), strict=True):
        output, _ = process.communicate(timeout=60)
        trace = Trace(tmp_path / name / "trace.zst")
        trace.assert_sound()
        assert trace.info["events"] == int(output.split()[-1]) + 2


def test_recording_a_recorder(tmp_path: Path) -> None:
    inner = tmp_path / "inner.zst"
    recording = record(tmp_path / "outer", HAKREC, "--quiet", "-o", inner, WORKLOADS / "hello")
    assert (recording.done.returncode, recording.done.stdout) == (8, "hello\n")
    Trace(inner).assert_sound()
    assert [row["size"] for row in Trace(inner).calls_from("hello")] == [81, None]
    recording.assert_sound()


def test_descriptors_are_the_programs_own(tmp_path: Path) -> None:
    seen: list[object] = []
    for wrapper in ((), (HAKREC, "--quiet", "-o", tmp_path / "trace.zst")):
        report = tmp_path / f"report{len(seen)}"
        run(*wrapper, WORKLOADS / "descriptors", report, env=clean_environ())
        seen.append(report.read_text())
    assert seen[1] == seen[0]


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_closed_descriptors(tmp_path: Path, closed: str) -> None:
    closing = " ".join(f"{fd}>&-" for fd in closed.split())
    seen: list[object] = []
    for wrapper in ("", f"'{HAKREC}' --quiet -o '{tmp_path}/trace.zst' "):
        report = tmp_path / f"report{len(seen)}"
        script = f"exec {wrapper}'{WORKLOADS}/descriptors' '{report}' {closing}"
        done = run("/bin/sh", "-c", script, env=clean_environ())
        seen.append((done.returncode, done.stdout, done.stderr, report.read_text()))
    assert seen[1] == seen[0]
    Trace(tmp_path / "trace.zst").assert_sound()


def test_reports_a_recording_in_one_line(tmp_path: Path) -> None:
    recording: Recording = record(tmp_path, WORKLOADS / "hello", options=())
    lines = recording.done.stderr.splitlines()
    assert len(lines) == 1
    events = recording.trace.info["events"]
    assert "trace.zst" in lines[0]
    assert f"{events} events" in lines[0]
    assert "lost" in lines[0]


def test_wait_for_gives_up() -> None:
    with pytest.raises(AssertionError):
        wait_for(lambda: False, "nothing", seconds=0.01)


def test_program_without_calls(tmp_path: Path) -> None:
    recording = record_like_bare(tmp_path, WORKLOADS / "churn", "3", "2")
    assert recording.done.returncode == 2
    recording.assert_sound()
    assert recording.trace.info["events"] == 0
