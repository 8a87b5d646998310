"""`make bench-touch`: is the replayed peak nearer to the program's own for knowing what it touched?

Each program runs for real on glibc, is recorded once, and its trace is replayed on glibc with large
blocks written whole (`--touch all`) and as many of their pages as were resident (`--touch pages`).
The live peak is what libwitness.so tells: of resident anonymous memory what the allocator mapped.
Every run is a JSON line in the file.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "recorder")]

from bench_recorder import CC1PLUS, done_well  # noqa: E402
from command import BUILD  # noqa: E402
from program import Program, execute, missing  # noqa: E402
from programs import GIT, PYTHON, SQLITE  # noqa: E402

MIB = 1 << 20
LINES = 100_000  # of text, at scale 1
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "su")
TOUCHES = ("all", "pages")


def text_write(folder: Path, scale: int) -> None:
    """Lines of made-up words, 40 bytes each on average."""
    source = random.Random(1)
    words = ["".join(source.choices(SYLLABLES, k=source.randrange(1, 6))) for _ in range(5000)]
    with (folder / "text").open("w") as out:
        for _ in range(LINES * scale):
            out.write(" ".join(source.choices(words, k=6)) + "\n")


def on_text(*command: str) -> Program:
    """A program that reads the text."""
    return Program(
        name=command[0],
        argv=lambda scale: [*command, "text"],
        check=done_well,
        prepare=text_write,
        needs=command[:1],
    )


PROGRAMS = {
    "python": (PYTHON, 4),
    "cc1plus": (CC1PLUS, 1),
    "sqlite3": (SQLITE, 4),
    "git": (GIT, 4),
    "sort": (on_text("sort", "-o", "sorted"), 4),
    "xz -1": (on_text("xz", "-1", "-k"), 1),
    "xz -6": (on_text("xz", "-6", "-k"), 1),
    "xz -9": (on_text("xz", "-9", "-k"), 1),
    "zstd -12": (on_text("zstd", "-12", "-q", "-f"), 1),
}

Run = dict[str, Any]


def live_run(program: Program, scale: int, folder: Path) -> Run:
    """The program itself."""
    witness = folder / "witness.json"
    witness.unlink(missing_ok=True)
    library = str(BUILD / "tests/replayer/libwitness.so")
    environ = {"LD_PRELOAD": library, "WITNESS": str(witness)}
    program.check(execute(program, folder, environ=environ, scale=scale), folder, scale)
    return {"how": "live", "peak_rss_bytes": json.loads(witness.read_text())["heap_peak_bytes"]}


def record(program: Program, scale: int, folder: Path) -> Path:
    """The trace of the program's own process."""
    wrapper = [BUILD / "hakrec", "--quiet", "-o", folder / "trace.zst"]
    program.check(execute(program, folder, wrapper=wrapper, scale=scale), folder, scale)
    return folder / "trace.zst"


def replay_runs(trace: Path, repeats: int, touch: str) -> Iterator[Run]:
    """hakreplay's results."""
    lines = trace.parent / f"{touch}.jsonl"
    command = [str(BUILD / "hakreplay"), str(trace), "-a", "glibc", "-s", "lockstep"]
    options = ["--touch", touch, "-n", str(repeats), "--json", str(lines)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    for line in lines.read_text().splitlines():
        row = json.loads(line)
        del row["rss_series"]
        yield {"how": touch} | row


def measure(name: str, repeats: int, folder: Path) -> tuple[Run, list[Run]]:
    """What `haktrace info` says of the trace, and all runs."""
    program, scale = PROGRAMS[name]
    program.prepare(folder, scale)
    runs = []
    for _ in range(repeats):
        for old in folder.glob("text.*"):
            old.unlink()
        runs.append(live_run(program, scale, folder))
    for old in folder.glob("text.*"):
        old.unlink()
    trace = record(program, scale, folder)
    told = [str(BUILD / "haktrace"), "info", "--json", str(trace)]
    info = json.loads(subprocess.run(told, check=True, capture_output=True).stdout)
    for touch in TOUCHES:
        runs += replay_runs(trace, repeats, touch)
    return info, runs


def row(name: str, info: Run, runs: list[Run]) -> str:
    """One line of the table."""
    peaks = {
        how: statistics.median(run["peak_rss_bytes"] for run in runs if run["how"] == how)
        for how in ("live", *TOUCHES)
    }
    live = peaks["live"]
    cells = [
        f"{peaks[touch] / MIB:9.1f} ({100 * (peaks[touch] / live - 1):+7.1f} %)"
        for touch in TOUCHES
    ]
    counted = info["measured_pages"] or 0
    touched = info["touched_pages_high"] or 0
    return f"{name:9}{live / MIB:9.1f} {' '.join(cells)} {touched:9} of {counted:7}"


def main() -> None:
    """Benchmarks what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=BUILD / "bench" / "touch.jsonl")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print("peak, MiB     live    touched whole       as resident          pages of counted blocks")
    with options.out.open("w") as out:
        for name in options.programs or PROGRAMS:
            if absent := missing(PROGRAMS[name][0]):
                print(f"{name}: skipped, not installed: {', '.join(absent)}", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory() as folder:
                info, runs = measure(name, options.repeats, Path(folder))
            for run in runs:
                out.write(json.dumps({"program": name} | run) + "\n")
            print(row(name, info, runs), flush=True)


if __name__ == "__main__":
    main()
