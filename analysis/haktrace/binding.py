"""The one door to C: libhaktrace's Arrow streams as pyarrow record batches, without a copy, and
its statistics.

`traces/trace.h`, `traces/arrow.h` and `traces/statistic.h` are the contract. Everything else in the
package works on the DataFrames made from what this module delivers.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa

NAME = "libhaktrace.so"
TABLES = ("marks", "threads", "modules", "sites", "stacks", "symbols", "resident", "facts")


class TraceError(Exception):
    """A trace or a file of results that cannot be read; the text says which, where and why."""


class _Stream(ctypes.Structure):
    """struct ArrowArrayStream: four functions and the producer's own pointer."""

    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _Totals(ctypes.Structure):
    """struct trace_totals."""

    _fields_ = (
        ("lost_events", ctypes.c_uint64),
        ("late_events", ctypes.c_uint64),
        ("repaired_events", ctypes.c_uint64),
        ("duration_ns", ctypes.c_uint64),
    )


class _Statistic(ctypes.Structure):
    """struct trace_statistic."""

    _fields_ = (
        ("median", ctypes.c_double),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("ratio", ctypes.c_double),
        ("ratio_low", ctypes.c_double),
        ("ratio_high", ctypes.c_double),
        ("p", ctypes.c_double),
        ("distinct", ctypes.c_int32),
    )


class _Range(ctypes.Structure):
    """struct trace_range."""

    _fields_ = (
        ("from_ns", ctypes.c_uint64),
        ("to_ns", ctypes.c_uint64),
        ("jobs", ctypes.c_uint),
    )


def library_path() -> Path:
    """Where the library is: the folder HAK_BUILD, else the tree's build/, else the system's.

    Raises TraceError that names the places where it is not.
    """
    build = os.environ.get("HAK_BUILD")
    places = [Path(build) / NAME] if build else [Path(__file__).parents[2] / "build" / NAME]
    for place in places:
        if place.is_file():
            return place
    installed = None if build else ctypes.util.find_library("haktrace")
    if installed:
        return Path(installed)
    raise TraceError(f"{NAME} is not at {places[0]}: run `make`, or set HAK_BUILD to its folder")


@cache
def _library() -> ctypes.CDLL:
    """The loaded library with its functions declared."""
    path = library_path()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise TraceError(f"{path} cannot be loaded: {error}") from error
    trace, stream = ctypes.c_void_p, ctypes.POINTER(_Stream)
    values = ctypes.POINTER(ctypes.c_double)
    signatures = {
        "trace_open": (ctypes.c_int, [ctypes.POINTER(trace), ctypes.c_char_p]),
        "trace_close": (None, [trace]),
        "trace_error": (ctypes.c_char_p, [trace]),
        "trace_complete": (ctypes.c_bool, [trace]),
        "trace_file_bytes": (ctypes.c_uint64, [trace]),
        "trace_rows": (ctypes.c_uint64, [trace]),
        "trace_totals": (ctypes.POINTER(_Totals), [trace]),
        "trace_arrow_events": (ctypes.c_int, [trace, ctypes.POINTER(_Range), stream]),
        "trace_statistic_make": (
            ctypes.c_int,
            [ctypes.POINTER(_Statistic), values, ctypes.c_size_t, values, ctypes.c_size_t],
        ),
    }
    for table in TABLES:
        signatures[f"trace_arrow_{table}"] = (ctypes.c_int, [trace, stream])
    try:
        for name, (result, parameters) in signatures.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = parameters
    except AttributeError as error:
        raise TraceError(f"{path} is of another version: {error}") from error
    return library


def statistic(sample: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """The fields of `struct trace_statistic` (traces/statistic.h) for a sample and a baseline.

    NaN where nothing can be known; `distinct` is 0 or 1.
    """
    result = _Statistic()
    arrays = [(ctypes.c_double * len(values))(*values) for values in (sample, base)]
    status = _library().trace_statistic_make(
        ctypes.byref(result), arrays[0], len(sample), arrays[1], len(base)
    )
    if status < 0:
        raise MemoryError
    return {name: getattr(result, name) for name, _ in _Statistic._fields_}


class Handle:
    """An open `struct trace`. Closed with the last reference to it, or by `close()`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        library = _library()
        self._trace = ctypes.c_void_p()
        status = library.trace_open(ctypes.byref(self._trace), os.fsencode(path))
        if not self._trace:
            raise TraceError(f"{os.fspath(path)}: {os.strerror(-status)}")
        self._finalizer = weakref.finalize(self, library.trace_close, self._trace)
        if status < 0:
            sentence = self.error()
            self.close()
            raise TraceError(sentence)

    def close(self) -> None:
        """Closes the trace; batches already taken stay valid."""
        self._finalizer()

    def _open(self) -> ctypes.c_void_p:
        if not self._finalizer.alive:
            raise TraceError("the trace is closed")
        return self._trace

    def error(self) -> str:
        """The library's last sentence on this trace: why it failed, or up to where it is whole."""
        sentence: bytes | None = _library().trace_error(self._open())
        return (sentence or b"").decode(errors="replace")

    def complete(self) -> bool:
        """Whether the trace was written to its end."""
        return bool(_library().trace_complete(self._open()))

    def file_bytes(self) -> int:
        """Size of the file in bytes."""
        return int(_library().trace_file_bytes(self._open()))

    def rows(self) -> int:
        """Number of rows, calls and marks, that can be read."""
        return int(_library().trace_rows(self._open()))

    def totals(self) -> dict[str, int] | None:
        """What the trace's maker alone can know, by the names of trace.h; None: not whole."""
        totals = _library().trace_totals(self._open())
        if not totals:
            return None
        return {name: int(getattr(totals.contents, name)) for name, _ in _Totals._fields_}

    @contextmanager
    def _reader(self, stream: _Stream, status: int) -> Iterator[pa.RecordBatchReader]:
        """A started stream as a reader. It is released before the trace that it reads can close."""
        if status < 0:
            raise TraceError(self.error() or os.strerror(-status))
        reader = pa.RecordBatchReader._import_from_c(ctypes.addressof(stream))
        try:
            yield reader
        except (OSError, pa.ArrowException) as error:
            raise TraceError(str(error)) from error
        finally:
            reader.close()

    def events(self, from_ns: int = 0, to_ns: int = 0) -> Iterator[pa.RecordBatch]:
        """Calls and inherited objects, a batch for each block of the file; at least one batch.

        Whole blocks that hold a row at or after `from_ns` and before `to_ns` (0: the end).
        Raises TraceError where the file is damaged, after every whole batch before it.
        """
        stream, span = _Stream(), _Range(from_ns, to_ns, 0)
        status = _library().trace_arrow_events(
            self._open(), ctypes.byref(span), ctypes.byref(stream)
        )
        with self._reader(stream, status) as reader:
            empty = True
            for batch in reader:
                empty = False
                yield batch
            if empty:
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)

    def table(self, name: str) -> pa.Table:
        """A whole table: one of TABLES."""
        stream = _Stream()
        start = getattr(_library(), f"trace_arrow_{name}")
        status = start(self._open(), ctypes.byref(stream))
        with self._reader(stream, status) as reader:
            return reader.read_all()
