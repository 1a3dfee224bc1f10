"""What happens to returns at the same time, what cannot be finished, and who may do what."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.claims import Claim, ClaimKind, ClaimOutcome
from domain.kernel.errors import AccessDenied, NotReturnable
from domain.ports import PaymentRecord
from domain.returns import Return, ReturnStatus, ReturnWish
from persistence import claims as claim_rows
from persistence import returns as return_rows
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import (
    claims,
    return_settlement,
    returns,
)
from services.access import Permission
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import later, make_stocked_shop, till
from tests.factories import make_app
from tests.lock_waits import until_waiting
from tests.payments import Unreachable
from tests.sent_back import (
    arrived_order,
    ask_for,
    bring_back,
    desk,
    let_return,
    lines_of,
    look_at,
    shopper,
)
from tests.shipping import parts_of

# Units of a line that are in a return or in a claim that may be granted.
_TAKEN = """
    SELECT (SELECT coalesce(sum(b.quantity), 0) FROM return_lines b JOIN returns r ON r.id = b.return_id
             WHERE b.order_line_id = :id AND r.status NOT IN ('DECLINED', 'CANCELED'))
         + (SELECT coalesce(sum(c.quantity), 0) FROM claim_lines c JOIN claims k ON k.id = c.claim_id
             WHERE c.order_line_id = :id AND k.status = 'REQUESTED') AS units
"""


async def test_what_cannot_be_finished_is_put_off_for_a_minute_and_so_keeps_no_other_waiting(
    database: Database,
) -> None:
    order = await arrived_order(database, 1)
    # What it names is not there.
    (broken,) = await run_sql(
        database,
        """
        WITH made AS (
            INSERT INTO returns (id, number, order_id, channel_id, status, wish, created_by, created_at)
            SELECT gen_random_uuid(), 'X', :order, :channel, 'REQUESTED', 'REFUND', 'test',
                   now() - interval '1 hour' RETURNING id)
        INSERT INTO return_lines (id, return_id, order_line_id, sku, quantity, reason)
        SELECT gen_random_uuid(), id, gen_random_uuid(), 'X', 1, 'SIZE' FROM made RETURNING return_id
        """,
        order=order.id,
        channel=order.channel_id,
    )
    worker = desk(database)
    assert await returns.judge_due(worker) == 0
    async with database.read() as connection:
        for after, due in ((timedelta(seconds=50), []), (timedelta(seconds=70), [broken.return_id])):
            now = worker.now() + after
            assert await return_rows.unjudged(connection, now, now, 1) == due


async def test_nor_does_a_claim_that_cannot_be_judged(database: Database) -> None:
    order, other = await arrived_order(database, 1), await arrived_order(database, 1)
    # What it names is of another order.
    (broken,) = await run_sql(
        database,
        """
        WITH made AS (
            INSERT INTO claims (id, number, order_id, shipment_id, kind, status, wish, created_by, created_at)
            SELECT gen_random_uuid(), 'X', :order, :shipment, 'DAMAGED', 'REQUESTED', 'REFUND', 'test',
                   now() - interval '1 hour' RETURNING id)
        INSERT INTO claim_lines (id, claim_id, order_line_id, sku, quantity)
        SELECT gen_random_uuid(), id, :line, 'X', 1 FROM made RETURNING claim_id
        """,
        order=order.id,
        shipment=(await parts_of(database, order.id)).shipments[0].id,
        line=(await lines_of(database, other.id))[0].id,
    )
    worker = desk(database)
    assert await claims.judge_due(worker) == 0
    async with database.read() as connection:
        for after, due in ((timedelta(seconds=50), []), (timedelta(seconds=70), [broken.claim_id])):
            now = worker.now() + after
            assert await claim_rows.unjudged(connection, now, now, 1) == due


async def test_of_claims_and_returns_at_once_for_one_unit_one_goes_through(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    context, ref = shopper(database, order)
    (shipment,) = (await parts_of(database, order.id)).shipments
    line = (await lines_of(database, order.id))[0]
    wanted = claims.Wanted(shipment.id, ClaimKind.DAMAGED, ClaimOutcome.REFUND, [(line.id, 1)])
    asked = [claims.create(context, ref, wanted, str(uuid4())) for _ in range(5)]
    answers = await asyncio.gather(
        *(one for pair in zip(asked, [ask_for(database, order) for _ in asked], strict=True) for one in pair),
        return_exceptions=True,
    )
    refused = [one for one in answers if isinstance(one, BaseException)]
    assert {type(one) for one in refused} == {NotReturnable}
    # Of a unit in a claim that is not decided a return may be asked for, of staff; never is it given.
    given = [one for one in answers if isinstance(one, Return | Claim) and one.status != "REQUESTED"]
    assert len(given) <= 1
    assert (await run_sql(database, _TAKEN, id=line.id))[0].units == 1


async def test_who_looks_at_goods_gives_no_money_back_by_that(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    shop = await make_stocked_shop(database, 10)
    asked = await ask_for(database, await arrived_order(database, 1, shop=shop))
    clerk = till(database, make_app(Permission.RETURNS_READ, Permission.RETURNS_WRITE))
    # Judged once: not again by a sweep that was late.
    assert await returns.judge(clerk, asked.id) == asked
    asked = await returns.decide_on(clerk, asked.id, approve=True, note=None, expected_version=None)
    seen = await look_at(database, await bring_back(database, asked, shop.locations[0].code))
    # Asked once, staff are not asked again.
    assert await return_settlement.settle(desk(database), seen.id) == seen
    with pytest.raises(AccessDenied):
        await return_settlement.refund(clerk, seen.id, None, None, str(uuid4()))
    for wrong in (
        returns.request(till(database), OrderRef(id=asked.order_id), [], ReturnWish.REFUND, None, "key"),
        returns.cancel(till(database), OrderRef(id=asked.order_id), asked.id, None, None),
        returns.cancel(till(database), None, asked.id, None, None),
    ):
        with pytest.raises(AccessDenied):
            await wrong


class StaffAreQuicker(SandboxPayments):
    """The real sandbox; while it answers, staff give the money back, and no answer to that comes."""

    def __init__(self, database: Database, return_id: UUID) -> None:
        super().__init__(database.engine)
        self._database, self._ids = database, [return_id]

    async def record_of(self, reference: str) -> PaymentRecord | None:
        record = await super().record_of(reference)
        while self._ids:
            clerk = desk(self._database, payment_providers={"sandbox": Unreachable(self._database.engine)})
            await return_settlement.refund(clerk, self._ids.pop(), None, None, "quicker")
        return record


async def test_what_staff_gave_back_while_providers_were_asked_is_not_judged_after(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    asked = await ask_for(database, await arrived_order(database, 2, shop=shop))
    here = await bring_back(database, asked, shop.locations[0].code)
    provider = StaffAreQuicker(database, here.id)
    seen = await look_at(database, here, payment_providers={"sandbox": provider})
    assert (seen.status, len(seen.transaction_ids), seen.refund_verdict) == (ReturnStatus.INSPECTED, 1, None)


async def test_what_a_carrier_scans_as_it_expires_is_waited_for(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    asked = await ask_for(database, order)
    worker = later(database, 24 * 30, make_app(Permission.RETURNS_WRITE))
    async with database.transaction() as connection:
        scanned = "UPDATE returns SET status = 'IN_TRANSIT' WHERE id = :id"
        locked = "SELECT FROM orders WHERE id = :id FOR NO KEY UPDATE"
        await connection.execute(text(locked), {"id": order.id})
        await connection.execute(text(scanned), {"id": asked.id})
        expiring = asyncio.create_task(returns.expire_due(worker))
        await until_waiting(database)
    assert await expiring == 1
    found = await returns.find(desk(database), asked.id)
    assert found is not None
    assert found.status is ReturnStatus.IN_TRANSIT
