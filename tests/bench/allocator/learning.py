"""Whether learn=ucb1 pays: replays in lockstep of the sample traces and of longer recordings.

Runs with and without it alternate. Prints, and writes as JSON lines, the median ratio of a run
that learns to the one beside it that does not, with its middle half, and how many epochs it had.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rules import ROOT, Run, compare, replay

sys.path.insert(0, str(ROOT / "tests"))

from command import BUILD
from program import execute
from programs import PYTHON, REDIS


def main() -> None:
    """Compares what was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeat", type=int, default=10)
    options.add_argument("--scale", type=int, default=4, help="of the recorded programs")
    options.add_argument("--only", nargs="*", default=[], help="traces by name")
    chosen = options.parse_args()
    out = BUILD / "bench" / "learning.jsonl"
    out.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, out.open("a") as lines:
        folder = Path(name)
        traces = sorted((ROOT / "traces" / "samples").glob("*.zst"))
        for program in (PYTHON, REDIS):
            trace = folder / f"{program.name}-x{chosen.scale}.zst"
            place = folder / program.name
            place.mkdir()
            if chosen.only and trace.stem not in chosen.only:
                continue
            program.prepare(place, chosen.scale)
            wrapper = [BUILD / "hakrec", "--quiet", "--no-follow", "-o", trace]
            execute(program, place, wrapper=wrapper, scale=chosen.scale)
            traces.append(trace)
        for trace in traces:
            if chosen.only and trace.stem not in chosen.only:
                continue

            def replayed(learns: bool, trace: Path = trace) -> Run:
                return replay(trace, f"learn={'ucb1' if learns else 'off'}", "learn_epochs", folder)

            found = compare(trace.stem, "learn=ucb1", "learn_epochs", replayed, chosen.repeat)
            lines.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
