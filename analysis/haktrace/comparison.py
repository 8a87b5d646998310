"""Statistics of repeated replays: medians, intervals, ratios, and which differences are there."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]

CONFIDENCE = 0.95
EXACT_PAIRS = 2500
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

    Null where nothing was measured or there is no baseline. The bootstrap is exact (over all
    resamples, not a draw of them), so the same results give the same intervals. With fewer than 4
    repeats each, no difference can be told.
    """
    rows = []
    for group, members in results.groupby(GROUP, sort=False):
        samples = {
            str(allocator): _values(rows[value])
            for allocator, rows in members.groupby("allocator", sort=False)
        }
        base = samples.get(baseline, np.empty(0))
        for allocator, sample in samples.items():
            key = dict(zip(GROUP, group, strict=True))
            rows.append(key | {"allocator": allocator} | _against(sample, base))
    frame = pd.DataFrame(rows).set_index([*GROUP, "allocator"])
    return frame.astype({"repeats": np.int64, "distinct": bool})


def _values(column: pd.Series) -> Values:
    return column.dropna().to_numpy(np.float64)


def _against(sample: Values, base: Values) -> dict[str, float | int | bool]:
    """One row of the comparison."""
    row = dict.fromkeys(("median", "low", "high", "ratio", "ratio_low", "ratio_high", "p"), np.nan)
    if len(sample):
        row["median"] = float(np.median(sample))
    if len(sample) > 1:
        row["low"], row["high"] = _interval(*median_law(sample))
    distinct = False
    if len(sample) and len(base) and np.median(base) > 0:
        row["ratio"] = float(np.median(sample) / np.median(base))
        if len(sample) > 1 and len(base) > 1:
            row["ratio_low"], row["ratio_high"] = _ratio_interval(sample, base)
            row["p"] = _mann_whitney(sample, base)
            outside = row["ratio_low"] > 1 or row["ratio_high"] < 1
            distinct = outside and row["p"] < 1 - CONFIDENCE
    return {"repeats": len(sample), **row, "distinct": distinct}


def _mann_whitney(sample: Values, base: Values) -> float:
    # A normal law does not fit few values, and the test's own choice falls back on it for ties.
    if len(sample) * len(base) <= EXACT_PAIRS:
        return float(stats.mannwhitneyu(sample, base, method="exact").pvalue)
    return float(stats.mannwhitneyu(sample, base, method="asymptotic").pvalue)


def median_law(sample: Values) -> tuple[Values, Values]:
    """The bootstrap distribution of the median over all resamples: values, and their probabilities.

    With x sorted and counted from 1, x[i] is the k-th of n draws or below it with the probability
    that at least k of n draws, each one of the first i with probability i/n, are among these.
    For even n the median lies between the draws n/2 and n/2 + 1, whose joint law is used.
    """
    x = np.sort(sample)
    n, rank = len(x), np.arange(1, len(x) + 1)
    half = (n + 1) // 2
    lower = np.diff(stats.binom.sf(half - 1, n, rank / n), prepend=0.0)
    if n % 2:
        return x, lower
    draws_below = (rank / n) ** half - ((rank - 1) / n) ** half
    draws_above = ((n - rank + 1) / n) ** half - ((n - rank) / n) ** half
    joint = np.triu(stats.binom.pmf(half, n, 0.5) * 2.0**n * np.outer(draws_below, draws_above), 1)
    np.fill_diagonal(joint, lower - joint.sum(axis=1))
    pairs = np.triu_indices(n)
    return ((x[:, None] + x) / 2)[pairs], joint[pairs]


def _interval(values: Values, chances: Values) -> tuple[float, float]:
    """The smallest values that the tails of a distribution do not lie beyond."""
    order = np.argsort(values)
    below = chances[order].cumsum()
    tail = (1 - CONFIDENCE) / 2
    ends = np.searchsorted(below, [tail - 1e-12, 1 - tail - 1e-12])
    low, high = values[order][np.minimum(ends, len(values) - 1)]
    return float(low), float(high)


def _ratio_interval(sample: Values, base: Values) -> tuple[float, float]:
    (value, chance), (under, under_chance) = _likely(sample), _likely(base)
    return _interval(
        np.divide.outer(value, under).ravel(), np.multiply.outer(chance, under_chance).ravel()
    )


def _likely(sample: Values) -> tuple[Values, Values]:
    """The law of the median without what is too unlikely to move an interval."""
    values, chances = median_law(sample)
    kept = chances > 1e-9
    return values[kept], chances[kept]
