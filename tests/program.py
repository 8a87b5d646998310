"""A program that tests and benchmarks run: its input, its command line, what is right of it.

`execute` runs one, bare or behind a wrapper (`hakrec -o FILE`) or a preload, and tells what it
printed, how it ended and what it cost.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Outcome:
    """One run: everything a user could compare, and what it cost."""

    status: int
    """Exit status; minus the signal's number when one ended it."""
    stdout: str
    stderr: str
    files: dict[str, str]
    """SHA-256 of each file that the program wrote."""
    wall_ns: int
    own_cpu_ns: int
    """CPU of the process that was started (with a wrapper: of the wrapper), to 10 ms."""
    children_cpu_ns: int
    """CPU of the children it waited for."""
    figures: dict[str, float] = field(default_factory=dict)
    """What the program's driver measured."""

    def visible(self) -> tuple[int, str, str, dict[str, str]]:
        """What must not depend on being recorded or on the allocator."""
        return self.status, self.stdout, self.stderr, self.files


@dataclass(frozen=True)
class Program:
    """A program, how to make its input and how to tell that its output is right."""

    name: str
    argv: Callable[[int], list[str]]
    """The command line at a scale (1: tests, more: benchmarks and soaks)."""
    check: Callable[[Outcome, Path, int], None]
    """Asserts that an outcome is right, given the folder of the run and the scale."""
    prepare: Callable[[Path, int], None] = lambda folder, scale: None
    environ: Mapping[str, str] = field(default_factory=dict)
    writes: tuple[str, ...] = ()
    drive: Callable[[Path, int], tuple[str, dict[str, float]]] | None = None
    """For a server: talks to it until it ends; returns text for stdout and figures."""
    needs: tuple[str, ...] = ()
    threads: int = 1
    """The least number of threads that make calls."""


def missing(program: Program) -> list[str]:
    """Commands that a program needs and this machine has not."""
    return [command for command in program.needs if not shutil.which(command)]


# ---- running ----


def cpu_ns(pid: int) -> tuple[int, int]:
    """CPU of a process that ended and was not waited for yet, and of its waited-for children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    tick_ns = 1_000_000_000 // TICKS
    return (user + system) * tick_ns, (children_user + children_system) * tick_ns


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that was started in a session of its own, and all in it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def execute(
    program: Program,
    folder: Path,
    *,
    wrapper: Sequence[object] = (),
    environ: Mapping[str, str] | None = None,
    scale: int = 1,
    timeout_s: float = 300,
) -> Outcome:
    """Runs a prepared program in its folder to its end."""
    command = [*map(str, wrapper), *program.argv(scale)]
    env = clean_environ() | dict(program.environ) | dict(environ or {})
    out, err = folder / "stdout", folder / "stderr"
    answer = ""
    figures: dict[str, float] = {}
    with out.open("wb") as stdout, err.open("wb") as stderr:
        begin = time.monotonic_ns()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        guard = threading.Timer(timeout_s, kill_group, [process])
        guard.start()
        try:
            if program.drive:
                answer, figures = program.drive(folder, scale)
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            wall_ns = time.monotonic_ns() - begin
            own, children = cpu_ns(process.pid)
        except BaseException:
            kill_group(process)
            raise
        finally:
            guard.cancel()
            status = process.wait()
    return Outcome(
        status=status,
        stdout=answer if program.drive else out.read_text(errors="replace"),
        stderr=err.read_text(errors="replace"),
        files={name: digest(folder / name) for name in program.writes},
        wall_ns=wall_ns,
        own_cpu_ns=own,
        children_cpu_ns=children,
        figures=figures,
    )


def clean_environ() -> dict[str, str]:
    """An environment that does not depend on who runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    # Programs are found where Debian puts them, not behind a user's version manager.
    kept["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def digest(path: Path) -> str:
    """SHA-256 of a file, "missing" when it is not there."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
