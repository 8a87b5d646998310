"""Sites: what the code at each place allocates, how long it lives, and who frees it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from haktrace.bins import UPPER, bin_numbers
from haktrace.live import live_bytes
from haktrace.objects import iter_lifetimes, remote_frees
from haktrace.trace import Trace

SUMS = (
    "objects",
    "bytes",
    "freed_objects",
    "remote_frees",
    "grown_objects",
    "leaked_objects",
    "leaked_bytes",
    "peak_live_bytes",
)


def site_table(
    events: pd.DataFrame | Iterable[pd.DataFrame],
    sites: pd.DataFrame | None = None,
    peak_event: int | None = None,
) -> pd.DataFrame:
    """One row for each site that bore an object, by `bytes` descending; index `site`, -1: unknown.

    `events`: `Trace.events` or a Trace, in the total order; read twice, so that it cannot be an
    iterator, unless `peak_event` (of `live_bytes`) is given. `sites`: `Trace.sites`; may be left
    out when `events` is a Trace.

    | column                   | dtype   | meaning                                              |
    | ------------------------ | ------- | ---------------------------------------------------- |
    | `place`                  | str     | module and offset of the return address |
    | `height`                 | uint32  | bytes of stack at the call, 0: unknown               |
    | `objects` `bytes`        | int64   | born there, requested in all                         |
    | `freed_objects`          | int64   | of these, ended in the trace (a realloc ends one)    |
    | `remote_frees`           | int64   | of these, freed by another thread than their own     |
    | `grown_objects`          | int64   | of the freed ones, by a realloc that bore another    |
    | `leaked_objects` `leaked_bytes` | int64 | alive at the trace's end                        |
    | `peak_live_bytes`        | int64   | alive at the trace's peak of live bytes              |
    | `peak_live_ratio`        | float64 | share of that peak                                   |
    | `median_lifetime_events` | Int64   | of the freed ones, rounded up to a bin of `bins.UPPER` |
    """
    if sites is None:
        if not isinstance(events, Trace):
            raise TypeError("site_table needs the sites: give a Trace, or Trace.sites")
        sites = events.sites
    if peak_event is None:
        if not isinstance(events, pd.DataFrame) and iter(events) is events:
            raise TypeError("site_table reads events twice: give a DataFrame, a Trace or the peak")
        live = live_bytes(events)
        peak = live["peak_bytes"].argmax() if len(live) else 0
        peak_event = int(live["peak_event"].iloc[peak]) if len(live) else -1
    sums = pd.DataFrame(columns=list(SUMS), index=pd.Index([], name="site"), dtype=np.int64)
    spans = pd.Series(dtype=np.int64, index=pd.MultiIndex.from_arrays([[], []]))
    for objects in iter_lifetimes(events):
        sums = pd.concat([sums, _sums(objects, peak_event)]).groupby(level=0).sum()
        spans = pd.concat([spans, _spans(objects)]).groupby(level=[0, 1]).sum()
    table = sums.rename_axis("site")
    table["peak_live_ratio"] = table["peak_live_bytes"] / max(table["peak_live_bytes"].sum(), 1)
    table["median_lifetime_events"] = _medians(spans).reindex(table.index)
    table.insert(0, "place", _places(sites).reindex(table.index).fillna("unknown"))
    table.insert(1, "height", sites["height"].reindex(table.index, fill_value=0))
    return table.sort_values("bytes", ascending=False, kind="stable")


def _sums(objects: pd.DataFrame, peak_event: int) -> pd.DataFrame:
    """The columns SUMS of some objects, by site."""
    size = objects["size"].astype(np.int64)
    freed = objects["death_event"].notna()
    over = objects["death_event"].fillna(np.iinfo(np.int64).max).astype(np.int64)
    at_peak = (objects["birth_event"] <= peak_event) & (over > peak_event)
    columns = {
        "objects": 1,
        "bytes": size,
        "freed_objects": freed,
        "remote_frees": remote_frees(objects),
        "grown_objects": objects["next"].notna(),
        "leaked_objects": ~freed,
        "leaked_bytes": size.where(~freed, 0),
        "peak_live_bytes": size.where(at_peak, 0),
    }
    frame = pd.DataFrame(columns, index=objects.index).astype(np.int64)
    return frame.groupby(objects["site"].to_numpy()).sum()


def _spans(objects: pd.DataFrame) -> pd.Series[int]:
    """How many objects of each site and bin of lifetimes ended."""
    ended = objects[objects["death_event"].notna()]
    number = bin_numbers(ended["lifetime_events"].to_numpy(np.int64))
    return ended.groupby([ended["site"].to_numpy(), number]).size()


def _medians(spans: pd.Series[int]) -> pd.Series[int]:
    """For each site the upper end of the bin that holds the lower median of its lifetimes."""
    site = spans.index.get_level_values(0)
    below = spans.groupby(site).cumsum()
    half = (spans.groupby(site).transform("sum") + 1) // 2
    reached = spans.index[below >= half]
    bins = pd.Series(reached.get_level_values(1).to_numpy(np.int64), reached.get_level_values(0))
    first = bins.groupby(level=0).min()
    return pd.Series(UPPER[first.to_numpy()].astype(np.int64), first.index, dtype="Int64")


def _places(sites: pd.DataFrame) -> pd.Series[str]:
    """Base name of the module and offset; the bare address where no module is known."""
    module = sites["module"].str.replace(r".*/", "", regex=True)
    offset = sites["offset"].map("{:#x}".format).astype("str")
    return (module + "+" + offset).where(sites["module"].notna(), offset)
