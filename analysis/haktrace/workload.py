"""The figures of a workload: what `haktrace info` tells, from DataFrames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from haktrace.live import live_bytes
from haktrace.objects import Objects, remote_frees
from haktrace.trace import FAILED, FOREIGN, INHERITED, REALLOCS, event_chunks, is_free


def workload(
    events: pd.DataFrame | Iterable[pd.DataFrame],
    live: pd.DataFrame | None = None,
    marks: pd.DataFrame | None = None,
) -> pd.Series[int]:
    """Counts of a workload by the names that `haktrace info --json` gives them, int64.

    `events`: `Trace.events` or a Trace, in the total order. `live`: its `live_bytes`, if known;
    otherwise the events are read twice, so that they cannot be an iterator. `marks`: its
    `Trace.marks`, for threads that make no call.

    `events` (calls), `allocs`, `frees`, `reallocs`, `failed_allocs`, `foreign_frees`, `threads`
    and `sites` (with a row), `objects` (born or inherited), `remote_frees` (frees of what another
    thread allocated), `peak_live_bytes`, `peak_live_objects`, `leaked_objects`, `leaked_bytes`
    (alive at the end).
    """
    if live is None:
        live = live_bytes(events)
    objects = Objects()
    counts: Counter[str] = Counter()
    threads: set[int] = set() if marks is None else set(marks["thread"].unique())
    sites: set[int] = set()
    for chunk in event_chunks(events):
        counts.update(_calls(chunk))
        counts["objects"] += int((chunk["object"] >= 0).sum())
        counts["remote_frees"] += int(remote_frees(objects.feed(chunk)).sum())
        threads.update(chunk["thread"].unique())
        sites.update(chunk["site"].unique())
    left = objects.survivors()["size"].to_numpy()
    figures = {
        "events": counts["allocs"] + counts["frees"] + counts["reallocs"],
        **{name: counts[name] for name in NAMES},
        "threads": len(threads),
        "sites": len(sites - {NO_SITE}),
        "peak_live_bytes": int(live["peak_bytes"].max()) if len(live) else 0,
        "peak_live_objects": int(live["peak_objects"].max()) if len(live) else 0,
        "leaked_objects": len(left),
        "leaked_bytes": int(left.astype(np.int64).sum()),
    }
    return pd.Series(figures, dtype=np.int64)


NO_SITE = -1
NAMES = (
    "allocs",
    "frees",
    "reallocs",
    "failed_allocs",
    "foreign_frees",
    "objects",
    "remote_frees",
)


def _calls(events: pd.DataFrame) -> dict[str, int]:
    """Calls by what they are, and those that failed or were foreign."""
    counts = dict.fromkeys(("allocs", "frees", "reallocs"), 0)
    for kind, count in events["kind"].value_counts().items():
        if kind != INHERITED:
            what = "reallocs" if kind in REALLOCS else "frees" if is_free(str(kind)) else "allocs"
            counts[what] += int(count)
    flags = events["flags"].to_numpy()
    counts["failed_allocs"] = int(np.count_nonzero(flags & FAILED))
    counts["foreign_frees"] = int(np.count_nonzero(flags & FOREIGN))
    return counts
