"""The HTML report: one self-contained file about a trace and its replays.

    python -m haktrace.report TRACE RESULTS.jsonl -o report.html

The figures come from the functions that notebooks call, the page from `page.html`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template

import pandas as pd

from haktrace import plots, sections
from haktrace.binding import TraceError
from haktrace.live import live_bytes
from haktrace.results import read_results
from haktrace.sites import site_table
from haktrace.sizes import size_histogram
from haktrace.symbols import site_names
from haktrace.trace import Trace, read_trace
from haktrace.workload import workload

PAGE = Path(__file__).with_name("page.html")


def build_report(trace: Trace, results: pd.DataFrame) -> str:
    """The report's HTML. `trace`: what was replayed; `results`: of `read_results`."""
    live = live_bytes(trace)
    peak = int(live["peak_event"].iloc[live["peak_bytes"].argmax()]) if len(live) else None
    command = sections.fact(trace, "command")
    # As it was called: the executable's own name may be another.
    program = Path((command or sections.fact(trace, "program") or trace.path).split()[0]).name
    allocators = list(dict.fromkeys(results["allocator"]))
    sites = site_table(trace, peak_event=peak)
    sites["name"] = site_names(trace).reindex(sites.index).fillna("unknown")
    runs = results.groupby(["trace_digest", "schedule"], sort=False)
    parts = {
        "title": escape(f"{program} on {', '.join(allocators)}"),
        "lede": escape(command),
        "warnings": _each("p", "warning", sections.warnings(trace, results)),
        "findings": _each("li", "", sections.findings(results)),
        "facts": sections.facts(trace, workload(trace, live, trace.marks)),
        "schedules": "".join(sections.schedule(part) for _, part in runs),
        "demand": sections.demand(live, size_histogram(trace), sites),
        "reading": _each("p", "", sections.READING),
        "versions": sections.versions(trace, results),
        "library": plots.library(),
    }
    return Template(PAGE.read_text(encoding="utf-8")).substitute(parts)


def _each(tag: str, kind: str, texts: Iterable[str]) -> str:
    start = f'<{tag} class="{kind}">' if kind else f"<{tag}>"
    return "".join(f"{start}{text}</{tag}>" for text in texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status: 0 done, 1 a file could not be read or written."""
    parser = argparse.ArgumentParser(
        prog="python -m haktrace.report", description="Write a report on replays of a trace."
    )
    parser.add_argument("trace", metavar="TRACE")
    parser.add_argument("results", metavar="RESULTS", help="of hakreplay --json")
    parser.add_argument("-o", "--output", metavar="FILE", default="report.html")
    options = parser.parse_args(arguments)
    try:
        with read_trace(options.trace) as trace:
            page = build_report(trace, read_results(options.results))
        Path(options.output).write_text(page, encoding="utf-8")
    except TraceError as error:
        print(f"haktrace.report: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"haktrace.report: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
