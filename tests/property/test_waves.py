"""Scans in any order end right: every unit is picked or missing once, none twice, and none too many."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.fulfillment import FulfillmentOrderStatus, FulfillmentWork
from domain.kernel.errors import IllegalTransition
from domain.kernel.scan_errors import ScanRefused
from domain.waves import (
    BinPlace,
    Pick,
    Wave,
    WaveStatus,
    confirm,
    finished_parts,
    pick_list,
    short_picks,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LINES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=12)
SCANS = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(1, 6)), max_size=40)


def wave_of(lines: list[tuple[int, int, int]]) -> Wave:
    """Return a wave with a pick for each (tote, SKU, units)."""
    units: Counter[tuple[int, int]] = Counter()
    for tote, sku, quantity in lines:
        units[tote, sku] += quantity
    picks = tuple(
        Pick(
            UUID(int=at),
            UUID(int=100 + tote),
            UUID(int=200 + tote),
            f"#{tote}",
            UUID(int=300 + at),
            UUID(int=400 + sku),
            f"S{sku}",
            f"400{sku}",
            "Mug",
            tote,
            quantity,
            0,
            0,
            FulfillmentOrderStatus.IN_PROGRESS,
            FulfillmentWork.PICKING,
            quantity,
            (BinPlace(f"B{9 - sku}", "Z", 9 - sku),),
        )
        for at, ((tote, sku), quantity) in enumerate(sorted(units.items()))
    )
    return Wave(UUID(int=1), UUID(int=2), WaveStatus.OPEN, 1, "test", NOW, None, picks)


@given(LINES, SCANS)
def test_scans_in_any_order_end_right(
    lines: list[tuple[int, int, int]], scans: list[tuple[bool, int, int]]
) -> None:
    wave = wave_of(lines)
    wanted = Counter[str]()
    for pick in wave.picks:
        wanted[pick.sku] += pick.quantity
    counted: Counter[str] = Counter()
    # Whatever was scanned, at last all that is left: by its barcode.
    rest = [(False, sku, 1) for sku in range(5) for _ in range(60)]
    for is_short, sku, quantity in [*scans, *rest]:
        code = f"400{sku}" if quantity % 2 else f"S{sku}"
        try:
            if is_short:
                changed = [_given_up(pick) for pick, _ in short_picks(wave, code, quantity, None)]
            else:
                changed = confirm(wave, code, quantity, None, None)
        except ScanRefused:
            left = sum(pick.left for pick in wave.picks if pick.sku == f"S{sku}")
            assert quantity > left or f"S{sku}" not in wanted
            continue
        except IllegalTransition:
            assert wave.status is WaveStatus.PICKED
            continue
        before = {pick.id: pick for pick in wave.picks}
        moved = sum(one.picked + one.short - before[one.id].picked - before[one.id].short for one in changed)
        assert moved == quantity
        counted[f"S{sku}"] += quantity
        wave = wave.with_picks(changed, NOW)
        for part_id in finished_parts(wave, changed):
            assert all(not pick.left for pick in wave.picks if pick.part_id == part_id)
        assert all(pick.picked + pick.short <= pick.quantity for pick in wave.picks)
    assert wave.status is WaveStatus.PICKED
    assert counted == wanted


@given(LINES)
def test_the_walk_has_every_unit_once_and_goes_one_way(lines: list[tuple[int, int, int]]) -> None:
    wave = wave_of(lines)
    for by_order in (False, True):
        rows = pick_list(wave.picks, by_order=by_order)
        assert sum(row.quantity for row in rows) == sum(pick.quantity for pick in wave.picks)
        stops = [((row.picks[0].tote if by_order else 0), row.bin.position) for row in rows if row.bin]
        assert stops == sorted(stops)


def _given_up(pick: Pick) -> Pick:
    """Return a pick whose missing units have left its part, as giving them up does."""
    return replace(pick, open_units=pick.quantity - pick.short)
