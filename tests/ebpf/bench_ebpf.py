"""`make bench-ebpf`: what the eBPF backend costs: a probe, a program's calls, attaching, detaching.

Every figure is one JSON line in the file; the tables show medians with their spread (the middle
half). A probe's cost is what a call took longer than without it in the same process. "Events a
second" are the trace's calls by its duration, of threads that do nothing but allocate. Attaching is
timed from the start of hakrec until it follows; the speed is what a program counts of its own calls
in half a second before, while it is recorded, and after hakrec has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recorder"))

from bench_recorder import machine, spread
from command import BUILD, info, run
from program import clean_environ
from recording import HAKREC, WORKLOADS, wait_for

METHODS = ("session", "multi", "perf", "stepped")
CALLS = 200_000
EXCHANGES = 2_000_000  # of all threads
SPEED_S = 0.5

Figure = dict[str, Any]


def probe_costs() -> Iterator[Figure]:
    """Nanoseconds a call by the way of putting probes."""
    for method in METHODS:
        helper = BUILD / "tests/ebpf/probecost"
        calls = CALLS // 10 if method == "stepped" else CALLS
        done = run(helper, method, calls)
        found = re.fullmatch(r"malloc_ns (\S+) free_ns (\S+)\n", done.stdout)
        if found:
            yield {"probe": method, "malloc_ns": float(found[1]), "free_ns": float(found[2])}
        else:
            print(done.stderr, file=sys.stderr)


def throughput(folder: Path) -> Iterator[Figure]:
    """Events a second of a storm, and how many were dropped."""
    for threads in (1, 2, 4):
        trace = folder / "storm.zst"
        storm = [WORKLOADS / "storm", str(threads), str(EXCHANGES // threads)]
        command = [HAKREC, "--backend", "ebpf", "--quiet", "-o", trace, *storm]
        done = run(*command, env=clean_environ())
        assert done.returncode == 0, done.stderr
        facts = info(trace)
        ns_per_event = facts["duration_ns"] / facts["events"]
        yield {
            "threads": threads,
            "events": facts["events"],
            "lost_events": facts["lost_events"],
            "events_per_s": 1e9 / ns_per_event,
            "ns_per_event_of_a_core": ns_per_event * min(threads, os.cpu_count() or 1),
        }


def follows(hakrec: int) -> bool:
    """Whether hakrec is attached: then it has a thread that follows."""
    names = [path.read_text() for path in Path(f"/proc/{hakrec}/task").glob("*/comm")]
    return "hakrec-follow\n" in names


def attach(pid: int, trace: Path) -> tuple[subprocess.Popen[bytes], float]:
    """hakrec, attached, and the seconds that this took."""
    begin = time.monotonic()
    hakrec = subprocess.Popen([HAKREC, "--quiet", "-p", str(pid), "-o", trace])
    wait_for(lambda: follows(hakrec.pid), "it is attached")
    return hakrec, time.monotonic() - begin


def detach(hakrec: subprocess.Popen[bytes]) -> float:
    """Ends a recording; the seconds that this took."""
    begin = time.monotonic()
    hakrec.send_signal(signal.SIGINT)
    assert hakrec.wait(timeout=60) == 0
    return time.monotonic() - begin


def attaching(folder: Path) -> Iterator[Figure]:
    """Times of attaching to a process that sleeps and one whose threads are all busy, and its
    speed."""
    sleeper = subprocess.Popen(["sleep", "60"])
    hakrec, seconds = attach(sleeper.pid, folder / "sleeper.zst")
    end_s = detach(hakrec)
    sleeper.kill()
    sleeper.wait()
    yield {"attached": "a process that sleeps", "attach_ms": seconds * 1e3, "end_ms": end_s * 1e3}

    counts = folder / "counts"
    counts.unlink(missing_ok=True)
    busy = subprocess.Popen([WORKLOADS / "progress", counts], env=clean_environ())

    def speed() -> float:
        data = counts.read_bytes()[:32]
        calls = sum(int.from_bytes(data[i : i + 8], "little") for i in range(0, 32, 8))
        time.sleep(SPEED_S)
        data = counts.read_bytes()[:32]
        return sum(int.from_bytes(data[i : i + 8], "little") for i in range(0, 32, 8)) - calls

    wait_for(lambda: counts.exists() and counts.stat().st_size, "it works")
    time.sleep(SPEED_S)
    before = speed()
    hakrec, seconds = attach(busy.pid, folder / "busy.zst")
    during = speed()
    end_s = detach(hakrec)
    after = speed()
    busy.kill()
    busy.wait()
    yield {
        "attached": "four busy threads",
        "attach_ms": seconds * 1e3,
        "end_ms": end_s * 1e3,
        "speed_during": during / before,
        "speed_after": after / before,
    }


def table(figures: list[Figure], key: str, columns: list[str]) -> str:
    """One line for each value of a key, medians with their spread."""
    lines = [[key, *columns]]
    for name in dict.fromkeys(figure[key] for figure in figures if key in figure):
        rows = [figure for figure in figures if figure.get(key) == name]
        forms = {column: "{:,.0f}" if "events" in column else "{:.2f}" for column in columns}
        lines.append(
            [str(name)] + [spread([r[c] for r in rows if c in r], forms[c]) for c in columns]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main() -> None:
    """Measures everything, some times over."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=BUILD / "bench" / "ebpf.jsonl")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench_ebpf: skipped: eBPF needs root")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name, options.out.open("w") as lines:
        folder, facts = Path(name), machine()
        for repeat in range(options.repeats):
            for measured in (probe_costs(), throughput(folder), attaching(folder)):
                for figure in measured:
                    figures.append(figure)
                    lines.write(json.dumps(figure | {"repeat": repeat, "machine": facts}) + "\n")
    print(table(figures, "probe", ["malloc_ns", "free_ns"]), end="\n\n")
    columns = ["events_per_s", "ns_per_event_of_a_core", "lost_events"]
    print(table(figures, "threads", columns), end="\n\n")
    columns = ["attach_ms", "end_ms", "speed_during", "speed_after"]
    print(table(figures, "attached", columns))
    print(f"\n{options.repeats} rounds; every figure: {options.out}")


if __name__ == "__main__":
    main()
