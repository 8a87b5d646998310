"""Whether rules from a trace's statistics pay: in replays of recorded traces and in the programs.

For each sample trace, and each real program recorded for it, `haktrace rules` writes the rules;
then runs with and without them alternate. Prints, and writes as JSON lines, the median ratio of a
run with rules to the one without beside it, with its middle half.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from command import BUILD, run  # noqa: E402
from program import Program, execute  # noqa: E402
from programs import CXX, GIT, PYTHON, REDIS, SQLITE  # noqa: E402

LIBRARY = BUILD / "libhakmem.so"
Run = dict[str, float]


def rules_of(trace: Path, file: Path) -> str:
    """Writes the rules of a trace; how many there are of each sort."""
    done = run(BUILD / "haktrace", "rules", trace, "-o", file)
    found = re.search(r"\d+ rules: .*", done.stderr)
    assert found, done.stderr
    return found[0].split(": ")[1]


def replay(trace: Path, options: str, counter: str, folder: Path) -> Run:
    """One replay in lockstep under HAKMEM_OPTIONS."""
    results = folder / "results.jsonl"
    results.unlink(missing_ok=True)
    done = run(
        *(BUILD / "hakreplay", trace, "--alloc", "hakmem", "--schedule", "lockstep"),
        *("--repeat", 1, "--hakmem", options, "--json", results),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(results.read_text())
    return {
        "time": result["wall_ns"],
        "rss": result["peak_rss_bytes"],
        "faults": result["minor_faults"],
        counter: result["allocator_stats"][counter],
    }


def live(program: Program, rules: Path | None, folder: Path, scale: int) -> Run:
    """One run of a program on hakmem."""
    stats = folder / "stats.json"
    place = folder / "run"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    program.prepare(place, scale)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = execute(
        program,
        place,
        environ={
            "LD_PRELOAD": str(LIBRARY),
            "HAKMEM_OPTIONS": f"stats={stats}" + (f",rules={rules}" if rules else ""),
        },
        scale=scale,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.check(outcome, place, scale)
    return {
        "time": outcome.own_cpu_ns + outcome.children_cpu_ns,
        "wall": outcome.wall_ns,
        "faults": after.ru_minflt - before.ru_minflt,
        "rule_calls": json.loads(stats.read_text())["rule_calls"],
    }


def spread(values: list[float]) -> str:
    """Median and middle half."""
    quarters = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{statistics.median(values):.3f} ({quarters[0]:.3f}-{quarters[2]:.3f})"


def compare(
    name: str, note: str, counter: str, once: Callable[[bool], Run], repeat: int
) -> dict[str, object]:
    """Runs with and without alternate; prints and returns their ratios."""
    pairs = [(once(False), once(True)) for _ in range(repeat)]
    ratios = {
        key: [ruled[key] / bare[key] for bare, ruled in pairs if bare[key]]
        for key in pairs[0][0]
        if key != counter
    }
    count = int(statistics.median(ruled[counter] for _, ruled in pairs))
    shown = "  ".join(f"{key} {spread(values)}" for key, values in ratios.items() if values)
    print(f"{name:13} {note:28} {counter} {count:>9,}  {shown}", flush=True)
    return {"name": name, "note": note, counter: count, "ratios": ratios, "pairs": pairs}


def main() -> None:
    """Compares what was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeat", type=int, default=10)
    options.add_argument("--scale", type=int, default=1, help="of the programs")
    options.add_argument("--only", nargs="*", default=[], help="traces and programs by name")
    chosen = options.parse_args()
    out = BUILD / "bench" / "rules.jsonl"
    out.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, out.open("a") as lines:
        folder = Path(name)
        rules, empty = folder / "some.rules", folder / "empty.rules"
        empty.touch()  # so that both replays hand the sites over
        for trace in sorted((ROOT / "traces" / "samples").glob("*.zst")):
            if chosen.only and f"{trace.stem}.zst" not in chosen.only:
                continue
            said = rules_of(trace, rules)

            def replayed(ruled: bool, trace: Path = trace) -> Run:
                file = rules if ruled else empty
                return replay(trace, f"rules={file}", "rule_calls", folder)

            found = compare(trace.name, said, "rule_calls", replayed, chosen.repeat)
            lines.write(json.dumps(found) + "\n")
        for program in (PYTHON, CXX, GIT, SQLITE, REDIS):
            if chosen.only and program.name not in chosen.only:
                continue
            place = folder / f"{program.name}-recorded"
            place.mkdir()
            program.prepare(place, chosen.scale)
            traces = folder / f"{program.name}-traces"
            traces.mkdir()
            wrapper = [BUILD / "hakrec", "--quiet", "-o", traces / "trace.zst"]
            execute(program, place, wrapper=wrapper, scale=chosen.scale)
            largest = max(traces.glob("*.zst"), key=lambda path: path.stat().st_size)
            said = rules_of(largest, rules)

            def lived(ruled: bool, program: Program = program) -> Run:
                return live(program, rules if ruled else None, folder, chosen.scale)

            found = compare(program.name, said, "rule_calls", lived, chosen.repeat)
            lines.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    main()
