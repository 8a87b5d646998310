"""Programs that are limited: address space, descriptors, files, system calls."""

from __future__ import annotations

import re
import resource
import shutil
from pathlib import Path

import pytest
from command import BUILD, run
from recording import HAKTRACE, WORKLOADS, Recording, record, record_like_bare

MEGABYTE = 1 << 20


def test_limit_set_by_the_program(tmp_path: Path) -> None:
    trace = record_like_bare(tmp_path, WORKLOADS / "limit", "64").trace
    trace.assert_sound()
    rows = trace.calls_from("limit")
    asked = [row for row in rows if row["size"] == MEGABYTE]
    failed = [row for row in asked if row["flags"] == ["failed"]]
    assert len(failed) == 1
    assert asked[-2] == failed[0]
    assert len(asked) - len(failed) == sum(row["kind"] == "free" for row in rows)


@pytest.mark.parametrize("megabytes", [16, 64, 512])
def test_limit_from_outside(tmp_path: Path, megabytes: int) -> None:
    """Where the recorder finds no room for its memory the program runs on, unrecorded but well."""
    limit = megabytes * MEGABYTE
    recording = record(
        tmp_path,
        "/bin/sh", "-c", f"ulimit -v {limit // 1024}; exec '{WORKLOADS}/hello'",
        options=(),
    )  # fmt: skip
    assert recording.done.stdout == "hello\n"
    assert recording.done.returncode == 8
    if megabytes == 512:
        recording.assert_sound()


@pytest.mark.parametrize("megabytes", [222, 225, 240, 310, 340])
def test_limit_that_leaves_little(tmp_path: Path, megabytes: int) -> None:
    """What the recorder's memory would leave is not enough for the program: it has all of it, and
    one line says why it is not recorded."""
    storm = f"ulimit -v {megabytes << 10}; exec '{WORKLOADS}/storm' 4 1000"
    bare = run("/bin/sh", "-c", storm)
    recording = record(tmp_path, "/bin/sh", "-c", storm)
    done = recording.done
    assert (done.returncode, done.stdout) == (bare.returncode, bare.stdout) == (0, bare.stdout)
    recording.assert_sound()
    recorded = recording.trace.image == "storm"
    assert recorded == (megabytes == 340)
    said = r"hakrec: process \d+ is not recorded: its address space is limited to \d+ MiB, .*\n"
    assert re.fullmatch("" if recorded else said, done.stderr)


def test_few_descriptors(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        WORKLOADS / "storm", "4", "1000",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)),
    )  # fmt: skip
    assert recording.done.returncode == 0, recording.done.stderr
    recording.assert_sound()


def record_narrowly(folder: Path, *command: str | Path) -> Recording:
    """Records with a hakrec that has room for 8 processes and 24 lanes, one or more a thread."""
    hakrec = folder / "bin" / "hakrec"
    hakrec.parent.mkdir()
    shutil.copy(BUILD / "tests" / "recorder" / "hakrec-narrow", hakrec)
    (hakrec.parent / "libhakrec.so").symlink_to(BUILD / "libhakrec.so")
    return record(folder / "traces", *command, hakrec=hakrec)


def test_more_threads_than_lanes(tmp_path: Path) -> None:
    """Each call of a thread that cannot be recorded is counted, and hakrec says so."""
    threads = 100
    recording = record_narrowly(tmp_path, WORKLOADS / "churn", str(threads), str(threads))
    done, trace = recording.done, recording.trace
    lost = trace.info["lost_events"]
    assert done.stdout == f"threads {threads} calls {4 * threads - 1}\n"
    assert done.returncode == 1
    assert done.stderr == (
        f"hakrec: {recording.output}: {lost} calls are lost: "
        "there were more threads at once than can be recorded (24)\n"
    )
    assert sum(row["size"] for row in trace.rows if row["kind"] == "lost") == lost > 0
    assert run(HAKTRACE, "verify", trace.path).returncode == 0
    assert trace.info["complete"]
    # The C library's calls are as many as without, and so are all.
    usual = record(tmp_path / "usual", WORKLOADS / "churn", str(threads), str(threads)).trace
    assert trace.info["events"] + lost == usual.info["events"]


def test_more_threads_than_memory(tmp_path: Path) -> None:
    """Each thread keeps some of it, and all go on by the little that is left."""
    recording = record_narrowly(tmp_path, WORKLOADS / "storm", "20", "2000")
    assert (recording.done.returncode, recording.done.stderr) == (0, "")
    recording.assert_sound()
    assert recording.trace.info["threads"] == 21


def test_more_processes_than_there_is_room_for(tmp_path: Path) -> None:
    recording = record_narrowly(tmp_path, WORKLOADS / "forkers", "crowd", "20")
    done = recording.done
    assert done.stdout == "20 children\n"
    recording.assert_sound()
    assert len(recording.others) == 7
    assert done.returncode == 1
    assert done.stderr == (
        "hakrec: 13 processes were not recorded: "
        "there were more at once than can be (8, with 24 threads)\n"
    )


def test_recorder_without_memory(tmp_path: Path) -> None:
    """Where hakrec has no memory for its tables it says so, and the program goes on."""
    crowd = f"ulimit -Sv unlimited; exec {WORKLOADS}/forkers crowd 100"
    limits = (64 * MEGABYTE, resource.RLIM_INFINITY)
    done = record(
        tmp_path,
        "/bin/sh", "-c", crowd,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limits),
    ).done  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "100 children\n")
    assert done.stderr.endswith("Cannot allocate memory\n")


@pytest.mark.parametrize("how", ["seccomp", "chroot"])
def test_confined_program(tmp_path: Path, how: str) -> None:
    """Without files and with few system calls the hooks go on; new sites are still told apart."""
    jail = tmp_path / "jail"
    jail.mkdir()
    recording = record_like_bare(tmp_path, WORKLOADS / "confined", how, jail)
    if recording.done.returncode == 77:
        pytest.skip("may not be confined here")
    assert recording.done.stdout == "pairs 50000\n"
    recording.assert_sound()
    facts = recording.trace.info
    assert facts["events"] == 100_000
    assert facts["allocs"] == facts["frees"] == 50_000
    assert facts["sites"] >= 2
