"""The real programs, unmodified, on libhakmem.so: right in what they do, and hakmem did answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import BUILD, run
from program import Program, clean_environ, execute
from programs import PRIME, PYTHON, REAL_PROGRAMS, SQLITE, STORM
from recording import WORKLOADS, RealRecordings

HAKMEM = BUILD / "libhakmem.so"
SWITCHES = ("tls=0", "tiny=0", "l25=0", "whale=0")


def run_on_hakmem(recordings: RealRecordings, program: Program, options: str = "") -> None:
    """Runs a program on hakmem and compares it with itself on its own allocator."""
    bare = recordings.bare(program)
    folder = recordings.prepared(program, f"hakmem-{options}")
    stats = folder / "hakmem-stats.json"
    words = ",".join(filter(None, [options, f"stats={stats}"]))
    environ = {"LD_PRELOAD": str(HAKMEM), "HAKMEM_OPTIONS": words}
    outcome = execute(program, folder, environ=environ, scale=recordings.scale)
    assert outcome.visible() == bare.visible()
    program.check(outcome, folder, recordings.scale)
    counters = json.loads(stats.read_text())
    assert counters["heaps_created"] >= 1
    assert counters["mapped_peak_bytes"] > 0


@pytest.mark.parametrize("program", [*REAL_PROGRAMS, STORM], ids=lambda program: program.name)
def test_program(real_recordings: RealRecordings, program: Program) -> None:
    run_on_hakmem(real_recordings, program)


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("program", [PYTHON, SQLITE, PRIME, STORM], ids=lambda p: p.name)
def test_program_without_a_part(
    real_recordings: RealRecordings, program: Program, switch: str
) -> None:
    run_on_hakmem(real_recordings, program, switch)


@pytest.mark.parametrize(
    "command",
    [
        ["edges"],
        ["operators"],
        ["forker"],
        ["forkstorm", "20"],
        ["execer", "1", "thread"],
        ["spawner", "vfork"],
        ["spawner", "posix_spawn"],
        ["exits"],
        ["churn", "2000", "8"],
        ["churn", "2000", "2000"],
        ["heights"],
        ["limit", "64"],
        ["pluginhost", "libplugin-a.so", "libplugin-b.so"],
    ],
    ids=" ".join,
)
def test_hard_cases(tmp_path: Path, command: list[str]) -> None:
    words = [str(WORKLOADS / word) if word.endswith(".so") else word for word in command]
    words[0] = str(WORKLOADS / command[0])
    bare = run(*words, env=clean_environ(), cwd=tmp_path)
    done = run(*words, env=clean_environ() | {"LD_PRELOAD": str(HAKMEM)}, cwd=tmp_path)
    assert (done.returncode, promised(done.stdout), done.stderr) == (
        bare.returncode,
        promised(bare.stdout),
        bare.stderr,
    )


def promised(output: str) -> list[str]:
    """What every allocator must do alike: all but whether a block grows where it is."""
    return [line for line in output.splitlines() if not line.startswith(("grown", "shrunk"))]
