"""Backorders inside a transaction: carts and orders hold what there is, and the rest waits for stock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from domain import backorders as decide
from domain.backorders import Backorder
from domain.inventory import HoldPolicy
from domain.order_placement import Placement
from persistence import backorders as rows
from persistence import fulfillment, inventory
from persistence.inventory import HoldTarget, LineHold
from services.context import Transaction

MOST_TRIES = 5
"""How often holds are asked for with fewer units, while others take what was there."""


async def hold(
    transaction: Transaction,
    cart_id: UUID,
    channel_id: UUID,
    targets: Sequence[HoldTarget],
    policy: HoldPolicy,
    *,
    counting: bool,
    collected: bool = False,
) -> list[LineHold]:
    """Hold what a cart's lines want; of what is sold beyond its stock, as much as there is.

    All or nothing for the others, as `inventory.hold`. Of the former a result has fewer units than the line
    wants and still is not short. One statement where all is there. `counting` locks what has a limit;
    what is `collected` never waits.
    """
    wanted = {target.line_id: target for target in targets}
    current = list(targets)
    known: dict[UUID, Backorder] | None = None
    short: list[LineHold] = []
    for _ in range(MOST_TRIES):
        held = await inventory.hold(
            transaction.connection,
            cart_id,
            channel_id,
            current,
            policy=policy,
            actor=transaction.actor,
            now=transaction.now,
        )
        short = [one for one in held if one.is_short]
        if not short or collected:
            return held
        if known is None:
            variants = sorted({one.variant_id for one in short})
            known = await rows.find(transaction.connection, channel_id, variants, locking=counting)
        refused = [one for one in short if not _may_wait(one, wanted[one.line_id], known)]
        if refused:
            return [replace(one, wanted=wanted[one.line_id].quantity) for one in refused]
        there = {one.line_id: one.present for one in short}
        current = [replace(one, quantity=there.get(one.line_id, one.quantity)) for one in current]
    return [replace(one, wanted=wanted[one.line_id].quantity) for one in short]


async def add_waiting(
    transaction: Transaction, placement: Placement, channel_id: UUID, units: Mapping[int, int]
) -> Placement:
    """Return an order to be placed with parts for the units that wait, by their lines' position.

    One statement.
    """
    variants = [
        line.variant_id for line in placement.lines if line.position in units and line.variant_id is not None
    ]
    known = await rows.find(transaction.connection, channel_id, variants, locking=False)
    return decide.with_waiting(placement, units, known, transaction.now)


async def save_waiting(transaction: Transaction, placement: Placement, version: int) -> None:
    """Write the parts of an order just placed that wait for stock; none, no statement."""
    _, waiting = decide.divided(placement)
    if waiting:
        order = replace(placement.order, version=version)
        await fulfillment.save(
            transaction.connection, order, waiting, actor=transaction.actor, now=transaction.now
        )


def _may_wait(short: LineHold, target: HoldTarget, known: Mapping[UUID, Backorder]) -> bool:
    found = known.get(short.variant_id)
    return found is not None and target.quantity - short.present <= found.left
