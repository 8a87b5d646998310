"""Objects: the life of each allocation, from the events that bear and end it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from haktrace.bins import LOWER, UPPER, bin_numbers
from haktrace.trace import FAILED, REALLOCS, event_chunks

Column = NDArray[Any]

# What is kept of a living object: column and type.
BIRTH = {
    "object": np.int64,
    "size": np.uint64,
    "align": np.uint64,
    "kind": np.int8,
    "thread": np.uint32,
    "site": np.int32,
    "birth_event": np.int64,
    "birth_ns": np.int64,
    "previous": np.int64,
    "chain": np.int64,
}


class Objects:
    """The objects alive while events pass in the total order; its memory is theirs alone."""

    def __init__(self) -> None:
        self._alive: dict[str, Column] = {name: np.empty(0, kind) for name, kind in BIRTH.items()}
        self._kinds = pd.CategoricalDtype([])

    def feed(self, events: pd.DataFrame) -> pd.DataFrame:
        """Takes the next events; returns the objects that ended in them, in the order they did.

        Columns as in `lifetimes`. Frees of objects whose birth was not among the events (foreign
        ones, or those of a part of a trace) are passed over.
        """
        self._bear(events)
        old = events["old_object"].to_numpy()
        ends = np.flatnonzero((old >= 0) & (events["flags"].to_numpy() & FAILED == 0))
        at = _find(self._alive["object"], old[ends])
        ends, at = ends[at >= 0], at[at >= 0]
        ended = {name: column[at] for name, column in self._alive.items()}
        left = np.ones(len(self._alive["object"]), bool)
        left[at] = False
        self._alive = {name: column[left] for name, column in self._alive.items()}
        return self._frame(
            ended,
            death_event=events.index.to_numpy()[ends],
            death_kind=events["kind"].cat.codes.to_numpy()[ends],
            death_ns=events["time_ns"].to_numpy()[ends],
            death_thread=events["thread"].to_numpy()[ends].astype(np.int64),
            death_site=events["site"].to_numpy()[ends].astype(np.int64),
            next=events["object"].to_numpy()[ends],
        )

    def survivors(self) -> pd.DataFrame:
        """The objects alive after all events so far, oldest first. Columns as in `lifetimes`."""
        never = np.full(len(self._alive["object"]), -1)
        deaths = ("death_event", "death_kind", "death_ns", "death_thread", "death_site", "next")
        return self._frame(self._alive, **dict.fromkeys(deaths, never))

    def _bear(self, events: pd.DataFrame) -> None:
        """Adds the objects born in the events: numbers ascend, so the arrays stay sorted."""
        object_ = events["object"].to_numpy()
        rows = np.flatnonzero(object_ >= 0)
        before = len(self._alive["object"])
        kinds = events["kind"].dtype
        if isinstance(kinds, pd.CategoricalDtype):
            self._kinds = kinds
        born = {
            "object": object_,
            "size": events["size"].to_numpy(),
            "align": events["align"].to_numpy(),
            "kind": events["kind"].cat.codes.to_numpy(),
            "thread": events["thread"].to_numpy(),
            "site": events["site"].to_numpy(),
            "birth_event": events.index.to_numpy(),
            "birth_ns": events["time_ns"].to_numpy(),
            "previous": events["old_object"].to_numpy(),
            "chain": object_,
        }
        for name, column in born.items():
            self._alive[name] = np.concatenate([self._alive[name], column[rows]])
        self._link(before)

    def _link(self, first: int) -> None:
        """Gives the objects from position `first` on the chain of the object they grew from."""
        previous, chain = self._alive["previous"], self._alive["chain"]
        grown = first + np.flatnonzero(previous[first:] >= 0)
        parent = np.arange(len(chain))
        at = _find(self._alive["object"], previous[grown])
        parent[grown[at >= 0]] = at[at >= 0]
        while True:  # each turn halves the way to the chain's first object
            further = parent[parent]
            if np.array_equal(further, parent):
                break
            parent = further
        self._alive["chain"] = chain[parent]

    def _frame(self, birth: dict[str, Column], **death: Column) -> pd.DataFrame:
        alive = death["death_event"] < 0
        kinds = {"kind": birth["kind"], "death_kind": death["death_kind"]}
        ends = {
            name: _integers(death[name], alive)
            for name in ("death_event", "death_ns", "death_thread", "death_site")
        }
        columns: dict[str, object] = {**birth, **kinds, **ends}
        for name, codes in kinds.items():
            columns[name] = pd.Categorical.from_codes(codes, dtype=self._kinds)
        columns["lifetime_events"] = ends["death_event"] - birth["birth_event"]
        columns["lifetime_ns"] = ends["death_ns"] - birth["birth_ns"]
        columns["remote"] = ends["death_thread"] != birth["thread"].astype(np.int64)
        columns["previous"] = _integers(birth["previous"], birth["previous"] < 0)
        columns["next"] = _integers(death["next"], death["next"] < 0)
        columns["chain"] = columns.pop("chain")
        del columns["object"]
        index = pd.Index(birth["object"], name="object")
        return pd.DataFrame(columns, index=index, copy=False)


def iter_lifetimes(events: pd.DataFrame | Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The lifetimes of a trace of any size: those ended in each chunk, at last the survivors."""
    objects = Objects()
    for chunk in event_chunks(events):
        yield objects.feed(chunk)
    yield objects.survivors()


def lifetimes(events: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One row for each object born in the events, by its number; about 150 bytes a row.

    `events`: `Trace.events`, a Trace, or chunks of either in the total order. Events are counted by
    their index.

    | column            | dtype    | meaning                                                       |
    | ----------------- | -------- | ------------------------------------------------------------- |
    | `size` `align`    | uint64   | as requested, bytes                                           |
    | `kind`            | category | the call that bore it                                         |
    | `thread` `site`   |          | of its birth; site -1: unknown                                |
    | `birth_event`     | int64    | the event's number in the trace                               |
    | `birth_ns`        | int64    | its time                                                      |
    | `previous`        | Int64    | the object that a realloc made it from, null: none            |
    | `death_event`     | Int64    | the event that ended it, null: alive at the end               |
    | `death_kind`      | category | the call that ended it, null likewise                         |
    | `death_ns` `death_thread` `death_site` | Int64 | of that event, null likewise                |
    | `lifetime_events` | Int64    | `death_event` - `birth_event`, null likewise                  |
    | `lifetime_ns`     | Int64    | `death_ns` - `birth_ns`, null likewise                        |
    | `remote`          | boolean  | ended by another thread than its own, null likewise           |
    | `next`            | Int64    | the object that a realloc made of it, null: none              |
    | `chain`           | int64    | the first object of the chain of reallocs that it belongs to  |
    """
    parts = list(iter_lifetimes(events))
    return pd.concat([part for part in parts if len(part)] or parts[-1:]).sort_index()


def lifetime_histogram(lives: pd.DataFrame) -> pd.DataFrame:
    """Objects by lifetime, counted in events, in bins of `haktrace.bins`.

    `lives`: of `lifetimes`. One row for each bin that holds an object, ascending: index `to_events`
    and column `from_events` (both belong to the bin), `objects`, `bytes` (int64), `objects_ratio`,
    `bytes_ratio` (shares of all objects, also of those alive at the end, which have no row).
    """
    ended = lives[lives["death_event"].notna()]
    number = bin_numbers(ended["lifetime_events"].to_numpy(np.int64))
    columns = {"objects": 1, "bytes": ended["size"].astype(np.int64)}
    table = pd.DataFrame(columns, index=ended.index).groupby(number).sum()
    bins = table.index.to_numpy()
    table.insert(0, "from_events", LOWER[bins].astype(np.int64))
    table.index = pd.Index(UPPER[bins].astype(np.int64), name="to_events")
    table["objects_ratio"] = table["objects"] / max(len(lives), 1)
    table["bytes_ratio"] = table["bytes"] / max(int(lives["size"].astype(np.int64).sum()), 1)
    return table


def remote_frees(lives: pd.DataFrame) -> pd.Series[bool]:
    """Which objects of `lifetimes` were freed, not resized, by another thread than their own."""
    return lives["remote"].fillna(False).astype(bool) & ~lives["death_kind"].isin(REALLOCS)


def _find(numbers: Column, wanted: Column) -> Column:
    """Positions of the wanted numbers in ascending ones, -1 where they are not."""
    if not len(numbers):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    return np.where(numbers[at] == wanted, at, -1)


def _integers(values: Column, missing: Column) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(values.astype(np.int64), missing.copy())
