"""Idempotency keys: each is kept as long as somebody may ask for its answer, and then removed."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.kernel.errors import CartClosed, InsufficientStock
from persistence.database import Database
from persistence.idempotency import claim_for
from services import idempotency
from services.context import ServiceContext
from services.idempotency import forget_old
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.checkouts import (
    expire_holds,
    later,
    make_ready_cart,
    make_stocked_shop,
    order_now,
    till,
)
from tests.factories import make_context


@dataclass(frozen=True)
class Hours:
    """A clock that is hours ahead (or, negative, behind)."""

    ahead: float

    def now(self) -> datetime:
        """Return that moment."""
        return datetime.now(UTC) + timedelta(hours=self.ahead)


def at(database: Database, hours: float) -> ServiceContext:
    return make_context(database, clock=Hours(hours))


async def answer(database: Database, key: str, hours: float = 0) -> None:
    """Answer a request under `key`, hours from now."""
    async with at(database, hours).transaction() as transaction:
        assert await transaction.replay(claim_for("stockAdjust:test", key, key)) is None
        transaction.answer({"key": key})


async def keys(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(
            (await connection.execute(text("SELECT key FROM idempotency_keys ORDER BY key"))).scalars()
        )


async def test_a_key_goes_after_two_days_and_not_before(database: Database) -> None:
    await answer(database, "old", hours=-49)
    await answer(database, "young", hours=-47)
    assert await forget_old(at(database, 0)) == 1
    assert await keys(database) == ["young"]
    await answer(database, "old")
    assert await keys(database) == ["old", "young"], "a key that went can be used again"


async def test_many_old_keys_go_batch_by_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_AT_ONCE", 2)
    for number in range(5):
        await answer(database, f"old {number}", hours=-50)
    await answer(database, "young")
    assert await forget_old(at(database, 0)) == 5
    assert await keys(database) == ["young"]


async def test_a_key_that_somebody_has_locked_is_not_waited_for(database: Database) -> None:
    await answer(database, "locked", hours=-50)
    await answer(database, "old", hours=-50)
    async with database.transaction() as connection:
        await connection.execute(text("SELECT FROM idempotency_keys WHERE key = 'locked' FOR UPDATE"))
        async with asyncio.timeout(5):
            assert await forget_old(at(database, 0)) == 1
    assert await keys(database) == ["locked"]


async def test_the_key_of_a_payment_that_is_waited_for_stays_until_its_answer_was_there_to_ask_for(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    waiting = await place(till(database), token, "sandbox", "timeout", "key")
    assert waiting.order is None
    assert await forget_old(at(database, 72)) == 0
    again = await place(till(database), token, "sandbox", "timeout", "key")
    assert (again.order, again.payment.id) == (None, waiting.payment.id)
    await settle_due(later(database, hours=72))
    assert await forget_old(at(database, 72)) == 0, "the answer came only now"
    final = await place(till(database), token, "sandbox", "timeout", "key")
    assert final.order is not None
    assert await forget_old(at(database, 72 + 49)) == 1
    with pytest.raises(CartClosed):
        await place(till(database), token, "sandbox", "timeout", "key")


async def test_the_key_of_a_payment_that_was_given_up_stays_with_its_answer(database: Database) -> None:
    shop = await make_stocked_shop(database, 2)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await expire_holds(database)
    await order_now(database, shop, 1)
    await settle_due(later(database, hours=72))
    await forget_old(at(database, 72))
    with pytest.raises(InsufficientStock):
        await place(till(database), token, "sandbox", "timeout", "key")
