"""Programs that are limited: address space, descriptors, files, system calls."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from recording import WORKLOADS, record, record_like_bare

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


def test_few_descriptors(tmp_path: Path) -> None:
    recording = record(
        tmp_path,
        WORKLOADS / "storm", "4", "1000",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)),
    )  # fmt: skip
    assert recording.done.returncode == 0, recording.done.stderr
    recording.assert_sound()


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
