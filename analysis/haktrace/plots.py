"""Every figure of the package: DataFrames in, plotly figures out. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io
import plotly.offline
import plotly.subplots

from haktrace.bins import bin_numbers
from haktrace.units import bytes_text, count_text, time_text

Figure = go.Figure

# Distinct for colour-blind eyes, and legible on white and on near-black.
COLOURS = {
    "hakmem": "#2f7ff0",
    "glibc": "#8a929c",
    "jemalloc": "#e08a1e",
    "tcmalloc": "#1c9e78",
    "mimalloc": "#c264a8",
}
OTHER_COLOURS = ("#9a7bd8", "#b5a100", "#4fb3c8", "#d0563f")
HIGHLIGHTED = "hakmem"
ACCENT, ACCENT_2 = "#2f7ff0", "#1c9e78"

# Grey that can be read on both backgrounds; the report's page sets its own for each.
TEXT = "#7d8590"
GRID = "rgba(125,133,144,0.22)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
CONFIG = {"displayModeBar": False, "responsive": True}


def colour(allocator: str, position: int = 0) -> str:
    """An allocator's colour, the same in every figure; by position for those without one."""
    return COLOURS.get(allocator, OTHER_COLOURS[position % len(OTHER_COLOURS)])


def _figure(height: int, **layout: object) -> go.Figure:
    return _dress(go.Figure(), height, **layout)


def _dress(figure: go.Figure, height: int, **layout: object) -> go.Figure:
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 13, "color": TEXT},
        hoverlabel={"font": {"family": FONT, "size": 13}},
        showlegend=False,
        dragmode=False,
        **layout,
    )
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "automargin": True, "fixedrange": True}
    axis["ticklabelstandoff"] = 5
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def allocator_bars(
    comparison: pd.DataFrame, results: pd.DataFrame, value: str, in_bytes: bool = False
) -> go.Figure:
    """A bar from 0 for each allocator: its median, the 95 % interval, and every repeat as a dot.

    `comparison`: of `compare`, for one trace and schedule, indexed by allocator. `results`: what it
    was made from. `value`: the compared column, in bytes or in ns.
    """
    figure = _figure(height=40 * len(comparison) + 56, bargap=0.5)
    scale, unit = (1024**2, "MiB") if in_bytes else (1, "ns")
    for position, (name, row) in enumerate(comparison.iterrows()):
        allocator = str(name)
        ink = colour(allocator, position)
        middle, low, high = (row[end] / scale for end in ("median", "low", "high"))
        figure.add_bar(
            y=[allocator],
            x=[middle],
            orientation="h",
            marker={"color": ink, "opacity": 0.85 if allocator == HIGHLIGHTED else 0.45},
            error_x={
                "type": "data",
                "array": [high - middle],
                "arrayminus": [middle - low],
                "color": TEXT,
                "thickness": 1.5,
                "width": 6,
            },
            hovertemplate=f"%{{x:,.4~g}} {unit}, 95 %: {low:,.4g} to {high:,.4g}"
            f"<extra>{allocator}</extra>",
        )
        dots = results.loc[results["allocator"] == allocator, value].dropna().to_numpy(float)
        figure.add_scatter(
            y=[allocator] * len(dots),
            x=dots / scale,
            mode="markers",
            marker={"color": ink, "size": 5.5},
            hovertemplate=f"one repeat: %{{x:,.4~g}} {unit}<extra>{allocator}</extra>",
        )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticksuffix="  ")
    figure.update_xaxes(rangemode="tozero", ticksuffix=f" {unit}", nticks=6)
    return figure


def memory_curves(series: pd.DataFrame) -> go.Figure:
    """Resident memory over the calls of a trace, a line for each allocator; dashed: live bytes.

    `series`: of `memory_series`, for one trace and schedule.
    """
    figure = _figure(height=300)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12})
    groups = list(series.groupby("allocator", sort=False))
    for position, (key, rows) in enumerate(groups):
        ink = {"color": colour(str(key), position)}
        _memory_line(figure, str(key), rows["ops"], rows["rss_bytes"], ink)
    for _, rows in groups[:1]:
        dashed = {"color": TEXT, "dash": "dash"}
        _memory_line(figure, "live bytes", rows["ops"], rows["live_bytes"], dashed)
    figure.update_xaxes(
        showgrid=False, zeroline=False, title={"text": "call", "font": {"size": 13}}
    )
    figure.update_yaxes(rangemode="tozero", ticksuffix=" MiB", nticks=6)
    return figure


def _memory_line(
    figure: go.Figure, name: str, ops: pd.Series, in_bytes: pd.Series, line: dict[str, str]
) -> None:
    figure.add_scatter(
        x=ops,
        y=in_bytes / 1024**2,
        name=name,
        mode="lines",
        line={"width": 1.6, **line},
        hovertemplate=f"%{{y:,.4~g}} MiB after %{{x:,}} calls<extra>{name}</extra>",
    )


def latency_curves(quantiles: pd.DataFrame) -> go.Figure:
    """Percentiles of latency, a line for each allocator, with 95 % intervals; logarithmic.

    `quantiles`: of `latency_quantiles`, for one trace and schedule.
    """
    figure = _figure(height=320)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12})
    for position, (key, rows) in enumerate(quantiles.groupby("allocator", sort=False)):
        name = str(key)
        figure.add_scatter(
            x=rows["quantile"],
            y=rows["median"],
            name=name,
            mode="lines+markers",
            line={"color": colour(name, position), "width": 1.6},
            error_y={
                "type": "data",
                "array": rows["high"] - rows["median"],
                "arrayminus": rows["median"] - rows["low"],
                "thickness": 1.2,
                "width": 4,
            },
            hovertemplate=f"%{{x}}: %{{y:,.4~g}} ns<extra>{name}</extra>",
        )
    figure.update_xaxes(showgrid=False, type="category")
    figure.update_yaxes(type="log", ticksuffix=" ns")
    return figure


def live_curve(live: pd.DataFrame) -> go.Figure:
    """Live bytes over time, or over events when there are no times, and the peak marked.

    A band shows the range inside each step.
    `live`: of `live_bytes`.
    """
    figure = _figure(height=300)
    timed, unit = live["time_ns"].any(), 1024**2
    along = live["time_ns"].to_numpy() / 1e9 if timed else live.index.to_numpy()
    for column, fill in (("low_bytes", None), ("peak_bytes", "tonexty")):
        figure.add_scatter(
            x=along,
            y=live[column] / unit,
            mode="lines",
            line={"width": 0, "shape": "hv"},
            fill=fill,
            fillcolor="rgba(47,127,240,0.22)",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=along,
        y=live["live_bytes"] / unit,
        mode="lines",
        line={"color": ACCENT, "width": 1.6, "shape": "hv"},
        customdata=np.stack(
            [live["live_objects"], live.index, live["time_ns"].map(time_text)], axis=-1
        ),
        hovertemplate="%{y:,.4~g} MiB in %{customdata[0]:,} objects<br>"
        "at %{customdata[2]}, event %{customdata[1]:,}<extra></extra>",
    )
    if len(live):
        peak = int(live["peak_bytes"].argmax())
        most = live["peak_bytes"].iloc[peak]
        figure.add_annotation(
            x=along[peak],
            y=most / unit,
            text=f"peak {bytes_text(most)}",
            showarrow=True,
            arrowhead=0,
            arrowcolor=TEXT,
            ax=0,
            ay=-22,
            xanchor=("left", "center", "right")[int(np.digitize(peak / len(live), (0.1, 0.9)))],
        )
    figure.update_xaxes(
        showgrid=False,
        zeroline=False,
        **({"ticksuffix": " s"} if timed else {"title": {"text": "event", "font": {"size": 13}}}),
    )
    figure.update_yaxes(rangemode="tozero", ticksuffix=" MiB", nticks=6)
    return figure


def size_bars(histogram: pd.DataFrame) -> go.Figure:
    """Shares of objects and of bytes by requested size. `histogram`: of `size_histogram`."""
    return _share_bars(histogram, bytes_text)


def lifetime_bars(histogram: pd.DataFrame) -> go.Figure:
    """Shares of objects and of bytes by lifetime. `histogram`: of `lifetime_histogram`."""
    return _share_bars(histogram, lambda value: f"{count_text(value)} events")


def _share_bars(histogram: pd.DataFrame, text: Callable[[float], str]) -> go.Figure:
    """Two rows of bars, one a bin: all have the same width, so that the axis is logarithmic."""
    figure = plotly.subplots.make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1)
    _dress(figure, height=360, bargap=0.12)
    number = bin_numbers(histogram.index.to_numpy())
    labels = [
        text(high) if low == high else f"{text(low)} to {text(high)}"
        for low, high in zip(histogram.iloc[:, 0], histogram.index, strict=True)
    ]
    for row, (what, ink, amount) in enumerate(
        (("objects", ACCENT, count_text), ("bytes", ACCENT_2, bytes_text)), 1
    ):
        figure.add_bar(
            row=row,
            col=1,
            x=number,
            y=100 * histogram[f"{what}_ratio"],
            marker={"color": ink},
            customdata=np.stack([labels, [amount(n) for n in histogram[what]]], axis=-1),
            hovertemplate="%{customdata[0]}<br>%{customdata[1]} (%{y:.2f} %)<extra></extra>",
        )
        figure.update_yaxes(
            title={"text": f"of {what}", "font": {"size": 13}}, ticksuffix=" %", row=row, nticks=4
        )
    largest = int(histogram.index.max()) if len(histogram) else 16
    ticks = [size for size in (4**power for power in range(1, 31)) if size <= largest]
    figure.update_xaxes(
        showgrid=False,
        tickvals=bin_numbers(np.array([0, *ticks])),
        ticktext=["0", *[_power_text(size) for size in ticks]],
    )
    return figure


def _power_text(size: int) -> str:
    """A power of two as `64`, `4 Ki`, `1 Mi`."""
    step = (size.bit_length() - 1) // 10
    return f"{size >> (10 * step)} {('', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei')[step]}"


def ablation_bars(parts: pd.DataFrame, measure: str = "time") -> go.Figure:
    """One row of `haktrace.ablate` a dot: the ratio to the whole allocator and its interval."""
    traces = list(dict.fromkeys(parts.index.get_level_values("trace")))
    title = f"{measure} without the part, whole = 1"
    figure = _figure(220 + 26 * len(parts), xaxis={"title": {"text": title}})
    for position, trace in enumerate(traces):
        shown = parts.loc[trace][measure]
        figure.add_scatter(
            x=shown["ratio"],
            y=[f"{part}  {trace}" for part in shown.index],
            mode="markers",
            name=trace,
            marker={"color": colour(trace, position), "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": shown["ratio_high"] - shown["ratio"],
                "arrayminus": shown["ratio"] - shown["ratio_low"],
            },
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    figure.add_vline(x=1, line={"color": TEXT, "width": 1})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def to_html(figure: go.Figure) -> str:
    """A figure as a piece of HTML, for a page that holds `library()` once."""
    return str(plotly.io.to_html(figure, full_html=False, include_plotlyjs=False, config=CONFIG))


def library() -> str:
    """The text of plotly.js, to stand in a script element."""
    return str(plotly.offline.get_plotlyjs())
