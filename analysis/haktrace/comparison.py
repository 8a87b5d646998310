"""Statistics of repeated replays: medians, intervals, ratios, and which differences are there.

The figures are those of libhaktrace, which hakreplay prints as well.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from haktrace.binding import statistic

GROUP = ["trace", "trace_digest", "schedule"]


def compare(results: pd.DataFrame, value: str, baseline: str = "glibc") -> pd.DataFrame:
    """Compares allocators by one measured column, separately for each trace and schedule.

    `results`: of `read_results`. One row for each allocator, in the order in which they first
    appear; index `trace`, `trace_digest`, `schedule`, `allocator`:

    | column                     | meaning                                                        |
    | -------------------------- | -------------------------------------------------------------- |
    | `repeats`                  | measured values                                                |
    | `median` `low` `high`      | of `value`, in its unit; 95 % bootstrap interval of the median |
    | `ratio` `ratio_low` `ratio_high` | median over the baseline's median, and its interval      |
    | `p`                        | two-sided Mann-Whitney test against the baseline               |
    | `distinct`                 | the difference is there: the interval excludes 1 and p < 0.05  |

    Null where nothing was measured or there is no baseline. The bootstrap (Efron 1979) is exact,
    over all resamples, not a draw of them, so the same results give the same intervals; so is the
    test (Mann and Whitney 1947) up to 2500 pairs of values. With fewer than 4 repeats each, no
    difference can be told.
    """
    rows = []
    for group, members in results.groupby(GROUP, sort=False):
        samples = {
            str(allocator): rows[value].dropna().to_numpy(np.float64).tolist()
            for allocator, rows in members.groupby("allocator", sort=False)
        }
        base = samples.get(baseline, [])
        for allocator, sample in samples.items():
            key = dict(zip(GROUP, group, strict=True)) | {"allocator": allocator}
            rows.append(key | {"repeats": len(sample)} | statistic(sample, base))
    frame = pd.DataFrame(rows).set_index([*GROUP, "allocator"])
    return frame.astype({"repeats": np.int64, "distinct": bool})
