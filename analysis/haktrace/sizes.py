"""Requested sizes: how often, and how many bytes in all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from haktrace.bins import LOWER, UPPER, bin_numbers
from haktrace.trace import event_chunks


def size_counts(events: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """How many objects were born with each size: index `size` ascending, column `objects` int64.

    `events`: `Trace.events`, a Trace, or chunks of either. Inherited objects count as well.
    """
    sizes, objects = np.empty(0, np.uint64), np.empty(0, np.int64)
    for chunk in event_chunks(events):
        born = chunk["size"].to_numpy()[chunk["object"].to_numpy() >= 0]
        fresh, counts = np.unique(born, return_counts=True)
        sizes, place = np.unique(np.concatenate([sizes, fresh]), return_inverse=True)
        counts = np.concatenate([objects, counts])
        objects = np.zeros(len(sizes), np.int64)
        np.add.at(objects, place, counts)
    return pd.DataFrame({"objects": objects}, index=pd.Index(sizes, name="size"))


def size_histogram(events: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Objects by requested size, one value a bin up to 8, then four bins to a doubling.

    `events` as in `size_counts`. One row for each bin that holds an object, ascending: index
    `to_bytes` and column `from_bytes` (uint64, both belong to the bin), `objects`, `bytes`
    (requested in all; int64), `objects_ratio` and `bytes_ratio` (shares of the whole).
    """
    counts = size_counts(events)
    size = counts.index.to_numpy()
    number = bin_numbers(size)
    counts["bytes"] = size.astype(np.int64) * counts["objects"]
    table = counts.groupby(number).sum()
    bins = table.index.to_numpy()
    table.insert(0, "from_bytes", LOWER[bins])
    table.index = pd.Index(UPPER[bins], name="to_bytes")
    for name in ("objects", "bytes"):
        table[f"{name}_ratio"] = table[name] / max(table[name].sum(), 1)
    return table
