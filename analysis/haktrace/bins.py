"""Bins for sizes and counts: one value each up to 8, then four to a doubling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UPPER: NDArray[np.uint64] = np.array(
    [0, 1, 2, 3, 4]
    + [(1 << k) + (j << (k - 2)) for k in range(2, 63) for j in range(1, 5)]
    + [(1 << 64) - 1],
    np.uint64,
)
"""The largest value of each bin: 0, 1, ... 8, 10, 12, 14, 16, 20, ..."""

LOWER: NDArray[np.uint64] = np.append(np.zeros(1, np.uint64), UPPER[:-1] + np.uint64(1))
"""The smallest value of each bin."""


def bin_numbers(values: NDArray[np.integer]) -> NDArray[np.intp]:
    """The bin of each value; values must not be negative."""
    return np.searchsorted(UPPER, values.astype(np.uint64))
