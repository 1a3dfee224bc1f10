"""A loss takes exactly its units, from whom it should first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inventory import StockLevel, StockState
from domain.kernel.errors import InsufficientStock
from domain.kernel.ids import new_id
from domain.locations import Location
from domain.stock_losses import HeldUnits, PromisedUnits, plan

COUNT = st.integers(0, 20)
COUNTS = st.lists(st.integers(1, 6), max_size=4)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNTS, COUNTS, st.integers(1, 120))
def test_a_loss_is_taken_in_order_to_the_last_unit(
    available: int,
    buffer: int,
    inspected: int,
    damaged: int,
    untracked: int,
    held: list[int],
    promised: list[int],
    units: int,
) -> None:
    committed = sum(promised) + untracked
    on_hand = available + buffer + inspected + damaged + committed + sum(held)
    level = StockLevel(
        new_id(), new_id(), "S", Location(new_id(), "L", "L"), on_hand, available, sum(held), committed,
        buffer, inspected, damaged, 0,
    )  # fmt: skip
    holds = [HeldUnits(new_id(), new_id(), new_id(), part) for part in held]
    promises = [PromisedUnits(new_id(), new_id(), part) for part in promised]
    if units > on_hand:
        with pytest.raises(InsufficientStock):
            plan(level, units, holds, promises)
        return
    loss = plan(level, units, holds, promises)
    taken = loss.taken
    assert sum(taken.values()) == units
    assert all(0 < part <= getattr(level, state.value) for state, part in taken.items())
    assert sum(part for _, part in loss.released) == taken.get(StockState.HELD, 0)
    if StockState.HELD in taken:
        assert taken.get(StockState.AVAILABLE, 0) == available
        assert taken.get(StockState.SAFETY_STOCK, 0) == buffer
    if loss.broken:
        assert taken.get(StockState.HELD, 0) == sum(held)
    if StockState.DAMAGED in taken:
        assert sum(part for _, part in loss.broken) == sum(promised)
        assert taken.get(StockState.QUALITY_CONTROL, 0) == inspected
    # The newest give all they have before the next is asked.
    for chosen, offered in ((loss.released, holds), (loss.broken, promises)):
        assert [one for one, _ in chosen] == offered[: len(chosen)]
        assert all(part == one.quantity for one, part in chosen[:-1])
