"""hakmem in a memory cgroup: who touches too much is killed, by no fault of what hakmem keeps."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import BUILD
from program import clean_environ

CROWDED = BUILD / "tests" / "allocator" / "crowded"
LIMIT = 96 << 20
MEGABYTES = 64


def own_cgroup() -> Path | None:
    """The folder of this process's memory cgroup, of either version."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return Path(f"/sys/fs/cgroup/memory{path}")
        if number == "0" and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            return Path(f"/sys/fs/cgroup{path}")
    return None


@pytest.fixture(name="cgroup")
def fixture_cgroup() -> Iterator[Path]:
    """A memory cgroup of LIMIT bytes without swap, for one test."""
    parent = own_cgroup()
    if not parent:
        pytest.skip("there is no memory cgroup")
    folder = parent / f"hakmem-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"cannot make a memory cgroup: {error}")
    try:
        names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max")
        limits = [folder / name for name in names if (folder / name).exists()]
        if not limits:
            pytest.skip("the memory controller is not on in this cgroup")
        for limit in limits:
            limit.write_text(str(LIMIT))
        yield folder
    finally:
        folder.rmdir()


def crowded(cgroup: Path, mode: str, library: str) -> tuple[int, str, str]:
    """Runs the helper in a cgroup on an allocator ("": glibc): status, output and errors."""
    done = subprocess.run(
        [
            "sh",
            "-c",
            'echo $$ > "$0/cgroup.procs"; exec "$@"',
            cgroup,
            CROWDED,
            mode,
            str(MEGABYTES),
        ],
        env=clean_environ() | ({"LD_PRELOAD": library} if library else {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("library", ["", str(BUILD / "libhakmem.so")], ids=["glibc", "hakmem"])
def test_a_program_of_two_thirds_of_the_limit_lives(cgroup: Path, library: str) -> None:
    assert crowded(cgroup, "reuse", library) == (0, "ok\n", "")


@pytest.mark.parametrize("library", ["", str(BUILD / "libhakmem.so")], ids=["glibc", "hakmem"])
def test_the_kernel_kills_a_program_beyond_the_limit(cgroup: Path, library: str) -> None:
    assert crowded(cgroup, "exceed", library) == (-signal.SIGKILL, "", "")
