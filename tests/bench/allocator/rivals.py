"""Benchmarks of allocators: hakmem and every one found, interleaved, each run a fresh process.

Writes one JSON object per run; prints a table per benchmark (median time per operation with its
spread, the median of the ratios to glibc in the same repetition, peak resident memory), then how
hakmem stands to the best and the leanest opponent of each, and the geometric means over all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("HAK_BUILD", ROOT / "build"))
SAMPLES = ROOT / "traces" / "samples"
MULTIARCH = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"
LIBRARIES = Path("/usr/lib") / MULTIARCH
CMEEL = Path(sysconfig.get_path("purelib")) / "cmeel.prefix" / "lib"

ALLOCATORS = {
    "hakmem": BUILD / "libhakmem.so",
    "glibc": None,
    "jemalloc": LIBRARIES / "libjemalloc.so.2",
    "tcmalloc": LIBRARIES / "libtcmalloc_minimal.so.4",
    "mimalloc": LIBRARIES / "libmimalloc.so.2.0",
    "mimalloc3": CMEEL / "libmimalloc.so.3",
}

# Below, a program's own memory and the libraries' would be compared, not the allocators.
COMPARED_BYTES = 10e6

Row = dict[str, float]
Rows = dict[str, list[Row]]


@dataclass(frozen=True)
class Benchmark:
    """A name, and what runs it once on each of the named allocators."""

    name: str
    run: Callable[[list[str]], Iterator[tuple[str, Row]]]


def program(name: str, file: str, *arguments: float) -> Benchmark:
    """A program of this folder; its arguments are numbers."""
    words = [str(argument) for argument in arguments]

    def run(allocators: list[str]) -> Iterator[tuple[str, Row]]:
        for allocator in allocators:
            yield allocator, program_run(file, words, allocator)

    return Benchmark(name, run)


def larson(threads: int, rounds: int) -> Benchmark:
    """Both forms: a new thread each round, or after a thousand rounds."""
    form = "" if rounds == 1 else "-rounds"
    return program(f"larson{form}-{threads}", "larson", threads, rounds, 0.8)


def replay(trace: Path, schedule: str) -> Benchmark:
    """A recorded trace, by hakreplay with its standard settings."""

    def run(allocators: list[str]) -> Iterator[tuple[str, Row]]:
        yield from replay_run(trace, schedule, allocators)

    return Benchmark(f"{trace.stem}-{schedule}", run)


BENCHMARKS = [
    *(larson(threads, 1) for threads in (1, 2, 4, 16)),
    *(larson(threads, 1000) for threads in (1, 2, 4, 16)),
    program("pair-64", "pair", 64, 20_000_000),
    program("batch-random", "batch", 10_000, 1024, 500, 2),
    program("json-first", "large", 65_536, 1),
    program("json", "large", 65_536, 1_000_000),
    program("mir-first", "large", 262_144, 1),
    program("mir", "large", 262_144, 300_000),
    program("vm-first", "large", 2_097_152, 1),
    program("vm", "large", 2_097_152, 20_000),
    program("thrash-2", "scratch", 0, 2, 4000, 8),
    program("scratch-2", "scratch", 1, 2, 4000, 8),
    program("mixed-2", "mixed", 2, 1_000_000, 262_144, 100),
    program("mixed-8", "mixed", 8, 100_000, 4_000_000, 300),
    program("mixed-64", "mixed", 64, 30_000, 65_536, 100),
    program("mixed-500", "mixed", 500, 4_000, 65_536, 100),
    program("relay-64", "relay", 1, 5_000_000, 64),
    program("relay-2000", "relay", 1, 2_000_000, 2000),
    program("relay-100000", "relay", 1, 50_000, 100_000),
    program("batches-1", "batches", 1, 1000, 1000),
    program("batches-4", "batches", 4, 300, 1000),
    program("phases", "phases", 50_000_000, 12),
    *(
        replay(trace, schedule)
        for trace in sorted(SAMPLES.glob("*.zst"))
        for schedule in ("lockstep", "parallel")
    ),
]


def library_of(name: str) -> Path:
    """The file whose malloc has to answer."""
    preload = ALLOCATORS[name]
    return preload if preload else LIBRARIES / "libc.so.6"


def program_run(file: str, arguments: list[str], name: str) -> Row:
    """One run in a fresh process; raises when another allocator answered."""
    preload = ALLOCATORS[name]
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    if preload:
        environment["LD_PRELOAD"] = str(preload)
    done = subprocess.run(
        [BUILD / "tests" / "bench" / "allocator" / file, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    figures = json.loads(done.stdout)
    answered = Path(figures["library"]).resolve()
    if answered != library_of(name).resolve():
        raise RuntimeError(f"{answered} answered instead of {library_of(name)}")
    return {
        "ns_per_op": figures["seconds"] * 1e9 / figures["operations"],
        "peak_rss_bytes": figures["peak_rss_kib"] * 1024,
    }


def replay_run(trace: Path, schedule: str, allocators: list[str]) -> Iterator[tuple[str, Row]]:
    """One replay on each allocator."""
    named = [f"{name}={ALLOCATORS[name]}" if ALLOCATORS[name] else name for name in allocators]
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as results:
        command: list[str | Path] = [
            BUILD / "hakreplay",
            trace,
            "--alloc",
            ",".join(named),
            "--repeat",
            "1",
        ]
        subprocess.run(
            [*command, "--schedule", schedule, "--json", results.name],
            capture_output=True,
            check=True,
            timeout=600,
        )
        for line in Path(results.name).read_text().splitlines():
            figures = json.loads(line)
            yield (
                figures["allocator"],
                {key: figures[key] for key in ("ns_per_op", "peak_rss_bytes")},
            )


def machine() -> dict[str, str]:
    """What a reader needs to know to compare."""
    return {
        "kernel": platform.release(),
        "processor": platform.machine(),
        "cpus": str(os.cpu_count()),
    }


def median_of(rows: list[Row], field: str) -> float:
    """The median of one figure."""
    return statistics.median(row[field] for row in rows)


def mean_of(ratios: list[float]) -> str:
    """The geometric mean as text."""
    return f"{math.exp(statistics.fmean(map(math.log, ratios))):.3f}" if ratios else "-"


def speed_ratio(rows: Rows, name: str, base: str) -> float:
    """The median of the ratios of speed within each repetition; above 1: faster than `base`."""
    pairs = zip(rows[base], rows[name], strict=True)
    return statistics.median(other["ns_per_op"] / own["ns_per_op"] for other, own in pairs)


def memory_ratio(rows: Rows, name: str, base: str) -> float:
    """The ratio of the median peaks; below 1: leaner than `base`."""
    return median_of(rows[name], "peak_rss_bytes") / median_of(rows[base], "peak_rss_bytes")


def show(name: str, rows: Rows) -> None:
    """The table of one benchmark."""
    print(name)
    for allocator, runs in rows.items():
        times = sorted(run["ns_per_op"] for run in runs)
        print(
            f"  {allocator:<10}{statistics.median(times):>12.2f} ns"
            f"  [{times[0]:.2f} .. {times[-1]:.2f}]"
            f"  x{speed_ratio(rows, allocator, 'glibc'):.2f} glibc"
            f"  {median_of(runs, 'peak_rss_bytes') / 2**20:.1f} MiB"
        )


def standing(results: dict[str, Rows]) -> None:
    """How hakmem stands on each benchmark to glibc, to the fastest and to the leanest opponent."""
    print(
        f"{'hakmem':<22}{'speed to':>9} {'to the fastest':>24} {'memory to':>10}"
        f" {'to the leanest':>24}"
    )
    print(f"{'':<22}{'glibc':>9} {'':>24} {'glibc':>10}")
    for benchmark, rows in results.items():
        opponents = [name for name in rows if name != "hakmem"]
        fastest = min(opponents, key=lambda name: median_of(rows[name], "ns_per_op"))
        leanest = min(opponents, key=lambda name: median_of(rows[name], "peak_rss_bytes"))
        print(
            f"{benchmark:<22}{speed_ratio(rows, 'hakmem', 'glibc'):>9.2f}"
            f" {speed_ratio(rows, 'hakmem', fastest):>13.2f} {fastest:<10}"
            f" {memory_ratio(rows, 'hakmem', 'glibc'):>10.2f}"
            f" {memory_ratio(rows, 'hakmem', leanest):>13.2f} {leanest:<10}"
        )


def summary(results: dict[str, Rows]) -> None:
    """Geometric means over all benchmarks: speed, and memory where glibc needs above 10 MB."""
    print("geometric means, as ratios to glibc, and hakmem's speed as a ratio to each")
    for name in next(iter(results.values())):
        speed = [speed_ratio(rows, name, "glibc") for rows in results.values()]
        ahead = [speed_ratio(rows, "hakmem", name) for rows in results.values()]
        memory = [
            memory_ratio(rows, name, "glibc")
            for rows in results.values()
            if median_of(rows["glibc"], "peak_rss_bytes") > COMPARED_BYTES
        ]
        print(
            f"  {name:<10} speed x{mean_of(speed)}  peak memory x{mean_of(memory)}"
            f"  hakmem's speed x{mean_of(ahead)}"
        )


def measure(
    benchmarks: list[Benchmark], found: list[str], repeats: int, output: Path
) -> dict[str, Rows]:
    """Runs everything once, and again: what disturbs the machine meets all alike."""
    results: dict[str, Rows] = {each.name: {name: [] for name in found} for each in benchmarks}
    with output.open("w") as file:
        for repeat in range(repeats):
            for benchmark in benchmarks:
                for name, row in benchmark.run(found):
                    results[benchmark.name][name].append(row)
                    head = {
                        "benchmark": benchmark.name,
                        "allocator": name,
                        "repeat": repeat,
                    }
                    file.write(json.dumps({**head, **row, "machine": machine()}) + "\n")
                file.flush()
            print(f"round {repeat + 1} of {repeats} done", file=sys.stderr)
    return results


def chosen(text: str) -> list[Benchmark]:
    """The benchmarks whose names contain one of the words, separated by commas."""
    return [each for each in BENCHMARKS if any(word in each.name for word in text.split(","))]


def main() -> int:
    """The command line: make bench-allocator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10, help="runs of each (default 10)")
    parser.add_argument("--only", default="", help="benchmarks whose names contain one of these")
    parser.add_argument("--allocators", default=",".join(ALLOCATORS), help="of these names alone")
    parser.add_argument("--output", type=Path, default=BUILD / "bench" / "allocator.jsonl")
    options = parser.parse_args()
    wanted = options.allocators.split(",")
    if unknown := sorted(set(wanted) - ALLOCATORS.keys()):
        parser.error(f"no allocator is called {', '.join(unknown)}")
    if not {"hakmem", "glibc"} <= set(wanted):
        parser.error("every figure is a ratio: hakmem and glibc have to be among the allocators")
    found = [name for name in wanted if library_of(name).exists()]
    for name in sorted(set(wanted) - set(found)):
        print(f"{name} is missing: {library_of(name)}", file=sys.stderr)
    benchmarks = chosen(options.only)
    if not benchmarks:
        parser.error(f"no benchmark's name contains {options.only!r}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    results = measure(benchmarks, found, options.repeat, options.output)
    for name, rows in results.items():
        show(name, rows)
    standing(results)
    summary(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
