"""What preloading cannot record is refused in one clear sentence, and leaves no empty trace."""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import BUILD, ROOT, run
from program import clean_environ
from recording import HAKREC, WORKLOADS


def refused(folder: Path, *command: str | Path, status: int) -> str:
    """Asserts a refusal: nothing ran, nothing was written, one line on stderr, which it returns."""
    output = folder / "trace.zst"
    hakrec = (HAKREC, "--backend", "preload", "-o", output)
    done = run(*hakrec, *command, env=clean_environ(), cwd=folder)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith("hakrec: ")
    assert done.stderr.count("\n") == 1
    assert not list(folder.glob("*.zst"))
    return done.stderr


def test_static_program(tmp_path: Path) -> None:
    said = refused(tmp_path, WORKLOADS / "hello-static", status=1)
    assert "hello-static" in said
    assert "static" in said
    assert "ebpf" in said.lower()


def test_musl_program(tmp_path: Path) -> None:
    program = WORKLOADS / "hello-musl"
    if not program.exists():
        pytest.skip("no musl-gcc")
    said = refused(tmp_path, program, status=1)
    assert "hello-musl" in said
    assert "musl" in said


@pytest.fixture
def setuid_program(tmp_path: Path) -> Path:
    """A program that runs as somebody else."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a program to somebody else")
    program = tmp_path / "hello-setuid"
    shutil.copy(WORKLOADS / "hello", program)
    os.chown(program, pwd.getpwnam("nobody").pw_uid, -1)
    program.chmod(0o4755)
    return program


def test_setuid_program(tmp_path: Path, setuid_program: Path) -> None:
    said = refused(tmp_path, setuid_program, status=1)
    assert "hello-setuid" in said
    assert "setuid" in said or "set-user-ID" in said


def test_script_of_a_static_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!{WORKLOADS / 'hello-static'}\n")
    script.chmod(0o755)
    assert "static" in refused(tmp_path, script, status=1)


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("no-such-program", 127, "no such program"),
        ("", 127, "'': no such program"),
        ("./no-such-program", 127, "no such program"),
        ("./data", 126, "ermission denied"),
        ("./folder", 126, "ermission denied"),
    ],
)
def test_program_that_cannot_run(tmp_path: Path, name: str, status: int, reason: str) -> None:
    """The statuses are those of a shell."""
    (tmp_path / "data").write_text("data\n")
    (tmp_path / "folder").mkdir()
    said = refused(tmp_path, name, status=status)
    assert name.removeprefix("./") in said
    assert reason in said


@pytest.mark.parametrize("arguments", [
    [], ["--no-such-option", "/bin/true"], ["--backend", "magic", "/bin/true"],
    ["--sites", "all", "/bin/true"], ["-o"],
])  # fmt: skip
def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    done = run(HAKREC, *arguments, cwd=tmp_path, env=clean_environ())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert not list(tmp_path.iterdir())


def test_help_and_version(tmp_path: Path) -> None:
    for option in ("--help", "--version"):
        done = run(HAKREC, option, cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout
        assert done.stderr == ""


def test_options_of_the_program_are_its_own(tmp_path: Path) -> None:
    done = run(
        HAKREC, "--quiet", "/bin/echo", "--help", "-o", "x", cwd=tmp_path, env=clean_environ()
    )
    bare = run("/bin/echo", "--help", "-o", "x")
    assert done.stdout == bare.stdout


@pytest.mark.parametrize("program", ["hello-static", "hello-musl"])
def test_child_that_cannot_be_recorded_still_runs(tmp_path: Path, program: str) -> None:
    """A shell is recorded; its child is not, and hakrec says which."""
    if not (WORKLOADS / program).exists():
        pytest.skip("not built")
    script = f"'{WORKLOADS / program}'; echo $?"
    output = tmp_path / "trace.zst"
    done = subprocess.run(
        [HAKREC, "-o", output, "/bin/sh", "-c", script],
        env=clean_environ(), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "hello\n8\n")


IPC_PRIVATE, IPC_CREAT, IPC_RMID = 0, 0o1000, 0


@pytest.fixture
def newer_session() -> Iterator[int]:
    """Shared memory as a hakrec of the next version makes it: its number."""
    header = (ROOT / "recorder" / "session.h").read_text()
    magic = re.search(r"SESSION_MAGIC +0x(\w+)ull", header)
    version = re.search(r"SESSION_VERSION +(\d+)", header)
    assert magic
    assert version
    head = int(magic[1], 16).to_bytes(8, "little") + (int(version[1]) + 1).to_bytes(4, "little")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0o600)
    assert number >= 0
    addr = ctypes.c_void_p(libc.shmat(number, None, 0))
    ctypes.memmove(addr, head, len(head))
    yield number
    libc.shmdt(addr)
    libc.shmctl(number, IPC_RMID, None)


def test_library_of_another_version(newer_session: int) -> None:
    """The program runs, unrecorded, and one line says why."""
    environ = {"LD_PRELOAD": str(BUILD / "libhakrec.so"), "HAKREC_SESSION": str(newer_session)}
    done = run(WORKLOADS / "hello", env=clean_environ() | environ)
    assert (done.returncode, done.stdout) == (8, "hello\n")
    said = (
        r"hakrec: process \d+ is not recorded: hakrec and libhakrec\.so are of different versions\n"
    )
    assert re.fullmatch(said, done.stderr)
