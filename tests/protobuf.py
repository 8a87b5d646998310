"""Protocol Buffers' wire format, read without a schema: the fields of a message by number."""

from __future__ import annotations

Field = int | bytes


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def fields(data: bytes) -> dict[int, list[Field]]:
    """The values of each field in order: numbers, or bytes (texts, messages, packed numbers)."""
    found: dict[int, list[Field]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: Field
        value, at = _varint(data, at)
        if tag & 7 == 2:
            end = at + value
            assert end <= len(data)
            value, at = data[at:end], end
        else:
            assert tag & 7 == 0, f"wire type {tag & 7}"
        found.setdefault(tag >> 3, []).append(value)
    return found


def packed(data: Field) -> list[int]:
    """Packed numbers."""
    assert isinstance(data, bytes)
    numbers, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def message(field: Field) -> dict[int, list[Field]]:
    """A message inside a message."""
    assert isinstance(field, bytes)
    return fields(field)


def number(found: dict[int, list[Field]], field: int) -> int:
    """The one number of a field, 0 where it is missing."""
    value = found.get(field, [0])[-1]
    assert isinstance(value, int)
    return value


def text(found: dict[int, list[Field]], field: int) -> str:
    """The one text of a field, "" where it is missing."""
    value = found.get(field, [b""])[-1]
    assert isinstance(value, bytes)
    return value.decode()
