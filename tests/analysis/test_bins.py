"""Bins: which values they hold."""

from __future__ import annotations

import numpy as np
from haktrace.bins import LOWER, UPPER, bin_numbers


def test_bounds() -> None:
    assert UPPER[:20].tolist() == [
        *[0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56],
    ]
    assert LOWER[:11].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert UPPER[-2:].tolist() == [1 << 63, (1 << 64) - 1]
    assert (np.diff(UPPER.astype(object)) > 0).all()


def test_every_value_has_its_bin() -> None:
    values = np.array(
        [0, 1, 8, 9, 10, 11, 16, 17, 1 << 40, (1 << 40) + 1, 1 << 63, (1 << 64) - 1], np.uint64
    )
    number = bin_numbers(values)
    assert (LOWER[number] <= values).all()
    assert (values <= UPPER[number]).all()
    assert number[:8].tolist() == [0, 1, 8, 9, 9, 10, 12, 13]
