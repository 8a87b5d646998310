"""hakrec takes the backend that works for a program, or says in one sentence why none does."""

from __future__ import annotations

import os
import pwd
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import run
from program import clean_environ
from recording import HAKREC, WORKLOADS, Recording, record

pytestmark = pytest.mark.usefixtures("ebpf")

HELLO = (8, "hello\n")  # status and output of the program


def sentences(recording: Recording) -> list[str]:
    """What hakrec said, but for its summary."""
    return [line for line in recording.done.stderr.splitlines() if " events, " not in line]


def assert_recorded(recording: Recording, backend: str) -> None:
    """The program did what it does, and its own two calls are in the trace."""
    assert (recording.done.returncode, recording.done.stdout) == HELLO
    recording.assert_sound()
    assert recording.trace.info["backend"] == backend
    own = [row for row in recording.trace.calls if row["size"] == 81]
    assert [row["kind"] for row in own] == ["malloc"]
    freed = [row["old_object"] for row in recording.trace.calls if row["kind"] == "free"]
    assert own[0]["object"] in freed


def script(folder: Path, interpreter: Path | str, text: str = "") -> Path:
    """A script."""
    path = folder / "script"
    path.write_text(f"#!{interpreter}\n{text}")
    path.chmod(0o755)
    return path


def test_dynamic_program(tmp_path: Path) -> None:
    recording = record(tmp_path, WORKLOADS / "hello", options=())
    assert_recorded(recording, "preload")
    assert sentences(recording) == []


def test_stripped_program(tmp_path: Path) -> None:
    """The allocator is the library's, whose symbols nobody strips."""
    run("strip", "-o", tmp_path / "stripped", WORKLOADS / "hello")
    for backend in ("preload", "ebpf"):
        options = () if backend == "preload" else ("--backend", "ebpf")
        recording = record(tmp_path / backend, tmp_path / "stripped", options=options)
        assert_recorded(recording, backend)
        assert sentences(recording) == []


@pytest.mark.parametrize("program", ["hello-static", "hello-musl"])
def test_other_c_libraries(tmp_path: Path, program: str) -> None:
    if not (WORKLOADS / program).exists():
        pytest.skip(f"{program} is not built")
    recording = record(tmp_path, WORKLOADS / program, options=())
    assert_recorded(recording, "ebpf")
    [said] = sentences(recording)
    assert "nothing can be preloaded" in said
    assert said.endswith("; recording with eBPF")


def test_setuid_program(tmp_path: Path) -> None:
    program = tmp_path / "hello-setuid"
    shutil.copy(WORKLOADS / "hello", program)
    os.chown(program, pwd.getpwnam("nobody").pw_uid, -1)
    program.chmod(0o4755)
    recording = record(tmp_path, program, options=())
    assert_recorded(recording, "ebpf")
    [said] = sentences(recording)
    assert "is setuid or setgid, so nothing can be preloaded into it; recording with eBPF" in said


def test_stripped_static_program(tmp_path: Path) -> None:
    """It runs; that it could not be recorded is said, and no empty trace is left."""
    program = tmp_path / "stripped"
    run("strip", "-o", program, WORKLOADS / "hello-static")
    recording = record(tmp_path, program)
    assert (recording.done.returncode, recording.done.stdout) == (1, "hello\n")
    [said] = sentences(recording)
    assert "statically linked and stripped" in said
    assert "symbol" in said
    assert not recording.traces


def test_script(tmp_path: Path) -> None:
    recording = record(tmp_path, script(tmp_path, "/bin/sh", "exit 5\n"), options=())
    assert recording.done.returncode == 5
    assert sentences(recording) == []
    recording.assert_sound()
    assert recording.trace.info["backend"] == "preload"


def test_script_of_a_static_interpreter(tmp_path: Path) -> None:
    recording = record(tmp_path, script(tmp_path, WORKLOADS / "hello-static"), options=())
    assert_recorded(recording, "ebpf")
    [said] = sentences(recording)
    assert "hello-static is statically linked" in said


@pytest.mark.parametrize(("name", "status", "reason"), [
    ("no-such-program", 127, "no-such-program: no such program"),
    ("./data", 126, "./data: Permission denied"),
    ("./script", 127, "its interpreter /no/such/shell: No such file or directory"),
])  # fmt: skip
@pytest.mark.parametrize("options", [(), ("--backend", "ebpf")], ids=["by itself", "ebpf"])
def test_program_that_cannot_run(
    tmp_path: Path, name: str, status: int, reason: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "data").write_text("data\n")
    script(tmp_path, "/no/such/shell")
    recording = record(tmp_path, name, options=options)
    assert (recording.done.returncode, recording.done.stdout) == (status, "")
    [said] = sentences(recording)
    assert reason in said
    assert not recording.traces


def test_backend_that_does_not_fit(tmp_path: Path) -> None:
    options = ("--backend", "preload")
    recording = record(tmp_path, WORKLOADS / "hello-static", options=options)
    assert (recording.done.returncode, recording.done.stdout) == (1, "")
    [said] = sentences(recording)
    assert said.endswith("; try --backend ebpf")


# ---- where eBPF cannot be used ----


def test_container(tmp_path: Path) -> None:
    """The kernel part would take its processes for others: no empty trace is written."""
    enter = ("unshare", "--pid", "--fork", "--mount-proc")
    if run(*enter, "true").returncode != 0:
        pytest.skip("no namespaces here")
    reason = (
        "the eBPF backend does not work where processes have numbers of their own "
        "(a container's PID namespace)\n"
    )
    done = run(*enter, HAKREC, "--backend", "ebpf", WORKLOADS / "hello", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hakrec: {reason}"
    done = run(*enter, HAKREC, "-q", WORKLOADS / "hello-static", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"; and {reason}")
    assert not list(tmp_path.iterdir())
    done = run(*enter, HAKREC, "-q", WORKLOADS / "hello", cwd=tmp_path)
    assert (done.returncode, done.stdout) == HELLO


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Not tmp_path, into which other users may not look: with hakrec, its library, a program."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        for path in (HAKREC, HAKREC.parent / "libhakrec.so", WORKLOADS / "hello",
                     WORKLOADS / "hello-static"):  # fmt: skip
            shutil.copy(path, folder)
        yield folder


def as_nobody(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Status, output and messages of hakrec when nobody uses it."""
    done = run(folder / "hakrec", "-q", *arguments, user="nobody", cwd=folder, env=clean_environ())
    return done.returncode, done.stdout, done.stderr


def test_unprivileged_user(open_folder: Path) -> None:
    assert as_nobody(open_folder, "./hello") == (*HELLO, "")
    needs_root = "the eBPF backend needs root\n"
    refusal = (1, "", f"hakrec: {needs_root}")
    assert as_nobody(open_folder, "--backend", "ebpf", "./hello") == refusal
    assert as_nobody(open_folder, "-p", "1") == refusal
    status, output, said = as_nobody(open_folder, "./hello-static")
    assert (status, output) == (1, "")
    assert said == (
        "hakrec: ./hello-static is statically linked, so nothing can be preloaded into it; "
        f"and {needs_root}"
    )


def test_file_capabilities(open_folder: Path) -> None:
    """The dynamic linker takes such a program for setuid, unless root runs it."""
    permitted = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # CAP_NET_RAW, effective
    try:
        os.setxattr(open_folder / "hello", "security.capability", permitted)
    except OSError as error:
        pytest.skip(f"no file capabilities here: {error}")
    status, output, said = as_nobody(open_folder, "./hello")
    assert (status, output) == (1, "")
    assert said == (
        "hakrec: ./hello has file capabilities, so nothing can be preloaded into it; "
        "and the eBPF backend needs root\n"
    )
    assert_recorded(record(open_folder / "root", open_folder / "hello", options=()), "preload")


def test_no_disassembler(tmp_path: Path) -> None:
    """A library that cannot be loaded is named, and the program is not begun."""
    library = tmp_path / "libcapstone.so.4"
    library.write_bytes(b"")
    environ = {**clean_environ(), "LD_LIBRARY_PATH": str(tmp_path)}
    trace = tmp_path / "trace.zst"
    done = run(HAKREC, "--backend", "ebpf", "-o", trace, WORKLOADS / "hello", env=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hakrec: {library}: file too short\n"
    assert not trace.exists()
    done = run(HAKREC, "-q", "-o", trace, WORKLOADS / "hello", env=environ)
    assert (done.returncode, done.stdout, done.stderr) == (*HELLO, "")
