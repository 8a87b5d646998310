"""Traces of memory allocation, and results of their replay, as pandas DataFrames.

    trace = haktrace.read_trace("app.zst")
    trace.events                                    every call, in order
    haktrace.workload(trace)                        its figures
    haktrace.lifetimes(trace)                       every object, from birth to death
    haktrace.live_bytes(trace)                      bytes in use over time
    haktrace.size_histogram(trace)
    haktrace.site_table(trace)                      who allocates what
    haktrace.site_names(trace)                      and which function, file and line that is

    results = haktrace.read_results("results.jsonl")
    haktrace.compare(results, "wall_ns")
    haktrace.memory_series(results)                 what memory was made of
    haktrace.latency_quantiles(results)
    haktrace.replay("app.zst", "--repeat", "10")    runs hakreplay
    haktrace.ablate(["app.zst"])                    what each part of hakmem is worth

The analyses take a DataFrame of events or a Trace, and return DataFrames; given a Trace they read
it in chunks, so that it may be larger than memory. `haktrace.plots` draws, `haktrace.report` writes
the HTML report.
"""

from haktrace.ablation import ablate
from haktrace.binding import TraceError
from haktrace.comparison import compare
from haktrace.latency import QUANTILES, latency_quantiles, latency_rows
from haktrace.live import live_bytes
from haktrace.memory import memory_series
from haktrace.objects import iter_lifetimes, lifetime_histogram, lifetimes
from haktrace.replay import replay
from haktrace.results import read_results
from haktrace.sites import site_table
from haktrace.sizes import size_counts, size_histogram
from haktrace.symbols import site_names
from haktrace.trace import FAILED, FOREIGN, MOVED, REPAIRED, Trace, read_trace
from haktrace.workload import workload

__all__ = [
    "FAILED",
    "FOREIGN",
    "MOVED",
    "QUANTILES",
    "REPAIRED",
    "Trace",
    "TraceError",
    "ablate",
    "compare",
    "iter_lifetimes",
    "latency_quantiles",
    "latency_rows",
    "lifetime_histogram",
    "lifetimes",
    "live_bytes",
    "memory_series",
    "read_results",
    "read_trace",
    "replay",
    "site_names",
    "site_table",
    "size_counts",
    "size_histogram",
    "workload",
]
