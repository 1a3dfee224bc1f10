"""Refunds, captures and voids at once, through real connections: what fits once is done once."""

import asyncio
from uuid import uuid4

from domain.kernel.errors import DomainError
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders, payment_changes
from services.orders import OrderRef
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import later
from tests.payments import Silent, check_sums, dollars, paid_order, payment_now, staff

AT_ONCE = 50


async def test_of_fifty_refunds_of_the_whole_exactly_one_is_made(database: Database) -> None:
    order, payment = await paid_order(database)
    context = staff(database)

    async def refund(number: int) -> str:
        try:
            if number % 2:
                await payment_changes.refund(context, payment.id, dollars("25"), "all", str(uuid4()))
            else:
                ref = OrderRef(id=order.id)
                await payment_changes.refund_order(context, ref, dollars("25"), "all", None, str(uuid4()))
        except DomainError as error:
            return error.code
        return "DONE"

    ends = await asyncio.gather(*(refund(number) for number in range(AT_ONCE)))

    assert sorted(ends) == ["AMOUNT_TOO_LARGE"] * (AT_ONCE - 1) + ["DONE"]
    (charge,) = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (2500, 2500)
    assert await _changes_on_the_sandboxs_record(database) == [("CAPTURE", 2500), ("REFUND", 2500)]
    assert (await payment_now(database, payment.id)).status == "REFUNDED"
    await check_sums(database)


async def test_of_refunds_whose_answers_are_lost_no_two_fit_either(database: Database) -> None:
    _, payment = await paid_order(database)
    context = staff(database, Silent(database.engine))

    async def refund() -> str:
        try:
            await payment_changes.refund(context, payment.id, dollars("10"), "part", str(uuid4()))
        except DomainError as error:
            return error.code
        return "DONE"

    ends = await asyncio.gather(*(refund() for _ in range(20)))
    assert sorted(ends) == ["AMOUNT_TOO_LARGE"] * 18 + ["DONE"] * 2
    assert (await payment_now(database, payment.id)).refunding_minor == 2000
    await asyncio.gather(*(settle_due(later(database)) for _ in range(3)))
    assert (await payment_now(database, payment.id)).refunded_minor == 2000
    assert (await charges(database.engine))[0].refunded_minor == 2000
    await check_sums(database)


async def test_of_captures_voids_and_cancellations_at_once_none_takes_what_another_gave_up(
    database: Database,
) -> None:
    for _ in range(4):
        order, payment = await paid_order(database, captured=False)
        context = staff(database)
        jobs = [
            payment_changes.capture(context, payment.id, None, str(uuid4())),
            payment_changes.capture(context, payment.id, dollars("20"), str(uuid4())),
            payment_changes.void(context, payment.id, str(uuid4())),
            orders.cancel(context, OrderRef(id=order.id), "changed my mind", None, str(uuid4())),
        ]
        ends = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(not isinstance(end, BaseException) or isinstance(end, DomainError) for end in ends), ends
        while await settle_due(later(database)):
            pass
        row = await payment_now(database, payment.id)
        assert row.captured_minor == row.refunded_minor, "a canceled order keeps nobody's money"
        charge = next(one for one in await charges(database.engine) if one.reference == payment.reference)
        assert (charge.captured_minor, charge.refunded_minor) == (row.captured_minor, row.refunded_minor)
        await check_sums(database)


async def _changes_on_the_sandboxs_record(database: Database) -> list[tuple[str, int]]:
    rows = await run_sql(
        database,
        "SELECT kind, amount_minor FROM sandbox_changes WHERE state = 'SUCCEEDED' ORDER BY created_at",
    )
    return [(row.kind, row.amount_minor) for row in rows]
