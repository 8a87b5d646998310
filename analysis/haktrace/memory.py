"""What resident memory was made of over a trace, from results of hakreplay."""

from __future__ import annotations

import pandas as pd

from haktrace.comparison import GROUP


def memory_series(results: pd.DataFrame) -> pd.DataFrame:
    """Memory over the trace, of each allocator on each trace in each schedule.

    `results`: of `read_results`. One row for each sample of each `rss_series`: `trace`,
    `trace_digest`, `schedule`, `allocator`, `ops` (calls so far), and in bytes `rss_bytes`,
    `live_bytes`, `overhead_bytes` and its parts `rounding_bytes`, `free_bytes` and `rest_bytes`
    (null where an allocator does not tell usable sizes). Empty when nothing was measured.
    """
    keys = [*GROUP, "allocator"]
    columns = ["ops", "rss_bytes", "live_bytes", "overhead_bytes"]
    columns += ["rounding_bytes", "free_bytes", "rest_bytes"]
    measured = results[results["rss_series"].notna()].drop_duplicates(keys)
    parts = [
        pd.DataFrame(row["rss_series"], columns=columns).assign(**{key: row[key] for key in keys})
        for _, row in measured.iterrows()
    ]
    if not parts:
        return pd.DataFrame(columns=[*keys, *columns])
    return pd.concat(parts, ignore_index=True)[[*keys, *columns]]
