"""Live bytes, requested and not yet freed, as events pass."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from haktrace.objects import Objects
from haktrace.trace import event_chunks


def live_bytes(events: pd.DataFrame | Iterable[pd.DataFrame], points: int = 1000) -> pd.DataFrame:
    """The live bytes over the trace in `points` to 2 * `points` steps, fewer for a short trace.

    `events`: `Trace.events`, a Trace, or chunks of either in the total order; memory does not grow
    with their number. A step is 1, 2, 4, ... events, and keeps its extremes, so that the largest
    `peak_bytes` is the exact peak and its `peak_event` the first event after which it stood.
    A realloc is one event: the old block and the new one are never counted together. All int64:

    | column         | meaning                                                |
    | -------------- | ------------------------------------------------------ |
    | index `event`  | the step's first event                                 |
    | `time_ns`      | time of that event                                     |
    | `live_bytes`   | live bytes after the step's last event                 |
    | `live_objects` | live objects likewise                                  |
    | `low_bytes`    | fewest live bytes after any event of the step          |
    | `peak_bytes`   | most live bytes after any event of the step            |
    | `peak_event`   | the first event after which there were as many as that |
    | `peak_objects` | most live objects after any event of the step          |
    """
    objects = Objects()
    steps, width = _steps(np.empty(0, np.int64), *[np.empty(0, np.int64)] * 3), 1
    bytes_, count, first = 0, 0, None
    for chunk in event_chunks(events):
        if not len(chunk):
            continue
        size, born = _deltas(objects, chunk)
        size, born = bytes_ + size.cumsum(), count + born.cumsum()
        bytes_, count = int(size[-1]), int(born[-1])
        event = chunk.index.to_numpy()
        first = int(event[0]) if first is None else first
        fresh = _steps(event, chunk["time_ns"].to_numpy(), size, born)
        steps = pd.concat([steps, _merge(fresh, first, width)])
        while len(steps := _merge(steps, first, width)) > 2 * points:
            width *= 2
    return steps


def _deltas(objects: Objects, events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What each event adds to the live bytes and to the live objects."""
    ended = objects.feed(events)
    born = events["object"].to_numpy() >= 0
    size = np.where(born, events["size"].to_numpy(), 0).astype(np.int64)
    count = born.astype(np.int64)
    at = np.searchsorted(events.index.to_numpy(), ended["death_event"].to_numpy(np.int64))
    size[at] -= ended["size"].to_numpy().astype(np.int64)
    count[at] -= 1
    return size, count


def _steps(
    event: np.ndarray, time_ns: np.ndarray, size: np.ndarray, count: np.ndarray
) -> pd.DataFrame:
    """Steps of one event each."""
    columns = {
        "time_ns": time_ns,
        "live_bytes": size,
        "live_objects": count,
        "low_bytes": size,
        "peak_bytes": size,
        "peak_event": event,
        "peak_objects": count,
    }
    return pd.DataFrame(columns, index=pd.Index(event, name="event"), copy=False)


def _merge(steps: pd.DataFrame, first: int, width: int) -> pd.DataFrame:
    """Steps of `width` events, counted from event `first`, from smaller ones."""
    number = (steps.index.to_numpy() - first) // width
    begin = np.flatnonzero(np.diff(number, prepend=-1))
    if len(begin) == len(steps):
        return steps
    end = np.append(begin[1:], len(steps)) - 1
    peak = np.maximum.reduceat(steps["peak_bytes"].to_numpy(), begin)
    reached = np.flatnonzero(steps["peak_bytes"].to_numpy() == np.repeat(peak, end - begin + 1))
    columns = {
        "time_ns": steps["time_ns"].to_numpy()[begin],
        "live_bytes": steps["live_bytes"].to_numpy()[end],
        "live_objects": steps["live_objects"].to_numpy()[end],
        "low_bytes": np.minimum.reduceat(steps["low_bytes"].to_numpy(), begin),
        "peak_bytes": peak,
        "peak_event": steps["peak_event"].to_numpy()[reached[np.searchsorted(reached, begin)]],
        "peak_objects": np.maximum.reduceat(steps["peak_objects"].to_numpy(), begin),
    }
    return pd.DataFrame(columns, index=steps.index[begin])
