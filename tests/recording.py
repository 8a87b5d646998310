"""Records programs with hakrec and reads the traces, for tests.

Traces are read through `haktrace` alone. Rows are the objects that `haktrace dump --json` prints.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import haktrace
import pytest
from command import BUILD, info, run
from program import Outcome, Program, clean_environ, execute, missing

HAKREC = BUILD / "hakrec"
HAKTRACE = BUILD / "haktrace"
WORKLOADS = BUILD / "tests" / "workloads"

# Tests run with 1; `make soak` runs the same tests with more.
SCALE = int(os.environ.get("HAK_SCALE", "1"))
READ_S = 300 * SCALE  # to read a trace from end to end, at most

Row = dict[str, Any]


def shell_status(status: int) -> int:
    """An exit status as a shell shows it: 128 and the number of the signal that ended a process."""
    return 128 - status if status < 0 else status


@dataclass
class Trace:
    """One trace file."""

    path: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        """What `haktrace info --json` says."""
        return info(self.path, timeout=READ_S)

    @cached_property
    def rows(self) -> list[Row]:
        """Every row, in order. For small traces."""
        done = run(HAKTRACE, "dump", "--json", self.path)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @property
    def calls(self) -> list[Row]:
        """The rows that are calls."""
        return [row for row in self.rows if not is_mark(row)]

    def calls_from(self, module: str) -> list[Row]:
        """The calls that came from the module of this file name."""
        return [row for row in self.calls if Path(row["module"] or "").name == module]

    @property
    def image(self) -> str:
        """The file name of the program."""
        return Path(self.info["program"]).name

    def assert_sound(self, lost: int = 0, foreign: int = 0) -> None:
        """Verifies, whole, nothing lost, late rows put right without moving any."""
        done = run(HAKTRACE, "verify", self.path, timeout=READ_S)
        assert done.returncode == 0, done.stderr
        facts = self.info
        assert facts["complete"]
        assert facts["lost_events"] == lost
        assert facts["repaired_events"] == 0
        assert facts["foreign_frees"] == foreign
        assert facts["late_events"] is not None

    def count_by_thread(self) -> dict[int, Counter[str]]:
        """Calls by thread and kind, for traces of any size."""
        counts: dict[int, Counter[str]] = {}
        with subprocess.Popen(
            [HAKTRACE, "dump", self.path], stdout=subprocess.PIPE, text=True
        ) as dump:
            assert dump.stdout
            for line in dump.stdout:
                _, thread, call, *_ = line.split("\t", 3)
                kind = call.partition("(")[0]
                counts.setdefault(int(thread), Counter())[kind] += 1
        assert dump.returncode == 0
        return counts


MARKS = {"thread_start", "thread_exit", "inherited", "lost", "mark"}


def is_mark(row: Row) -> bool:
    """Whether a row is no call."""
    return row["kind"] in MARKS


def brief(row: Row) -> tuple[Any, ...]:
    """A row without numbers that depend on the run: kind, size, align, flags."""
    return row["kind"], row["size"], row["align"], tuple(row["flags"])


@dataclass
class Recording:
    """One run under hakrec and the traces it left."""

    folder: Path
    done: subprocess.CompletedProcess[str]
    output: Path

    @cached_property
    def traces(self) -> list[Trace]:
        """All traces, the first process's last image (FILE) first."""
        others = [path for path in self.folder.glob("*.zst") if path != self.output]
        return [Trace(path) for path in [self.output, *sorted(others)] if path.exists()]

    @property
    def trace(self) -> Trace:
        """The trace of the first process's last image."""
        return Trace(self.output)

    @property
    def others(self) -> list[Trace]:
        """The traces of children and of earlier images."""
        return [trace for trace in self.traces if trace.path != self.output]

    def assert_sound(self) -> None:
        """Every trace is."""
        assert self.traces
        for trace in self.traces:
            trace.assert_sound()


def record(
    folder: Path,
    *command: str | Path,
    options: Sequence[str | Path] = ("--quiet",),
    environ: Mapping[str, str] | None = None,
    hakrec: Path = HAKREC,
    **run_options: Any,
) -> Recording:
    """Records a command into folder/trace.zst."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "trace.zst"
    env = clean_environ() | dict(environ or {})
    done = run(
        hakrec,
        *options,
        "-o",
        output,
        *command,
        env=env,
        cwd=folder,
        **({"timeout": 120} | run_options),
    )
    return Recording(folder, done, output)


def record_like_bare(
    folder: Path,
    *command: str | Path,
    environ: Mapping[str, str] | None = None,
    **run_options: Any,
) -> Recording:
    """Runs a command bare and recorded, each in a folder of its own, and compares what shows."""
    bare_folder = folder / "bare"
    bare_folder.mkdir(parents=True)
    env = clean_environ() | dict(environ or {})
    bare = run(*command, env=env, cwd=bare_folder, **({"timeout": 60} | run_options))
    recording = record(folder / "recorded", *command, environ=environ, **run_options)
    done = recording.done
    assert (shell_status(done.returncode), done.stdout, done.stderr) == (
        shell_status(bare.returncode),
        bare.stdout,
        bare.stderr,
    )
    return recording


# ---- real programs ----


@dataclass
class RealRecording:
    """A real program, run once bare and once recorded."""

    program: Program
    folder: Path
    scale: int
    bare: Outcome
    recorded: Outcome
    traces: list[Trace]

    @property
    def largest(self) -> Trace:
        """The trace with the most events (of g++: the compiler proper's)."""
        return max(self.traces, key=lambda trace: int(trace.info["events"]))


@dataclass
class RealRecordings:
    """Runs each real program once bare and once recorded, when that is first asked for."""

    folder: Path
    scale: int = SCALE
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    made: dict[str, RealRecording] = field(default_factory=dict)

    def prepared(self, program: Program, kind: str, scale: int = 0) -> Path:
        """A fresh folder with the program's input; skips when the program is not there."""
        if absent := missing(program):
            pytest.skip(f"not installed: {', '.join(absent)}")
        folder = self.folder / f"{program.name}-{kind}"
        folder.mkdir(parents=True)
        program.prepare(folder, scale or self.scale)
        return folder

    def bare(self, program: Program) -> Outcome:
        """What the program does by itself."""
        if program.name not in self.outcomes:
            folder = self.prepared(program, "bare")
            outcome = execute(program, folder, scale=self.scale)
            program.check(outcome, folder, self.scale)
            self.outcomes[program.name] = outcome
        return self.outcomes[program.name]

    def __call__(self, program: Program) -> RealRecording:
        """The recording of a program."""
        if program.name not in self.made:
            self.made[program.name] = self.make(program)
        return self.made[program.name]

    def make(self, program: Program) -> RealRecording:
        """Records a program."""
        bare = self.bare(program)
        folder = self.prepared(program, "recorded")
        traces = self.folder / f"{program.name}-traces"
        traces.mkdir()
        wrapper = [HAKREC, "--quiet", "-o", traces / "trace.zst"]
        recorded = execute(program, folder, wrapper=wrapper, scale=self.scale)
        return RealRecording(
            program=program,
            folder=folder,
            scale=self.scale,
            bare=bare,
            recorded=recorded,
            traces=[Trace(path) for path in sorted(traces.glob("*.zst"))],
        )


# ---- waiting ----


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Waits until a condition gives something true, which it returns."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.002)
    return value


def children(pid: int) -> list[int]:
    """Processes whose parent a process is."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


def traced_program(hakrec_pid: int, image: str) -> int | None:
    """The process below hakrec that runs an image, once it does."""
    for pid in children(hakrec_pid):
        try:
            if Path(f"/proc/{pid}/exe").resolve().name == image:
                return pid
        except OSError:
            continue
    return None


def sizes(rows: Iterable[Row]) -> list[int]:
    """Sizes of the rows that have one."""
    return [row["size"] for row in rows if row["size"] is not None]


def pid_of(trace: Trace) -> int | None:
    """The process id in a trace's name, NAME.PID.zst or NAME.PID.N.zst."""
    match = re.search(r"\.(\d+)(\.\d+)?\.zst$", trace.path.name)
    return int(match[1]) if match else None


def stacks(trace: Path) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """The first stack of each site that has one, by the site's offset and height."""
    read = haktrace.read_trace(trace)
    first: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for _, frames in read.stacks.groupby("stack"):
        site = read.sites.loc[frames.site.iloc[0]]
        modules = [Path(str(module)).name for module in frames.module]
        walked = list(zip(modules, map(int, frames.offset), strict=True))
        first.setdefault((site.offset, site.height), walked)
    return first
