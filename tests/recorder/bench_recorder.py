"""`make bench-recorder`: what recording costs, paired with the same program unrecorded.

Every round runs each program bare, under hakrec and under the tools it is compared with, in an
order that rotates from round to round; ratios are taken within a round, so that slow changes of the
machine cancel. A second bare run shows what the noise alone makes of a ratio. The slowest set-ups
run in the first round alone; after the rounds of everything come more of bare runs and hakrec's,
because a run of a second goes at one of several speeds, as its threads and hakrec happen to lie on
the processors; of the hot loop, whose figure is the smallest, three times as many. Every run is one
JSON line in the file; the table shows medians with their spread (the middle half), and of how many
pairs they are. A second table has the pairs alone in which the machine was as fast as it can be, by
a short loop before and after each run: on some machines the same code takes twice as long at times.

"program CPU" is that of the program and its children, "recorder CPU" that of hakrec itself, both
from the kernel's account, to 10 ms. heaptrack is a script around several processes: only the sum is
known. It does not follow children, so it has no row for g++, only for the compiler proper. The CPU
of LTTng's daemons is not known either; what they discard is counted as lost. bpftrace only counts
the calls of four functions of the C library, without sizes, sites or order.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from ctypes.util import find_library
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from command import BUILD, info
from program import Outcome, Program, execute, missing
from programs import CXX, GIT, PRIME, PYTHON, REDIS, SQLITE, STORM

HAKREC = BUILD / "hakrec"
HOT_PAIRS = 20_000_000
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
LTTNG_WRAPPER = find_library("lttng-ust-libc-wrapper")
SLOW = ("hakrec-ebpf", "lttng", "bpftrace")
PAIR = ("bare", "bare again", "hakrec", "hakrec-address")
TURNS = {"hotloop": 3}  # so many of its rounds for each of another program
BRIEF = ("sqlite3", "git", "prime")

# A run counts as undisturbed when no pace beside it is longer than the shortest by more.
PACE_SLACK = 1.15

Run = dict[str, Any]


def compiler_says(option: str) -> str:
    """What g++ prints for an option; the option itself when there is no g++."""
    if not shutil.which("g++"):
        return option
    done = subprocess.run(["g++", option], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def done_well(outcome: Outcome, folder: Path, scale: int) -> None:
    """The check of programs that only measure."""
    assert outcome.status == 0, outcome.stderr


CC1PLUS = replace(
    CXX,
    name="cc1plus",
    argv=lambda scale: [
        *(compiler_says("-print-prog-name=cc1plus"), "-quiet", "-O2", "-D_GNU_SOURCE"),
        *("-imultiarch", compiler_says("-print-multiarch"), "-o", "large.s", "large.cc"),
    ],
    check=done_well,
    writes=("large.s",),
    needs=("g++",),
)
# Without giving way: that would cost more than the calls.
STEADY_STORM = replace(STORM, argv=lambda scale: STORM.argv(scale)[:-1])
HOTLOOP = Program(
    name="hotloop",
    argv=lambda scale: [str(BUILD / "tests/workloads/hotloop"), str(HOT_PAIRS * scale)],
    check=done_well,
)
# Each program and the scale at which it runs for about a second.
BENCHED = {
    "python": (PYTHON, 4),
    "sqlite3": (SQLITE, 6),
    "g++": (CXX, 1),
    "cc1plus": (CC1PLUS, 1),
    "git": (GIT, 8),
    "redis": (REDIS, 3),
    "storm": (STEADY_STORM, 40),
    "prime": (PRIME, 1),
    "hotloop": (HOTLOOP, 1),
}


# Further options of hakrec, for the programs whose rows show what they cost.
OPTIONS = {
    "hakrec-address": ("--sites", "address"),
    "hakrec-none": ("--sites", "none"),
    "hakrec-exact": ("--time", "exact"),
}
OPTION_ROWS = {
    "python": ("hakrec-exact",),
    "storm": ("hakrec-exact",),
    "hotloop": tuple(OPTIONS),
}


def setups(program: str, folder: Path) -> dict[str, list[str | Path]]:
    """What stands before the command line, by name of the set-up."""
    output: list[str | Path] = ["--quiet", "-o", folder / "trace.zst"]
    known: dict[str, list[str | Path]] = {"bare": [], "bare again": [], "hakrec": [HAKREC, *output]}
    # hakrec is busy as long as the loop is.
    if program == "hotloop":
        known["bare beside"] = [BUILD / "tests/workloads/beside"]
    for name in OPTION_ROWS.get(program, ()):
        known[name] = [HAKREC, *OPTIONS[name], *output]
    if program != "g++" and shutil.which("heaptrack"):
        known["heaptrack"] = ["heaptrack", "-o", folder / "heaptrack"]
    if program in ("hotloop", "cc1plus"):
        return known
    if os.geteuid() == 0:
        known["hakrec-ebpf"] = [HAKREC, "--backend", "ebpf", *output]
    # Both see the C library's functions alone, redis-server calls those of jemalloc.
    if program != "redis" and shutil.which("lttng") and LTTNG_WRAPPER:
        known["lttng"] = ["env", f"LD_PRELOAD={LTTNG_WRAPPER}"]
    # Some of its probes are single-stepped: the programs with more calls would take minutes.
    if program in BRIEF and shutil.which("bpftrace") and os.geteuid() == 0:
        known["bpftrace"] = ["bpftrace", "-q", "-e", bpftrace_program(), "-c"]
    return known


def bpftrace_program() -> str:
    """Counts calls."""
    names = ("malloc", "calloc", "realloc", "free")
    return " ".join(f"uprobe:{LIBC}:{name} {{ @{name} = count(); }}" for name in names)


def lttng(*arguments: str | Path) -> str:
    """What a command of LTTng prints."""
    done = subprocess.run(["lttng", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@contextlib.contextmanager
def session(setup: str, folder: Path) -> Iterator[dict[str, int]]:
    """LTTng's recording session around a run; yields what it counted afterwards."""
    counted: dict[str, int] = {}
    if setup != "lttng":
        yield counted
        return
    place = folder / "lttng"
    name = f"hakrec-bench-{os.getpid()}"
    lttng("create", name, "--output", place)
    try:
        lttng("enable-event", "--session", name, "--userspace", "lttng_ust_libc:*")
        lttng("start", name)
        yield counted
        lttng("stop", name)
        listed = lttng("list", name)
        counted["lost_events"] = sum(map(int, re.findall(r"Discarded events: (\d+)", listed)))
        files = [file for file in place.rglob("*") if file.is_file()]
        counted["file_bytes"] = sum(file.stat().st_size for file in files)
    finally:
        lttng("destroy", name)
        shutil.rmtree(place, ignore_errors=True)


def run_once(program: Program, scale: int, setup: str, folder: Path) -> Outcome:
    """One run, its wrapper's way of taking a command line observed."""
    wrapper = setups(program.name, folder)[setup]
    if setup != "bpftrace":
        return execute(program, folder, wrapper=wrapper, scale=scale, timeout_s=600)
    # It wants the command in one argument.
    command = program.argv(scale)
    (folder / "command.sh").write_text(f"exec {shlex.join(command)}\n")
    whole = replace(program, argv=lambda _: ["/bin/sh command.sh"])
    return execute(whole, folder, wrapper=wrapper, scale=scale, timeout_s=600)


def pace_ns() -> float:
    """How fast the machine is at the moment: see tests/workloads/pace.c."""
    done = subprocess.run(
        [BUILD / "tests/workloads/pace"], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[1]) / 1000


def measure(program: Program, scale: int, setup: str, folder: Path) -> Run:
    """One run."""
    for old in folder.glob("*.zst"):
        old.unlink()
    before_ns = pace_ns()
    with session(setup, folder) as counted:
        outcome = run_once(program, scale, setup, folder)
    after_ns = pace_ns()
    if setup in ("heaptrack", "bpftrace"):  # which write to the program's standard output
        assert outcome.status == 0, outcome.stderr
    else:
        program.check(outcome, folder, scale)
    recorded = setup.startswith("hakrec")
    cpu_ns = outcome.own_cpu_ns + outcome.children_cpu_ns
    run: Run = {
        "program": program.name,
        "scale": scale,
        "setup": setup,
        "wall_ns": outcome.wall_ns,
        "cpu_ns": cpu_ns,
        "program_cpu_ns": outcome.children_cpu_ns if recorded else cpu_ns,
        "recorder_cpu_ns": outcome.own_cpu_ns if recorded else None,
        "events": None,
        "file_bytes": None,
        "lost_events": None,
        "late_events": None,
        "requests_per_s": outcome.figures.get("requests_per_s"),
        "loop_ns": loop_ns(outcome),
        "pace_ns": max(before_ns, after_ns),
    }
    if setup in ("heaptrack", "bpftrace"):
        run["program_cpu_ns"] = None
    if setup == "lttng":
        run["cpu_ns"] = None
    run |= counted
    traces = sorted(folder.glob("*.zst"))
    if recorded:
        facts = [info(trace) for trace in traces]
        for key in ("events", "file_bytes", "lost_events", "late_events"):
            run[key] = sum(fact[key] for fact in facts)
    elif traces:
        run["file_bytes"] = sum(trace.stat().st_size for trace in traces)
    return run


def loop_ns(outcome: Outcome) -> int | None:
    """What the hot loop measured itself."""
    found = re.search(r"wall_ns (\d+)", outcome.stdout)
    return int(found[1]) if found else None


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else None,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "libc": "-".join(platform.libc_ver()),
        "load": os.getloadavg()[0],
    }


def instructions(wrapper: list[str | Path], pairs: int, folder: str) -> int:
    """Instructions of the hot loop, as valgrind counts them."""
    command = [*wrapper, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [BUILD / "tests/workloads/hotloop", str(pairs)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    counted = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert counted, done.stderr
    return int(counted[1].replace(",", ""))


def hook_instructions(sites: str) -> float | None:
    """Instructions that a hook adds to a call: exact, whatever else the machine is doing."""
    few, many = 20_000, 120_000
    if not shutil.which("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        recorded: list[str | Path] = [
            HAKREC,
            "--quiet",
            "--sites",
            sites,
            "-o",
            Path(folder) / "trace.zst",
        ]
        try:
            bare = instructions([], many, folder) - instructions([], few, folder)
            hooked = instructions(recorded, many, folder) - instructions(recorded, few, folder)
        except subprocess.CalledProcessError as error:
            print(f"valgrind: {error}\n{error.stderr}", file=sys.stderr)
            return None
    return (hooked - bare) / (2 * (many - few))


# ---- the table ----


def spread(values: Iterable[float], form: str = "{:.2f}") -> str:
    """Median and middle half."""
    ordered = sorted(values)
    if not ordered:
        return "-"
    if len(ordered) == 1:
        return form.format(ordered[0])
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return " ".join(
        [form.format(statistics.median(ordered)), f"({form.format(low)}-{form.format(high)})"]
    )


def row(program: str, setup: str, rounds: list[dict[str, Run]]) -> list[str]:
    """One line of the table."""
    pairs = [(r["bare"], r[setup]) for r in rounds if setup in r]
    events = [run["events"] for _, run in pairs if run["events"]]
    counted = [(bare, run) for bare, run in pairs if run["events"]]
    lost = [run["lost_events"] for _, run in pairs if run["lost_events"] is not None]

    def per_event(key: str, less: str | None = None) -> list[float]:
        return [(run[key] - (bare[less] if less else 0)) / run["events"] for bare, run in counted]

    key = "loop_ns" if program == "hotloop" else "wall_ns"
    rates = [(b["requests_per_s"], run["requests_per_s"]) for b, run in pairs]
    return [
        program,
        setup,
        str(len(pairs)),
        spread(run[key] / bare[key] for bare, run in pairs),
        spread(
            run["cpu_ns"] / bare["cpu_ns"]
            for bare, run in pairs
            if bare["cpu_ns"] and run["cpu_ns"]
        ),
        spread([with_ / without for without, with_ in rates if without and with_]),
        f"{statistics.median(events):,.0f}" if events else "-",
        f"{statistics.median(lost):,.0f}" if lost else "-",
        spread(per_event(key, less=key), "{:.1f}"),
        spread(per_event("program_cpu_ns", less="program_cpu_ns"), "{:.1f}"),
        spread(per_event("recorder_cpu_ns"), "{:.1f}"),
        spread(per_event("file_bytes"), "{:.2f}"),
    ]


HEAD = ["program", "setup", "pairs", "wall x", "cpu x", "rate x", "events", "lost"]
HEAD += ["wall ns/ev", "prog cpu ns/ev", "rec cpu ns/ev", "bytes/ev"]


def table(rounds: dict[str, list[dict[str, Run]]]) -> str:
    """All programs, one line for each set-up."""
    lines = [HEAD]
    for program, runs in rounds.items():
        setups_run = dict.fromkeys(setup for run in runs for setup in run if setup != "bare")
        lines += [row(program, setup, runs) for setup in setups_run]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def undisturbed(
    rounds: dict[str, list[dict[str, Run]]], best_ns: float
) -> dict[str, list[dict[str, Run]]]:
    """The pairs whose runs both went at the best pace, by round."""

    def steady(run: Run) -> bool:
        return bool(run["pace_ns"] <= PACE_SLACK * best_ns)

    kept = {
        program: [
            {setup: run for setup, run in runs.items() if steady(run)}
            for runs in all_
            if steady(runs["bare"])
        ]
        for program, all_ in rounds.items()
    }
    return {program: runs for program, runs in kept.items() if any(len(r) > 1 for r in runs)}


def added_at_best(rounds: list[dict[str, Run]]) -> Iterator[str]:
    """What the hot loop's calls would take more if it always went as fast as its quickest bare run:
    the median of the ratios, which are steadier than the times they are made of."""
    events = rounds[0]["hakrec"]["events"]
    best_ns = min(runs["bare"]["loop_ns"] for runs in rounds) / events
    for setup in rounds[0]:
        ratios = [r[setup]["loop_ns"] / r["bare"]["loop_ns"] for r in rounds if setup in r]
        added_ns = spread(((ratio - 1) * best_ns for ratio in ratios), "{:.1f}")
        if setup.startswith("hakrec"):
            yield f"{setup}: {added_ns} ns more than the {best_ns:.1f} of a call by itself"


def wanted(setup: str, repeat: int, repeats: int) -> bool:
    """Whether a set-up runs in a round; rounds from number repeats on are of pairs alone."""
    return setup in PAIR or (repeat < repeats and (repeat == 0 or setup not in SLOW))


def run_round(name: str, repeat: int, repeats: int, folder: Path) -> dict[str, Run]:
    """One round of one program, by set-up."""
    program, scale = BENCHED[name]
    if not folder.exists():
        folder.mkdir()
        program.prepare(folder, scale)
    names = [setup for setup in setups(name, folder) if wanted(setup, repeat, repeats)]
    turn = repeat % len(names)
    runs = {setup: measure(program, scale, setup, folder) for setup in names[turn:] + names[:turn]}
    return {setup: runs[setup] for setup in names}


def bench(
    programs: list[str], repeats: int, pairs: int, out: Path
) -> dict[str, list[dict[str, Run]]]:
    """Runs all rounds; appends the runs of each to the file."""
    rounds: dict[str, list[dict[str, Run]]] = {name: [] for name in programs}
    turns = [name for name in programs for _ in range(TURNS.get(name, 1))]
    facts = machine()
    with tempfile.TemporaryDirectory() as folder, out.open("a") as lines:
        for name in turns * max(repeats, pairs):
            repeat = len(rounds[name])
            runs = run_round(name, repeat, repeats, Path(folder) / name)
            for run in runs.values():
                lines.write(json.dumps(run | {"repeat": repeat, "machine": facts}) + "\n")
            lines.flush()
            rounds[name].append(runs)
    return rounds


def main() -> None:
    """Benchmarks what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=BUILD / "bench" / "recorder.jsonl")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of everything")
    parser.add_argument("--pairs", type=int, default=9, help="rounds of bare and hakrec runs")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(BENCHED))
    options = parser.parse_args()
    programs = []
    for name in options.programs or BENCHED:
        if absent := missing(BENCHED[name][0]):
            print(f"{name}: skipped, not installed: {', '.join(absent)}", file=sys.stderr)
        else:
            programs.append(name)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.unlink(missing_ok=True)
    rounds = bench(programs, options.repeats, options.pairs, options.out)
    print(table(rounds))
    paces = [run["pace_ns"] for all_ in rounds.values() for r in all_ for run in r.values()]
    print("\na malloc and a free on all processors at once, beside the runs, ns: ", end="")
    print(f"{min(paces):.1f} at best, {spread(paces, '{:.1f}')}")
    if quiet := undisturbed(rounds, min(paces)):
        print(f"pairs at the best pace, give or take {PACE_SLACK - 1:.0%}:\n{table(quiet)}\n")
    else:
        print("no pair went at the best pace throughout\n")
    if "hotloop" in programs:
        print("hotloop, if it always went as fast as at best:")
        print("\n".join(added_at_best(rounds["hotloop"])), end="\n\n")
        for sites in ("context", "address"):
            added = hook_instructions(sites)
            print(f"hotloop --sites {sites}: {added} instructions added to a call")
    print(f"\nevery run: {options.out}")


if __name__ == "__main__":
    main()
