"""Names of code: which functions, files and lines the sites of a trace are."""

from __future__ import annotations

import pandas as pd

from haktrace.trace import Trace

INTO = " < "
"""Stands between an inlined call and the function that it was inlined into."""


def site_names(trace: Trace) -> pd.Series[str]:
    """The place in the source of each site, by its number; one text for each row of `Trace.sites`.

    `grow (list.h:20) < main (app.c:7)`: the function that called the allocator, which was inlined
    into the next; without file and line where the module has no debug information, and module and
    offset, `libc.so.6+0x2a1b0`, where not even a symbol is known. Needs the files that ran, or
    their debug files: see `Trace.symbols`.
    """
    own = trace.symbols[trace.symbols["depth"] == 0]
    module = own["module"].str.replace(r".*/", "", regex=True)
    offset = own["offset"].map("{:#x}".format).astype("str")
    place = (module + "+" + offset).where(own["module"].notna(), offset)
    base = own["file"].str.replace(r".*/", "", regex=True)
    line = " (" + base + ":" + own["line"].astype("str") + ")"
    text = (own["function"] + line.fillna("")).fillna(place)
    names: pd.Series[str] = text.groupby(own["site"]).agg(INTO.join)
    return names.rename("name")
