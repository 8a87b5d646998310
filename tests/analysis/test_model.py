"""The analyses equal a straightforward model, on random small traces, whole or in chunks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd
import pytest
from haktrace import (
    lifetime_histogram,
    lifetimes,
    live_bytes,
    site_table,
    size_histogram,
    workload,
)
from haktrace.bins import LOWER, UPPER
from handmade import FAILED, FOREIGN, Row, chunked, events, random_rows

SEEDS = range(16)
SITES = pd.DataFrame(
    {
        "module": pd.Series(
            ["/usr/lib/libz.so.1", "/bin/app", None, "/bin/app", "/x/y"], dtype="str"
        ),
        "offset": pd.Series([16, 32, 0xFFFF, 32, 8], dtype="uint64"),
        "height": pd.Series([64, 0, 0, 128, 4096], dtype="uint32"),
    }
)
PLACES = ["libz.so.1+0x10", "app+0x20", "0xffff", "app+0x20", "y+0x8"]


def model_lives(rows: list[Row]) -> list[dict[str, Any]]:
    """One dict an object, by number; what is unknown is None."""
    lives: list[dict[str, Any]] = []
    for event, (time, thread, kind, size, align, born, old, site, flags) in enumerate(rows):
        ended = old >= 0 and not flags & FAILED
        if born >= 0:
            life: dict[str, Any] = {
                "size": size,
                "align": align,
                "kind": kind,
                "thread": thread,
                "site": site,
            }
            life |= {"birth_event": event, "birth_ns": time, "previous": old if ended else None}
            life |= {"chain": lives[old]["chain"] if ended else born, "next": None}
            life |= dict.fromkeys(
                ["death_event", "death_kind", "death_ns", "death_thread", "death_site"]
            )
            life |= dict.fromkeys(["lifetime_events", "lifetime_ns", "remote"])
            assert born == len(lives)
            lives.append(life)
        if ended:
            life = lives[old]
            life |= {
                "death_event": event,
                "death_ns": time,
                "death_thread": thread,
                "death_kind": kind,
            }
            life |= {"death_site": site, "next": born if born >= 0 else None}
            life |= {"lifetime_events": event - life["birth_event"]}
            life |= {"lifetime_ns": time - life["birth_ns"], "remote": thread != life["thread"]}
    return lives


def model_live(rows: list[Row]) -> list[tuple[int, int]]:
    """Live bytes and objects after each event."""
    sizes: list[int] = []
    live = objects = 0
    curve = []
    for _, _, _, size, _, born, old, _, flags in rows:
        if born >= 0:
            sizes.append(size)
            live, objects = live + size, objects + 1
        if old >= 0 and not flags & FAILED:
            live, objects = live - sizes[old], objects - 1
        curve.append((live, objects))
    return curve


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts with None for null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


@pytest.mark.parametrize("seed", SEEDS)
def test_lifetimes(seed: int) -> None:
    rows = random_rows(seed, 25 * seed)
    found = lifetimes(events(rows))
    assert list(found.index) == list(range(len(found)))
    assert records(found) == model_lives(rows)
    pd.testing.assert_frame_equal(lifetimes(chunked(events(rows), seed)), found)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("points", [1, 7, 1000])
def test_live_bytes(seed: int, points: int) -> None:
    rows = random_rows(seed, 25 * seed)
    curve = model_live(rows)
    width = 1
    while -(-len(rows) // width) > 2 * points:
        width *= 2
    expected = []
    for begin in range(0, len(rows), width):
        step = [live for live, _ in curve[begin : begin + width]]
        expected.append(
            {
                "time_ns": rows[begin][0],
                "live_bytes": step[-1],
                "live_objects": curve[min(begin + width, len(rows)) - 1][1],
                "low_bytes": min(step),
                "peak_bytes": max(step),
                "peak_event": begin + step.index(max(step)),
                "peak_objects": max(n for _, n in curve[begin : begin + width]),
            }
        )
    for shape in (events(rows), chunked(events(rows), seed)):
        found = live_bytes(shape, points)
        assert list(found.index) == list(range(0, len(rows), width))
        assert records(found) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_size_histogram(seed: int) -> None:
    rows = random_rows(seed, 25 * seed)
    sizes = [row[3] for row in rows if row[5] >= 0]
    expected = []
    for low, high in zip(LOWER.tolist(), UPPER.tolist(), strict=True):
        inside = [size for size in sizes if low <= size <= high]
        if inside:
            shares = len(inside) / len(sizes), sum(inside) / max(sum(sizes), 1)
            expected.append((high, low, len(inside), sum(inside), *shares))
    for shape in (events(rows), chunked(events(rows), seed)):
        found = size_histogram(shape)
        assert list(found.itertuples(name=None)) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_lifetime_histogram(seed: int) -> None:
    rows = random_rows(seed, 25 * seed)
    lives = model_lives(rows)
    expected = []
    for low, high in zip(LOWER.tolist(), UPPER.tolist(), strict=True):
        inside = [
            life["size"]
            for life in lives
            if life["lifetime_events"] is not None and low <= life["lifetime_events"] <= high
        ]
        if inside:
            whole = sum(life["size"] for life in lives)
            shares = len(inside) / len(lives), sum(inside) / max(whole, 1)
            expected.append((high, low, len(inside), sum(inside), *shares))
    found = lifetime_histogram(lifetimes(events(rows)))
    assert list(found.itertuples(name=None)) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_workload(seed: int) -> None:
    rows = random_rows(seed, 25 * seed)
    lives, curve = model_lives(rows), model_live(rows)
    kinds = [row[2] for row in rows]
    left = [life["size"] for life in lives if life["death_event"] is None]
    frees = [life for life in lives if life["death_kind"] == "free"]
    expected = {
        "events": len(rows),
        "allocs": len(rows) - kinds.count("free") - kinds.count("realloc"),
        "frees": kinds.count("free"),
        "reallocs": kinds.count("realloc"),
        "failed_allocs": sum(row[8] == FAILED for row in rows),
        "foreign_frees": sum(row[8] == FOREIGN for row in rows),
        "threads": len({row[1] for row in rows}),
        "sites": len({row[7] for row in rows} - {-1}),
        "objects": len(lives),
        "remote_frees": sum(life["remote"] for life in frees),
        "peak_live_bytes": max((live for live, _ in curve), default=0),
        "peak_live_objects": max((count for _, count in curve), default=0),
        "leaked_objects": len(left),
        "leaked_bytes": sum(left),
    }
    for shape in (events(rows), chunked(events(rows), seed)):
        assert workload(shape).to_dict() == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_site_table(seed: int) -> None:
    rows = random_rows(seed, 25 * seed)
    curve = [live for live, _ in model_live(rows)]
    peak = max(curve, default=0)
    moment = curve.index(peak) if curve else -1
    groups: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for life in model_lives(rows):
        groups[life["site"]].append(life)
    expected = {}
    for site, lives in groups.items():
        freed = [life for life in lives if life["death_event"] is not None]
        leaked = [life["size"] for life in lives if life["death_event"] is None]
        spans = sorted(life["lifetime_events"] for life in freed)
        at_peak = sum(
            life["size"]
            for life in lives
            if life["birth_event"] <= moment
            and (life["death_event"] is None or life["death_event"] > moment)
        )
        expected[site] = {
            "place": PLACES[site] if site >= 0 else "unknown",
            "height": int(SITES["height"][site]) if site >= 0 else 0,
            "objects": len(lives),
            "bytes": sum(life["size"] for life in lives),
            "freed_objects": len(freed),
            "remote_frees": sum(life["remote"] and life["death_kind"] == "free" for life in freed),
            "grown_objects": sum(life["next"] is not None for life in freed),
            "leaked_objects": len(leaked),
            "leaked_bytes": sum(leaked),
            "peak_live_bytes": at_peak,
            "peak_live_ratio": at_peak / max(peak, 1),
            "median_lifetime_events": min(
                upper for upper in UPPER.tolist() if upper >= spans[(len(spans) - 1) // 2]
            )
            if spans
            else None,
        }
    for shape in (events(rows), chunked(events(rows), seed)):
        found = site_table(shape, SITES)
        assert dict(zip(found.index, records(found), strict=True)) == expected
        assert found["bytes"].is_monotonic_decreasing
    given = site_table(iter(chunked(events(rows), seed)), SITES, moment)
    pd.testing.assert_frame_equal(given, found)
