"""The parts of the HTML report: DataFrames and plots in, pieces of HTML out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from html import escape

import pandas as pd

from haktrace import plots
from haktrace.comparison import compare
from haktrace.latency import latency_quantiles
from haktrace.memory import memory_series
from haktrace.trace import Trace
from haktrace.units import (
    NOT_MEASURED,
    bytes_text,
    count_text,
    grouped_text,
    percent_text,
    rate_text,
    ratio_text,
    time_text,
)

BASELINE = "glibc"
TOP_SITES = 12
INTERVAL = "95 % interval"

SCHEDULES = {
    "lockstep": "the recorded total order, every recorded thread carried by one real one",
    "parallel": "real threads; each waits only until what it frees has been allocated",
    "paced": "real threads with the recorded gaps between calls",
}

READING = (
    "<b>Replay.</b> The trace holds every call that the program made. Each allocator gets the same "
    "calls by the same threads, in a fresh process of its own; equal digests prove it. What the "
    "program did between its calls is left out: the figures tell what the allocator costs, not how "
    "much faster the whole program would be.",
    "<b>Time</b> is wall time for each operation, the replay loop included. <b>Net</b> is without "
    "what the loop costs by itself, measured on an allocator that does nothing.",
    "<b>Memory</b> is the peak of resident anonymous memory, less what the replay itself holds. "
    "Only pages that are written count, and a trace does not know which those were: blocks are "
    "written as the option <code>touch</code> says. <b>Overhead</b> is that peak over the peak of "
    "live bytes: what the program had asked for and not yet freed.",
    "<b>Intervals.</b> Figures are medians; the small figures and the whiskers are 95 % bootstrap "
    "intervals, each dot is one repeat. They tell how well this machine repeats a measurement, not "
    "how another machine would do.",
    "<b>Ratios</b> are to glibc; less is better. <b>~</b>: no difference can be told, since the "
    "ratio's interval holds 1 or a Mann-Whitney test gives p &ge; 0.05. More repeats tell smaller "
    "differences apart.",
    "<b>Schedules.</b> <i>lockstep</i> repeats the recorded order exactly, on one core, without "
    "contention. <i>parallel</i> runs real threads against each other; its order, and with it the "
    "peak of live bytes, may differ a little from the recorded one.",
)


def fact(trace: Trace, key: str) -> str:
    """A fact about the recorded process; "" when it is not known."""
    facts = trace.process["value"]
    return str(facts[key]) if key in facts.index else ""


def warnings(trace: Trace, results: pd.DataFrame) -> Iterator[str]:
    """What makes the figures doubtful."""
    if not trace.complete:
        yield f"This is about the whole part of a damaged trace. {escape(trace.damage)}"
    if trace.totals and trace.totals["lost_events"]:
        yield f"The trace lacks {trace.totals['lost_events']:,} calls, lost in recording."
    works = results[["trace_digest", "digest"]].drop_duplicates()
    if works["trace_digest"].duplicated().any():
        yield "The runs did different work, as their digests tell: do not compare them."
    errors = results.groupby("allocator", sort=False)["check_errors"].sum()
    for allocator, count in errors[errors > 0].items():
        yield f"{escape(str(allocator))}: {count:,} errors found by <code>--check</code>."


def findings(results: pd.DataFrame) -> Iterator[str]:
    """The highlighted allocator against the baseline, in a few words for each schedule."""
    if plots.HIGHLIGHTED not in set(results["allocator"]):
        return
    for value, what in (("ns_per_op", "time"), ("peak_rss_bytes", "memory")):
        table = compare(results, value, BASELINE).reset_index()
        table = table[(table["allocator"] == plots.HIGHLIGHTED) & table["ratio_low"].notna()]
        for _, row in table.iterrows():
            tilde, about = "", f"{ratio_text(row['ratio_low'])} to {ratio_text(row['ratio_high'])}"
            if not row["distinct"]:
                tilde, about = "~ ", f"{about}: {row['repeats']} repeats cannot tell a difference"
            yield (
                f"<strong>{tilde}{ratio_text(row['ratio'])} the {what}</strong>"
                f"<span>{plots.HIGHLIGHTED} against {BASELINE}, {escape(row['schedule'])}, "
                f"{about}</span>"
            )


def facts(trace: Trace, figures: pd.Series[int]) -> str:
    """Tiles with the workload's figures, from `workload`."""
    remote = figures["remote_frees"] / max(figures["frees"], 1)
    duration = trace.totals["duration_ns"] if trace.totals else 0
    per_event = trace.file_bytes / max(figures["events"], 1)
    tiles = [
        ("calls", count_text(figures["events"]), ""),
        ("recorded in", time_text(duration) if duration else NOT_MEASURED, ""),
        ("threads", count_text(figures["threads"]), ""),
        ("call sites", count_text(figures["sites"]), ""),
        ("peak of live bytes", bytes_text(figures["peak_live_bytes"]), ""),
        ("most objects alive", count_text(figures["peak_live_objects"]), ""),
        ("freed by another thread", percent_text(remote), "of frees"),
        ("trace", bytes_text(trace.file_bytes), f"{per_event:.2f} bytes a call"),
    ]
    return "".join(
        f"<div><dt>{name}</dt><dd>{value} <small>{small}</small></dd></div>"
        for name, value, small in tiles
    )


def schedule(runs: pd.DataFrame) -> str:
    """Table and charts for the results of one trace in one schedule."""
    name = str(runs["schedule"].iloc[0])
    time, memory = (
        compare(runs, value, BASELINE).droplevel([0, 1, 2])
        for value in ("ns_per_op", "peak_rss_bytes")
    )
    charts = (
        ("Time", "ns for each operation", plots.allocator_bars(time, runs, "ns_per_op")),
        ("Memory", "peak resident", plots.allocator_bars(memory, runs, "peak_rss_bytes", True)),
    )
    return (
        f"<h2>{escape(name)}</h2>"
        f'<p class="note">{_repeats(runs)} of {SCHEDULES.get(name, "")}.</p>'
        f"{_table(runs, time, memory)}"
        f'<p class="note">{_footnote(runs)}</p>'
        f'<div class="charts">{"".join(_chart(*chart) for chart in charts)}</div>'
        f"{_courses(runs)}"
    )


def _courses(runs: pd.DataFrame) -> str:
    """Memory over the trace and latencies, where they were measured."""
    series, quantiles = memory_series(runs), latency_quantiles(runs)
    parts = []
    if len(series):
        about = "resident, by calls made; dashed: asked for and not yet freed"
        parts.append(_chart("Memory over the trace", about, plots.memory_curves(series)))
    if len(quantiles):
        about = "of all calls; the clock's own cost is subtracted"
        parts.append(_chart("Latency", about, plots.latency_curves(quantiles)))
    return "".join(parts)


def _repeats(runs: pd.DataFrame) -> str:
    counts = runs.groupby("allocator").size()
    text = (
        f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    )
    return f"{text} repeat{'s' if text != '1' else ''}"


def _footnote(runs: pd.DataFrame) -> str:
    """The loop's own cost and the live bytes, recorded and replayed."""
    loop = runs["loop_ns_per_op"].median()
    recorded, replayed = (runs[f"{which}_peak_live_bytes"] for which in ("recorded", "replayed"))
    parts = [f"{count_text(runs['ops'].max())} operations."]
    if pd.notna(loop):
        parts.append(f"Net: without the {rate_text(loop)} of the replay loop itself.")
    if recorded.notna().any() and replayed.notna().any():
        parts.append(
            f"Peak of live bytes: {bytes_text(recorded.median())} recorded, "
            f"{bytes_text(replayed.median())} replayed."
        )
    return " ".join(parts)


def _table(runs: pd.DataFrame, time: pd.DataFrame, memory: pd.DataFrame) -> str:
    overhead = runs["peak_rss_bytes"] / runs["replayed_peak_live_bytes"]
    loop = runs["loop_ns_per_op"].median()
    rows = []
    for position, allocator in enumerate(time.index):
        own = runs["allocator"] == allocator
        fast, small = time.loc[allocator], memory.loc[allocator]
        cells = [
            f'<td><i class="swatch" style="background:{plots.colour(allocator, position)}"></i>'
            f"{escape(allocator)}</td>",
            *_figures(fast, rate_text),
            f"<td>{rate_text(fast['median'] - loop)}</td>",
            _ratio(fast, allocator),
            *_figures(small, bytes_text),
            _ratio(small, allocator),
            f"<td>{ratio_text(overhead[own].median())}</td>",
            f"<td>{grouped_text(runs.loc[own, 'minor_faults'].median())}</td>",
        ]
        mark = ' class="highlighted"' if allocator == plots.HIGHLIGHTED else ""
        rows.append(f"<tr{mark}>{''.join(cells)}</tr>")
    heads = ("allocator", "time per op", INTERVAL, "net", "to glibc", "peak memory", INTERVAL)
    return _html_table((*heads, "to glibc", "overhead", "faults"), rows)


def _figures(row: pd.Series[float], text: Callable[[float], str]) -> tuple[str, str]:
    """Cells of a median and its interval."""
    known = pd.notna(row["low"])
    span = f"{text(row['low'])} – {text(row['high'])}" if known else ""
    return f"<td>{text(row['median'])}</td>", f'<td class="span">{span}</td>'


def _ratio(row: pd.Series[float], allocator: str) -> str:
    if allocator == BASELINE or row["distinct"] or pd.isna(row["ratio_low"]):
        return f"<td>{ratio_text(row['ratio'])}</td>"
    return f'<td class="same">~ {ratio_text(row["ratio"])}</td>'


def _html_table(heads: Iterable[str], rows: Iterable[str]) -> str:
    mark = {INTERVAL: ' class="span"'}
    head = "".join(f"<th{mark.get(name, '')}>{name}</th>" for name in heads)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _chart(title: str, unit: str, figure: plots.Figure) -> str:
    return (
        f"<figure><figcaption>{title} <span>{unit}</span></figcaption>"
        f"{plots.to_html(figure)}</figure>"
    )


def demand(live: pd.DataFrame, histogram: pd.DataFrame, sites: pd.DataFrame) -> str:
    """What the program asks for: live bytes, sizes and sites."""
    return (
        _chart("Live bytes", "asked for and not yet freed", plots.live_curve(live))
        + _chart("Requested sizes", "four bins to a doubling", plots.size_bars(histogram))
        + (_site_table(sites) if (sites.index >= 0).any() else "<p>The trace has no sites.</p>")
    )


def _site_table(sites: pd.DataFrame) -> str:
    top = sites.sort_values("peak_live_bytes", ascending=False, kind="stable").head(TOP_SITES)
    rows = []
    for _, site in top.iterrows():
        share = site["peak_live_ratio"]
        height = f" <small>height {site['height']:,}</small>" if site["height"] else ""
        lifetime = site["median_lifetime_events"]
        cells = [
            f'<td class="place"><code>{escape(site["name"])}</code>{height}</td>',
            f'<td class="bar" style="--share:{100 * share:.1f}%">'
            f"{bytes_text(site['peak_live_bytes'])} <small>{percent_text(share)}</small></td>",
            f"<td>{count_text(site['objects'])}</td>",
            f"<td>{bytes_text(site['bytes'])}</td>",
            f"<td>{count_text(lifetime)}</td>",
            f"<td>{percent_text(site['remote_frees'] / max(site['freed_objects'], 1))}</td>",
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = (
        "site",
        "live at the peak",
        "objects",
        "bytes in all",
        "median life in events",
        "freed remotely",
    )
    title = "<h3>Call sites with the most bytes at the peak</h3>"
    return title + _html_table(heads, rows)


def versions(trace: Trace, results: pd.DataFrame) -> str:
    """What the figures were measured on and with."""
    pairs: list[tuple[str, str]] = [
        ("trace", f"{trace.path}, digest {_each(results['trace_digest'])}")
    ]
    for machine in _distinct(results["machine"]):
        if isinstance(machine, dict):
            pairs += [_fact_text(str(key), value) for key, value in machine.items()]
    for options in _distinct(results["options"]):
        pairs.append(("options", _plain(options)))
    pairs.append(("hakreplay", _each(results["version"])))
    for allocator, runs in results.groupby("allocator", sort=False):
        build = _each(runs["allocator_build"])
        suffix = f", build {build}" if build else ""
        pairs.append((str(allocator), f"{_each(runs['allocator_path'])}{suffix}"))
    pairs.append(("digest of the work", _each(results["digest"])))
    return "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in pairs)


def _fact_text(key: str, value: object) -> tuple[str, str]:
    """Name and value of a fact about the machine, bytes in their largest unit."""
    name = key.removesuffix("_bytes")
    if name != key and isinstance(value, int):
        return name, bytes_text(value)
    return key, _plain(value)


def _distinct(column: pd.Series) -> list[object]:
    texts = {json.dumps(value, sort_keys=True): value for value in column}
    return list(texts.values())


def _each(column: pd.Series) -> str:
    return ", ".join(str(value) for value in column.dropna().unique() if value)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    return "–" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
