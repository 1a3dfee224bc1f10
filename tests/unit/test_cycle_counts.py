"""Cycle counts: which differences are believed, which lines are meant, and what is booked in the end."""

from datetime import UTC, datetime

import pytest

from domain.cycle_counts import (
    CountLine,
    CountLineStatus,
    CycleCount,
    CycleCountStatus,
    Tolerance,
    applied,
    lines_named,
    record,
    submit,
)
from domain.inventory import MAX_ON_HAND
from domain.kernel.errors import InvalidInput, Several
from domain.kernel.ids import new_id

NOW = datetime(2026, 8, 1, tzinfo=UTC)


def count_of(*lines: CountLine, tolerance: Tolerance | None = None) -> CycleCount:
    """Return an open count of these lines."""
    return CycleCount(
        new_id(), "1001", new_id(), CycleCountStatus.OPEN, tolerance or Tolerance(), lines, created_at=NOW
    )


def line(sku: str, barcode: str | None = None) -> CountLine:
    """Return a line that nobody has counted."""
    return CountLine(new_id(), new_id(), sku, barcode)


@pytest.mark.parametrize(
    ("expected", "found", "tolerance", "believed"),
    [
        (10, 10, Tolerance(), True),
        (10, 9, Tolerance(), False),
        (10, 12, Tolerance(units=2), True),
        (10, 7, Tolerance(units=2), False),
        (200, 190, Tolerance(percent=5), True),
        (200, 189, Tolerance(percent=5), False),
        (0, 1, Tolerance(percent=100), False),
        (10, 8, Tolerance(units=2, percent=1), True),
    ],
)
def test_a_tolerance_covers_units_or_a_share_of_those_expected(
    expected: int, found: int, tolerance: Tolerance, believed: bool
) -> None:
    one = line("MUG")
    counted = record(
        count_of(one, tolerance=tolerance), [(one.id, found)], {one.variant_id: expected}, "app", NOW
    )

    submitted = submit(counted, None, NOW)

    assert submitted is not None
    assert (submitted[0].status is CycleCountStatus.APPROVED) is believed
    assert len(submitted[1]) == int(believed)


def test_a_sku_wins_over_a_barcode_and_a_barcode_of_two_skus_names_none() -> None:
    plain, first, second = line("4711"), line("MUG-1", "4711"), line("MUG-2", "0815")
    twin = line("MUG-3", "0815")
    count = count_of(plain, first, second, twin)

    assert lines_named(count, [("4711", 1)], None) == [(plain, 1)]
    with pytest.raises(InvalidInput) as refused:
        lines_named(count, [("0815", 1)], None)
    assert refused.value.path == ("lines", "0", "code")
    with pytest.raises(Several) as both:
        lines_named(count, [("0815", 1), ("MUG-1", 5), ("MUG-1", 5)], None)
    assert [error.path[1] for error in both.value.errors] == ["0", "2"]


def test_recording_some_lines_leaves_the_others_alone() -> None:
    first, second = line("MUG-1"), line("MUG-2")

    recorded = record(count_of(first, second), [(second.id, 3)], {second.variant_id: 4}, "app", NOW)

    assert recorded.lines[0] is first
    assert (recorded.lines[1].status, recorded.lines[1].difference) == (CountLineStatus.COUNTED, -1)


@pytest.mark.parametrize(
    ("on_hand", "difference", "after"),
    [(10, -3, 7), (2, -3, 0), (10, 4, 14), (MAX_ON_HAND - 1, 5, MAX_ON_HAND)],
)
def test_a_difference_never_takes_a_level_below_nothing_or_above_the_most(
    on_hand: int, difference: int, after: int
) -> None:
    assert applied(on_hand, difference) == after
