"""A trace's events as one Parquet file: what `haktrace export --to parquet` runs.

Columns: `time_ns thread tid kind size align object old_object site flags` and, where the trace has
them, `addr`, as `Trace.events` explains them; `module offset height` of the site. What does not
apply or is not known is null. The facts about the process are the file's metadata, each key as
`haktrace.KEY`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from haktrace.binding import Handle, TraceError

GROUP_EVENTS = 1 << 18
"""Events in one row group: what is held in memory at a time."""


class _Tables:
    """What the numbers in events stand for."""

    def __init__(self, handle: Handle) -> None:
        sites = handle.table("sites").combine_chunks()
        self.site_columns = {
            "module": sites["module"].dictionary_encode(),
            "offset": sites["offset"],
            "height": _null_where(sites["height"], 0),
        }
        self.tids = handle.table("threads")["tid"]
        facts = handle.table("facts").to_pydict()
        self.metadata = {
            f"haktrace.{key}": value
            for key, value in zip(facts["key"], facts["value"], strict=True)
        }

    def columns(self, events: pa.Table) -> pa.Table:
        """Events with null for none, and with what their sites and threads are."""
        for name in ("object", "old_object", "site"):
            place = events.schema.get_field_index(name)
            events = events.set_column(place, name, _null_where(events[name], -1))
        for name, column in self.site_columns.items():
            events = events.append_column(name, column.take(events["site"]))
        events = events.append_column("tid", self.tids.take(events["thread"]))
        return events.replace_schema_metadata(self.metadata)


def _null_where(column: pa.ChunkedArray, value: int) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, value), pa.scalar(None, column.type), column)


def _groups(handle: Handle) -> Iterator[pa.Table]:
    """The events in tables of GROUP_EVENTS or one block more; at least one table."""
    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in handle.events():
        batches.append(batch)
        rows += batch.num_rows
        if rows >= GROUP_EVENTS:
            yield pa.Table.from_batches(batches).unify_dictionaries()
            batches, rows = [], 0
    if batches:
        yield pa.Table.from_batches(batches).unify_dictionaries()


def write_parquet(trace: str, output: str) -> str:
    """Writes all whole events of a trace. Memory is bounded by GROUP_EVENTS.

    Returns "" or, of a trace that is cut short, the sentence that says up to where it is whole.
    Raises TraceError or OSError; then there is no file.
    """
    handle = Handle(trace)
    writer: pq.ParquetWriter | None = None
    try:
        tables = _Tables(handle)
        for group in _groups(handle):
            columns = tables.columns(group)
            if writer is None:
                writer = pq.ParquetWriter(output, columns.schema, compression="zstd")
            writer.write_table(columns)
        if writer:
            writer.close()
    except (TraceError, OSError):
        if writer:
            writer.close()
            Path(output).unlink(missing_ok=True)
        raise
    return "" if handle.complete() else handle.error()


def main(arguments: Sequence[str]) -> int:
    """The command line: TRACE OUTPUT. Returns the exit status: 0 done, 1 failed."""
    trace, output = arguments
    try:
        damage = write_parquet(trace, output)
    except TraceError as error:
        print(f"haktrace: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"haktrace: {output}: {error.strerror or error}", file=sys.stderr)
        return 1
    if damage:
        print(f"haktrace: {damage}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
