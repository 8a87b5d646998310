"""Numbers as people read them."""

from __future__ import annotations

import pandas as pd

NOT_MEASURED = "–"
SPACE = "\N{NO-BREAK SPACE}"


def _scaled(value: float, units: tuple[str, ...], base: float) -> str:
    """Three significant digits, or the whole part, in the largest unit that is not too large.

    Each unit is `base` times the one before it. The first unit's whole numbers stay whole.
    """
    step = 0
    while abs(value) >= base and step < len(units) - 1:
        value /= base
        step += 1
    decimals = max(3 - len(str(int(abs(value)))), 0)
    if step == 0 and value == int(value):
        decimals = 0
    return f"{value:,.{decimals}f}{SPACE}{units[step]}"


def bytes_text(value: float) -> str:
    """Bytes as `23.4 MiB`."""
    if pd.isna(value):
        return NOT_MEASURED
    step = 0
    while abs(value) >= 1024 and step < 4:
        value /= 1024
        step += 1
    return f"{value:,.{1 if step else 0}f}{SPACE}{('B', 'KiB', 'MiB', 'GiB', 'TiB')[step]}"


def rate_text(value: float) -> str:
    """Nanoseconds for one operation as `36.1 ns`."""
    return _measured(value) or f"{value:,.1f}{SPACE}ns"


def time_text(value: float) -> str:
    """Nanoseconds as `81.2 ms`."""
    return _measured(value) or _scaled(value, ("ns", "µs", "ms", "s"), 1000)


def grouped_text(value: float) -> str:
    """A count as `1,234,567`."""
    return _measured(value) or f"{value:,.0f}"


def count_text(value: float) -> str:
    """A count as `12,345` or `2.46 million`."""
    if not pd.isna(value) and abs(value) >= 1e6:
        return _scaled(value / 1e6, ("million", "billion"), 1000)
    return grouped_text(value)


def ratio_text(value: float) -> str:
    """A ratio as `0.93×`."""
    return _measured(value) or f"{value:.2f}×"


def percent_text(value: float) -> str:
    """A share as `1.9 %`."""
    return _measured(value) or f"{100 * value:.1f}{SPACE}%"


def _measured(value: float) -> str:
    return NOT_MEASURED if pd.isna(value) else ""
