"""What each part of hakmem is worth on a trace, from `hakreplay --ablate`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from haktrace.binding import TraceError
from haktrace.comparison import compare
from haktrace.results import read_results

WHOLE = "hakmem"
MEASURES = {"time": "wall_ns", "rss": "peak_rss_bytes", "faults": "minor_faults"}


def _run(program: str, *words: object) -> None:
    build = os.environ.get("HAK_BUILD")
    path = (Path(build) if build else Path(__file__).parents[2] / "build") / program
    done = subprocess.run(
        [str(path), *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TraceError(done.stderr.strip() or f"{program} ended with {done.returncode}")


def _optional(trace: str | os.PathLike[str], folder: Path) -> tuple[str, str]:
    """hakreplay's option that puts in learning, and the trace's rules where it has any."""
    rules = folder / "trace.rules"
    _run("haktrace", "rules", trace, "-o", rules)
    found = any(not line.startswith("#") for line in rules.read_text().splitlines())
    return "--hakmem", f"learn=ucb1,rules={rules}" if found else "learn=ucb1"


def ablate(
    traces: Sequence[str | os.PathLike[str]], repeat: int = 10, *, optional: bool = False
) -> pd.DataFrame:
    """What each part is worth on each trace, in lockstep: replays without it, to whole ones.

    The whole allocator is hakmem by its defaults; `optional` puts in what is off by default,
    learning and the site rules that `haktrace rules` finds in the trace. One row for each trace (by
    name) and part that has something to do there, named by its switch; for each of time, rss and
    faults the columns of `compare`, under the measure's name. A `ratio` above 1 is what the part
    saves, below 1 what it costs. With fewer than 4 repeats no difference is `distinct`. Raises
    TraceError as the program puts it.
    """
    frames = []
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "ablation.jsonl"
        for trace in traces:
            options = _optional(trace, Path(name)) if optional else ()
            results.unlink(missing_ok=True)
            _run(
                *("hakreplay", trace, "--ablate", "--schedule", "lockstep"),
                *("--repeat", repeat, "--json", results, *options),
            )
            runs = read_results(results)
            parts = {
                measure: compare(runs, column, baseline=WHOLE).droplevel([0, 1, 2]).drop(WHOLE)
                for measure, column in MEASURES.items()
            }
            frame = pd.concat(parts, axis=1)
            frame.index = frame.index.str.removeprefix(f"{WHOLE} without ")
            frames.append(pd.concat({Path(trace).stem: frame}, names=["trace", "part"]))
    return pd.concat(frames)
