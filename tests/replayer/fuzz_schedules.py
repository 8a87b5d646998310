"""`make fuzz-schedules`: random legal traces of up to 200 threads, replayed in every way there is.

Each trace, one after the other until the time is up, goes through every schedule with a skew, a
number of copies and a memory limit drawn at random. A replay that does not come to its end within
HANG_S seconds is a deadlock; one with another digest, a failed check or a complaint is a fault.
Either ends the run with status 1 after printing the command and keeping the trace.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from replaying import HAKREPLAY, make_random

HANG_S = 120
ALLOCATORS = ("hakmem", "glibc", "jemalloc", "tcmalloc")


def options(dice: random.Random, schedule: str) -> list[str]:
    """A way to replay in that schedule."""
    words = ["--schedule", schedule, "--alloc", dice.choice(ALLOCATORS), "--repeat", "1"]
    words += ["--check"] if dice.random() < 0.5 else []
    words += ["--memory", dice.choice(("1K", "100K", "1M"))] if dice.random() < 0.5 else []
    if schedule == "lockstep":
        return words + (["--baton"] if dice.random() < 0.3 else [])
    words += ["--skew", str(dice.choice((1, 2, 7, 8, 9, 64, 1000, 4096, 1_000_000)))]
    words += ["--copies", str(dice.randint(2, 4))] if dice.random() < 0.3 else []
    if schedule == "paced":
        words += ["--speed", str(dice.choice((0.5, 1, 10, 1000)))]
    return words


def digest(trace: Path, words: list[str]) -> str:
    """That of one replay; a hang or a failure is an AssertionError."""
    lines = trace.with_suffix(".jsonl")
    lines.unlink(missing_ok=True)
    command = [str(HAKREPLAY), str(trace), *words, "--json", str(lines)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"hangs: {' '.join(command)}") from None
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stderr}")
    return str(json.loads(lines.read_text())["digest"])


def main() -> None:
    """Draws traces until the time is up."""
    parser = argparse.ArgumentParser(description="random traces in every schedule")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    dice = random.Random(args.seed)
    end = time.monotonic() + args.seconds
    replays = traces = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            threads = dice.choice((1, 2, 3, dice.randint(4, 40), dice.randint(40, 200)))
            rows, live = dice.randint(1000, 20000), dice.choice((3, 50, 500))
            trace = make_random(Path(folder), dice.randint(0, 1 << 30), threads, rows, live)
            ways = [options(dice, s) for s in ("lockstep", "parallel", "parallel", "paced")]
            try:
                digests = {digest(trace, words) for words in ways}
                assert len(digests) == 1, f"{digests}: {ways}"
            except AssertionError as fault:
                kept = shutil.copy(trace, Path.cwd())
                sys.exit(f"fuzz-schedules: seed {args.seed}: {fault}\nthe trace is kept: {kept}")
            trace.unlink()
            replays += len(ways)
            traces += 1
    print(f"fuzz-schedules: {replays} replays of {traces} random traces, seed {args.seed}")


if __name__ == "__main__":
    main()
