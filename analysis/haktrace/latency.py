"""How long calls of an allocator take, from results of hakreplay --latency."""

from __future__ import annotations

import pandas as pd

from haktrace.binding import statistic
from haktrace.comparison import GROUP

QUANTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "max")


def latency_rows(results: pd.DataFrame) -> pd.DataFrame:
    """Every row of every `latency`, with what it belongs to.

    `results`: of `read_results`. Columns `trace`, `trace_digest`, `schedule`, `allocator`,
    `repeat`, and those of `latency.calls`: `kind`, `place`, `sizes`, `to_bytes`, `count`, and
    `p50_ns` to `max_ns`. Empty when nothing was measured.
    """
    keys = [*GROUP, "allocator", "repeat"]
    rows = [
        {key: row[key] for key in keys} | call
        for _, row in results[results["latency"].notna()].iterrows()
        for call in row["latency"]["calls"]
    ]
    columns = ["kind", "to_bytes", "sizes", "place", "count", *(f"{q}_ns" for q in QUANTILES)]
    return pd.DataFrame(rows, columns=[*keys, *columns])


def latency_quantiles(results: pd.DataFrame, kind: str = "all") -> pd.DataFrame:
    """Percentiles of the latency of all calls, or of one kind ("malloc", "free", ...), all sizes.

    One row for each trace, schedule, allocator and `quantile` ("p50" to "p99.99", "max"), in ns:
    `median` over the repeats, with its 95 % bootstrap interval `low` to `high`.
    """
    rows = latency_rows(results)
    rows = rows[(rows["kind"] == kind) & (rows["sizes"] == "all") & rows["place"].isna()]
    keys = [*GROUP, "allocator"]
    found = [
        dict(zip(keys, key, strict=True)) | {"quantile": quantile} | _summary(part, quantile)
        for key, part in rows.groupby(keys, sort=False)
        for quantile in QUANTILES
    ]
    return pd.DataFrame(found, columns=[*keys, "quantile", "median", "low", "high"])


def _summary(part: pd.DataFrame, quantile: str) -> dict[str, float]:
    figures = statistic(part[f"{quantile}_ns"].to_list(), [])
    return {name: figures[name] for name in ("median", "low", "high")}
