"""A trace as DataFrames.

The words are those of `traces/trace.h`: a *row* of the total order is a call or a mark, an *object*
is one allocation's life, a *site* is where a call came from. Columns ending in `_ns` are
nanoseconds since the trace's start, sizes are bytes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from types import TracebackType

import numpy as np
import pandas as pd

from haktrace.binding import Handle

CHUNK_EVENTS = 1 << 20

# Bits of the column `flags`.
FAILED = 1
"""The call returned failure; no object was born, a realloc's old object lives on."""
MOVED = 2
"""A realloc whose result has another address than the old block."""
FOREIGN = 4
"""A free or realloc of a block whose birth is not in the trace."""
REPAIRED = 8
"""The recorder had to move this row to keep the order legal."""

# Kinds by what they do; all others but INHERITED are allocations.
REALLOCS = ("realloc", "reallocarray")
INHERITED = "inherited"


def is_free(kind: str) -> bool:
    """Whether a kind is `free` or one of C++'s deletes."""
    return kind == "free" or kind.startswith("delete")


class Trace:
    """A trace file. Tables are read when first asked for and kept; batches are not.

    Iterating over a Trace gives its events in DataFrames of about a million rows, again and
    again, whatever the trace's size: the analyses take a Trace as readily as a DataFrame.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._handle = Handle(path)
        self.rows = self._handle.rows()
        """Number of rows, calls and marks: the events are as many at most."""
        self.file_bytes = self._handle.file_bytes()
        self.complete = self._handle.complete()
        """False: the file was cut short; what is whole of it can be read."""
        self.damage = "" if self.complete else self._handle.error()
        """The sentence that says up to where a trace cut short is whole."""
        self.totals = self._handle.totals()
        """`lost_events`, `late_events`, `repaired_events`, `duration_ns`; None: cut short."""

    def __repr__(self) -> str:
        return f"<Trace {self.path}: {self.rows} rows>"

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Tables already read stay."""
        self._handle.close()

    def batches(self, from_ns: int = 0, to_ns: int = 0) -> Iterator[pd.DataFrame]:
        """The events of one block of the file after another, as read-only views of its memory.

        Whole blocks that hold a row at or after `from_ns` and before `to_ns` (0: the end).
        Columns as in `events`; the index counts events from the first one delivered. Raises
        TraceError where the file is damaged, after every whole block before it.
        """
        first = 0
        for batch in self._handle.events(from_ns, to_ns):
            frame: pd.DataFrame = batch.to_pandas(split_blocks=True)
            frame.index = pd.RangeIndex(first, first + len(frame))
            first += len(frame)
            yield frame

    def iter_events(self, chunk: int = CHUNK_EVENTS) -> Iterator[pd.DataFrame]:
        """The events in DataFrames of `chunk` rows or one block more; the last one may be shorter.

        For traces larger than memory: what is held at a time is a chunk and the blocks it is of.
        """
        waiting: list[pd.DataFrame] = []
        rows = 0
        for batch in self.batches():
            waiting.append(batch)
            rows += len(batch)
            if rows >= chunk:
                yield _concat(waiting)
                waiting, rows = [], 0
        if waiting:
            yield _concat(waiting)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return self.iter_events()

    @cached_property
    def events(self) -> pd.DataFrame:
        """Calls and inherited objects in the total order, about 50 bytes a row.

        | column       | dtype    | meaning                                                      |
        | ------------ | -------- | ------------------------------------------------------------ |
        | `time_ns`    | int64    |                                                              |
        | `thread`     | uint32   | row of `threads`                                             |
        | `kind`       | category | `malloc`, `free`, ... `inherited`                            |
        | `size`       | uint64   | requested; 2**64 - 1 when count * size overflowed            |
        | `align`      | uint64   | requested, 0 when the call takes none                        |
        | `object`     | int64    | the object born, -1: none                                    |
        | `old_object` | int64    | the object that died (or was to: FAILED), -1: none           |
        | `site`       | int32    | row of `sites`, -1: unknown                                  |
        | `flags`      | uint8    | sum of FAILED, MOVED, FOREIGN, REPAIRED                      |
        | `addr`       | uint64   | only when the trace holds addresses                          |
        """
        return _concat(list(self.batches()))

    def _table(self, name: str, index: str | None = None) -> pd.DataFrame:
        table = self._handle.table(name)
        frame: pd.DataFrame = table.to_pandas(types_mapper=_integer)
        exact = [
            field.name for field in table.schema if not field.nullable and _integer(field.type)
        ]
        frame = frame.astype(dict.fromkeys(exact, "int64"))
        if index:
            frame.index.name = index
        return frame

    @cached_property
    def threads(self) -> pd.DataFrame:
        """Threads by number: `tid`, `name`, `start_ns`, `exit_ns` (null: did not exit)."""
        return self._table("threads", "thread")

    @cached_property
    def sites(self) -> pd.DataFrame:
        """Sites by number: `module` (path, null when in none), `build_id`, `offset` of the return
        address in the module, `height` of the stack in bytes (0: unknown), `key`,
        `stack_samples` (how often its stack was looked at) and `stack_purity_ratio`, the share of
        these that found the commonest stack (NaN: never looked at, or not told)."""
        frame = self._table("sites", "site")
        commonest = frame.pop("commonest_samples")
        frame["stack_purity_ratio"] = commonest / frame["stack_samples"].where(commonest > 0)
        return frame

    @cached_property
    def stacks(self) -> pd.DataFrame:
        """Frames of the stacks of frequent sites: `site`, `depth` (0: the site itself), `module`,
        `offset`, `stack` (its number: a site may have several), `samples` (how often it was met;
        0: not told)."""
        return self._table("stacks")

    @cached_property
    def symbols(self) -> pd.DataFrame:
        """The call chains of all sites by name, innermost first: the site's stack where one was
        recorded, else the site alone. Looked up when first asked for, in the files that ran.

        | column     | dtype  | meaning                                                           |
        | ---------- | ------ | ----------------------------------------------------------------- |
        | `site`     | uint32 | row of `sites`                                                    |
        | `depth`    | uint32 | frame of the stack, 0: the site's own                             |
        | `inlined`  | uint32 | 0: the innermost call inlined in the frame; the frame's last row  |
        |            |        | is the function that was compiled there                           |
        | `function` | str    | C++ names demangled; null: not known                              |
        | `file`     | str    | of the source; null: no debug information                         |
        | `line`     | Int64  | of the call; null likewise                                        |
        | `module`   | str    | path of the file that was mapped; null: in none                   |
        | `offset`   | uint64 | of the return address in it                                       |

        A module's file is known by its build id: at its recorded path, as
        `/usr/lib/debug/.build-id`, or from debuginfod where DEBUGINFOD_URLS is set; debug files
        also by `.gnu_debuglink`. A warning names each module whose file is another one by now.
        """
        frame = self._table("symbols")
        for problem in frame["problem"].dropna().unique():
            warnings.warn(problem, stacklevel=2)
        frame["line"] = frame["line"].astype("Int64")
        return frame.drop(columns="problem")

    @cached_property
    def resident(self) -> pd.DataFrame:
        """How many pages of large objects (128 KiB and up) were resident, by object number.

        `birth_pages`: when the object was born; `death_pages`: right before it was freed or
        moved, or at the trace's end, if it was alive then. Int64; null: not known (of traces that
        eBPF recorded, of a program that was killed). What was touched in between is
        `death_pages` at most, and the difference at least: a recycled block's pages may be
        resident without having been touched.
        """
        frame = self._table("resident")
        birth = frame["moment"] == "birth"
        objects = pd.Index(np.sort(frame["object"].unique()), name="object", dtype="int64")
        columns = {
            name: frame[rows].set_index("object")["pages"].astype("Int64").reindex(objects)
            for name, rows in (("birth_pages", birth), ("death_pages", ~birth))
        }
        return pd.DataFrame(columns, index=objects)

    @cached_property
    def modules(self) -> pd.DataFrame:
        """Mapped files: `path`, `build_id`, `base_addr`, `size_bytes`."""
        return self._table("modules", "module")

    @cached_property
    def marks(self) -> pd.DataFrame:
        """Rows that are no calls: `time_ns`, `thread`, `kind` (`thread_start`, `thread_exit`,
        `lost`, `mark`), `size` (calls lost), `text`, `event` (events before it)."""
        return self._table("marks")

    @cached_property
    def process(self) -> pd.DataFrame:
        """Facts about the recorded process, one a row: index `key`, column `value` (text)."""
        return self._table("facts").set_index("key")


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Opens a trace. Raises TraceError with libhaktrace's sentence when it cannot be read."""
    return Trace(path)


def event_chunks(events: pd.DataFrame | Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
    """What the analyses loop over: one DataFrame of events is one chunk."""
    return [events] if isinstance(events, pd.DataFrame) else events


def _concat(batches: list[pd.DataFrame]) -> pd.DataFrame:
    return batches[0] if len(batches) == 1 else pd.concat(batches)


def _integer(kind: object) -> pd.Int64Dtype | None:
    # Without this a null would make 64-bit integers floating point, and inexact.
    return pd.Int64Dtype() if str(kind) == "int64" else None
