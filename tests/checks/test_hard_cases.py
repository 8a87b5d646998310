"""The table of the recorder's hard cases names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from command import ROOT

TABLE = ROOT / "tests" / "recorder" / "README.md"


def rows() -> list[tuple[str, list[str]]]:
    """Each case with the tests named for it."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    return [(case, re.findall(r"`([^`]+)`", tests)) for case, tests in cells]


def functions(path: Path) -> set[str]:
    """The tests in a file of Python."""
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("case", "tests"), rows())
def test_case_has_its_tests(case: str, tests: list[str]) -> None:
    assert tests, case
    for test in tests:
        file, _, function = test.partition("::")
        path = TABLE.parent / file
        assert path.exists(), test
        if function:
            assert function in functions(path), test


def test_the_table_is_whole() -> None:
    assert len(rows()) >= 35
