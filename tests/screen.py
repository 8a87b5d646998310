"""What a terminal shows: as much of a VT100 as the recorder and plain programs use."""

from __future__ import annotations

import re

SEQUENCE = re.compile(
    r"\x1b(?P<short>[D78])|\x1b\[(?P<numbers>[0-9;?]*)(?P<final>[A-Za-z])|(?P<plain>.)", re.DOTALL
)


class Screen:
    """Rows of text, a cursor, and the rows that scroll."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.lines = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.saved = (0, 0)
        self.top, self.bottom = 0, rows - 1

    @property
    def text(self) -> list[str]:
        """The rows, without blanks at their ends."""
        return ["".join(line).rstrip() for line in self.lines]

    def index(self) -> None:
        """Down one row; at the end of what scrolls that goes up instead."""
        if self.row == self.bottom:
            del self.lines[self.top]
            self.lines.insert(self.bottom, [" "] * self.columns)
        elif self.row < self.rows - 1:
            self.row += 1

    def put(self, character: str) -> None:
        """A character that is no sequence."""
        if character == "\n":
            self.index()
        elif character == "\r":
            self.column = 0
        elif character >= " ":
            assert self.column < self.columns, "a line is longer than the terminal is wide"
            self.lines[self.row][self.column] = character
            self.column += 1

    def control(self, numbers: list[int], final: str) -> None:
        """A control sequence."""
        if final == "A":
            self.row = max(self.row - (numbers[0] or 1), 0)
        elif final == "H":
            self.row, self.column = (n - 1 for n in (numbers + [1, 1])[:2])
        elif final == "K":
            self.lines[self.row][self.column :] = [" "] * (self.columns - self.column)
        elif final == "r":
            top, bottom = (numbers + [0, 0])[:2]
            self.top, self.bottom = (top or 1) - 1, (bottom or self.rows) - 1
            self.row = self.column = 0
        else:
            assert final in "mhl", f"unknown sequence ending in {final}"

    def feed(self, text: str) -> None:
        """Takes what a program wrote."""
        for match in SEQUENCE.finditer(text):
            if match["plain"] is not None:
                self.put(match["plain"])
            elif match["short"] == "D":
                self.index()
            elif match["short"] == "7":
                self.saved = (self.row, self.column)
            elif match["short"] == "8":
                self.row, self.column = self.saved
            else:
                numbers = [int(n or 0) for n in match["numbers"].lstrip("?").split(";")]
                self.control(numbers, match["final"])
