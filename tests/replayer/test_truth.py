"""What `make bench-truth` takes for a difference."""

from __future__ import annotations

import pytest
from bench_truth import differs, own_noise

QUIET = [100.0, 101.0, 100.5, 101.5, 100.2, 101.1, 100.7, 101.2]
RESTLESS = [100.0, 140.0, 101.0, 141.0, 102.0, 139.0, 100.5, 142.0]


def test_noise_is_what_an_allocator_differs_from_itself_by() -> None:
    assert own_noise([100.0] * 8) == 1
    assert own_noise(RESTLESS) == pytest.approx(140.5 / 100.75)
    assert own_noise(RESTLESS[1:]) == pytest.approx(140.5 / 101)
    assert own_noise([100.0]) > 1e9


def test_a_difference_is_larger_than_the_noise_of_both() -> None:
    slower = [1.2 * value for value in QUIET]
    assert differs(QUIET, slower)
    assert differs(slower, QUIET)
    assert not differs(QUIET, QUIET)


def test_a_difference_within_the_noise_of_either_is_none() -> None:
    """The ranges do not overlap, so that the statistics alone call it one."""
    far = [value + 160 for value in QUIET]
    restless = [value - 45 for value in RESTLESS]
    assert not differs(restless, [value + 5 for value in QUIET])
    assert not differs([value + 5 for value in QUIET], restless)
    assert differs(restless, far)
