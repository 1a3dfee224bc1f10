"""What one buyer asks for of several orders at once: judged as if it had come one after another."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.claim_verdicts import ClaimCheck
from domain.claims import ClaimKind, ClaimOutcome, ClaimStatus
from domain.orders import Order
from domain.return_evidence import Check, Decision
from domain.returns import Return, ReturnStatus
from persistence import claims as rows
from persistence import return_policies
from persistence import returns as return_rows
from persistence.database import Database
from services import claims, returns
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.claimed import PICTURE, checks_of, claim
from tests.lock_waits import until_waiting
from tests.mortal import Death, Died, Mortal
from tests.sent_back import arrived_order, ask_for, desk, let_return

T = TypeVar("T")


async def test_of_claims_of_several_orders_judged_at_once_as_many_are_granted_as_one_after_another(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 20)
    orders = [await arrived_order(database, 1, shop=shop) for _ in range(3)]
    made = [await _not_judged(database, one, ClaimOutcome.REFUND) for one in orders]

    judged = await _at_once(database, [claims.judge(desk(database), one) for one in made])

    granted = [one for one in judged if one.status is ClaimStatus.APPROVED]
    waiting = [one for one in judged if one.status is ClaimStatus.REQUESTED]
    assert (len(granted), len(waiting)) == (1, 2)
    assert ClaimCheck.FIRST_CLAIMS in checks_of(granted[0])
    assert all(ClaimCheck.CLAIMED_BEFORE in checks_of(one) for one in waiting)


async def test_of_returns_of_several_orders_at_once_the_rate_stops_as_many_as_one_after_another(
    database: Database,
) -> None:
    await let_return(database, keep_below_minor=100_000)
    async with database.transaction() as connection:
        await return_policies.set_rule(connection, Check.RETURN_RATE, Decision.ASK_STAFF)
    shop = await make_stocked_shop(database, 20)
    asked = []
    for _ in range(4):
        order = await arrived_order(database, 1, shop=shop)
        with pytest.raises(Died):
            await ask_for(Mortal(database, 1, Death.AFTER), order)
        async with database.read() as connection:
            asked += (await return_rows.of_orders(connection, [order.id]))[order.id]

    made = await _at_once(database, [_judged(database, one) for one in asked])

    # Of every second order something has come back when the third is judged.
    waiting = [one for one in made if one.status is ReturnStatus.REQUESTED]
    assert (len(made) - len(waiting), len(waiting)) == (2, 2)
    assert all(one.keeps_items for one in made if one not in waiting)


async def test_of_two_claims_for_the_last_unit_one_waits_and_nobody_is_told_an_error(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 3)
    orders = [await arrived_order(database, 1, shop=shop) for _ in range(2)]
    # Of two buyers, who are judged side by side.
    await run_sql(database, "UPDATE orders SET email = 'eve@example.com' WHERE id = :id", id=orders[0].id)
    made = [await _not_judged(database, one, ClaimOutcome.RESHIP) for one in orders]

    judged = await _at_once(database, [claims.judge(desk(database), one) for one in made])

    assert sorted(one.status for one in judged) == [ClaimStatus.APPROVED, ClaimStatus.REQUESTED]


async def _not_judged(database: Database, order: Order, wish: ClaimOutcome) -> UUID:
    """Return a claim whose process ended as soon as it was made."""
    process = Mortal(database, 1, Death.AFTER)
    with pytest.raises(Died):
        await claim(process, order, 1, ClaimKind.DAMAGED, wish, photos=PICTURE)
    async with database.read() as connection:
        return (await rows.of_order(connection, order.id))[-1].id


async def _judged(database: Database, asked: Return) -> Return:
    return await returns.judge(desk(database), asked.id)


async def _at_once(database: Database, asked: Sequence[Awaitable[T]]) -> list[T]:
    """Let all of them come to their orders' locks, and go on from there together."""
    async with database.transaction() as connection:
        await connection.execute(text("SELECT FROM orders FOR NO KEY UPDATE"))
        waiting = asyncio.gather(*asked)
        await until_waiting(database, len(asked))
    return await waiting
