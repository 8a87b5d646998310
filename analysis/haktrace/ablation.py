"""What each part of hakmem is worth on a trace: replays with the part and without it.

Parts are left out by their switches in HAKMEM_OPTIONS; a part that is off by default (site rules,
learning) is put in instead, and what it is worth reads the other way round.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from haktrace.binding import TraceError
from haktrace.comparison import compare
from haktrace.results import read_results
from haktrace.sizes import size_counts
from haktrace.trace import read_trace

FULL = "hakmem"
SWITCHES = ("tls", "tiny", "l25", "whale")
MEASURES = {"time": "wall_ns", "rss": "peak_rss_bytes", "faults": "minor_faults"}
# Sizes (bytes, above and up to) that the pools serve; the other parts have to do with all.
SERVED = {"tiny": (0, 1024), "l25": (32 << 10, (2 << 20) - 1), "whale": ((2 << 20) - 1, 1 << 64)}


def _program(name: str) -> Path:
    build = os.environ.get("HAK_BUILD")
    return (Path(build) if build else Path(__file__).parents[2] / "build") / name


def _run(*words: object) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TraceError(done.stderr.strip() or f"{words[0]} ended with {done.returncode}")
    return done.stderr


def variants(trace: str | os.PathLike[str], folder: Path) -> dict[str, str]:
    """Options of each variant by its name: the full allocator, each switch off, rules, learning.

    The rules are those that `haktrace rules` finds in the trace, written into `folder`; a trace in
    which it finds none has no such variant. Raises TraceError as the program puts it.
    """
    rules = folder / "ablation.rules"
    _run(_program("haktrace"), "rules", trace, "-o", rules)
    options = {FULL: "tls=1"} | {f"{switch}=0": f"{switch}=0" for switch in SWITCHES}
    if any(not line.startswith("#") for line in rules.read_text().splitlines()):
        options["rules"] = f"rules={rules}"
    return options | {"learn=ucb1": "learn=ucb1"}


def replay_variants(
    trace: str | os.PathLike[str], options: Mapping[str, str], repeat: int, folder: Path
) -> pd.DataFrame:
    """Replays a trace in lockstep on every variant in turn, `repeat` times over.

    Returns rows of `read_results` with the variant's name as `allocator`.
    """
    results = folder / "ablation.jsonl"
    order: list[str] = []
    results.unlink(missing_ok=True)
    for _ in range(repeat):
        for name, words in options.items():
            _run(
                *(_program("hakreplay"), trace, "--alloc", "hakmem", "--schedule", "lockstep"),
                *("--repeat", 1, "--hakmem", words, "--json", results),
            )
            order.append(name)
    return read_results(results).assign(allocator=order)


def ablate(traces: Sequence[str | os.PathLike[str]], repeat: int = 10) -> pd.DataFrame:
    """What each part is worth on each trace.

    One row for each trace (by name) and variant; columns `in_use` (the trace has blocks that the
    part serves) and, for each of time, rss and faults, the columns of `compare` with the full
    allocator as the baseline, under the name of the measure. A `ratio` above 1 is what leaving a
    switch's part out costs; rules and learning are put in, so a ratio below 1 is what they gain.
    With fewer than 4 repeats no difference is `distinct`.
    """
    frames = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for trace in traces:
            results = replay_variants(trace, variants(trace, folder), repeat, folder)
            sizes = [int(size) for size in size_counts(read_trace(trace)).index]
            parts = {
                measure: compare(results, column, baseline=FULL).droplevel([0, 1, 2]).drop(FULL)
                for measure, column in MEASURES.items()
            }
            frame = pd.concat(parts, axis=1)
            served = [SERVED.get(variant[:-2], (-1, 1 << 64)) for variant in frame.index]
            used = [any(above < size <= most for size in sizes) for above, most in served]
            frame.insert(0, ("in_use", ""), used)
            frames.append(pd.concat({Path(trace).stem: frame}, names=["trace", "variant"]))
    return pd.concat(frames)
