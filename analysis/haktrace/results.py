"""Results of `hakreplay --json`: one JSON object a line for each allocator and repeat."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd

from haktrace.binding import TraceError

TEXTS = ("trace", "trace_digest", "allocator", "allocator_path", "allocator_build", "schedule")
COUNTS = (
    "repeat",
    "ops",
    "threads",
    "wall_ns",
    "cpu_ns",
    "peak_rss_bytes",
    "recorded_peak_live_bytes",
    "replayed_peak_live_bytes",
    "minor_faults",
    "major_faults",
    "voluntary_switches",
    "involuntary_switches",
    "syscalls",
    "check_errors",
)
RATES = ("ns_per_op", "loop_ns_per_op")
OTHERS = (
    "options",
    "digest",
    "order_digest",
    "latency",
    "rss_series",
    "allocator_stats",
    "machine",
    "version",
)
FIELDS = (*TEXTS, *COUNTS, *RATES, *OTHERS)


def read_results(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Results of any number of replays, one row for each allocator and repeat, in the file's order.

    Columns are the fields of COMMANDS.md: texts as `str`, counts and `_ns` and `_bytes` as Int64,
    `ns_per_op` and `loop_ns_per_op` as float64 (ns), structured ones (`options`, `latency`,
    `rss_series`, `allocator_stats`, `machine`) as the objects that JSON gave. What was not measured
    is null. Fields that this version does not know are kept. What `--ablate` ran without a part is
    an allocator of its own, "hakmem without tiny". Raises TraceError that names file, line and
    reason when the file cannot be read, or lacks a field, or holds no result.
    """
    name = os.fspath(path)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TraceError(f"{name}: {reason}") from error
    rows = [_row(f"{name}:{n}", line) for n, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise TraceError(f"{name}: holds no result")
    frame = pd.DataFrame(rows)
    try:
        types = dict.fromkeys(COUNTS, "Int64") | dict.fromkeys(RATES, "float64")
        return frame.astype(types | dict.fromkeys(TEXTS, "str"))
    except (TypeError, ValueError) as error:
        raise TraceError(f"{name}: a field is of the wrong type: {error}") from error


def _row(place: str, line: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise TraceError(f"{place}: not JSON: {error.msg}") from error
    if not isinstance(row, dict):
        raise TraceError(f"{place}: not a JSON object")
    if lacking := [field for field in FIELDS if field not in row]:
        raise TraceError(f"{place}: lacks the field {lacking[0]}")
    options = row["options"]
    if isinstance(options, dict) and options.get("ablate"):
        row["allocator"] = f"{row['allocator']} without {options['ablate']}"
    return row
