"""Claims over a real database: made, judged by the parcel's records, reshipped or refunded, and charged."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.claim_verdicts import ClaimCheck
from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus
from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import IllegalTransition, InsufficientStock, InvalidInput, NotReturnable
from domain.kernel.money import Amount
from domain.orders import Order, OrderPaymentStatus, OrderStatus
from domain.returns import ReturnStatus
from persistence import returns as return_rows
from persistence.database import Database
from services import carrier_claims, claims, ledger_reports, returns, stock_ledger
from services.access import Permission
from services.claims import Wanted
from tests import books
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop, till
from tests.factories import make_app, make_context
from tests.sent_back import arrived_order, ask_for, desk, let_return, lines_of, shopper
from tests.shipping import fulfill, order_of, parts_of
from tests.statements import count_statements

DAMAGED, LOST = ClaimKind.DAMAGED, ClaimKind.LOST_IN_TRANSIT
RESHIP, REFUND = ClaimOutcome.RESHIP, ClaimOutcome.REFUND
PICTURE = ("https://example.com/broken.jpg",)


async def test_a_parcel_that_is_silent_is_sent_again_and_its_units_may_be_returned_once(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 10)
    order = await arrived_order(database, 2, shop=shop)
    await _lost(database, order, days=11)

    made = await _claim(database, order, 2, LOST)

    assert (made.status, made.outcome) == (ClaimStatus.APPROVED, RESHIP), made.verdict
    assert ClaimCheck.CARRIER_SILENT in _checks(made)
    again = await order_of(database, order.id)
    assert (again.status, again.total_minor) == (OrderStatus.OPEN, order.total_minor)
    assert (await lines_of(database, order.id))[0].quantity_shipped == 0
    assert await _stock(database, shop.variant.id) == (6, 2)
    # What is sent again is not there to be returned: staff are asked, and cannot let it.
    early = await ask_for(database, order)
    assert early.status is ReturnStatus.REQUESTED
    with pytest.raises(NotReturnable):
        await returns.decide_on(desk(database), early.id, approve=True, note=None, expected_version=None)
    await returns.cancel(desk(database), None, early.id, None, None)

    part = next(
        one
        for one in (await parts_of(database, order.id)).fulfillment_orders
        if one.id == made.fulfillment_order_id
    )
    assert part.status is FulfillmentOrderStatus.OPEN
    await fulfill(till(database, make_app(Permission.FULFILLMENT_WRITE)), part)
    done = await order_of(database, order.id)
    assert (done.status, done.payment_status) == (OrderStatus.COMPLETED, OrderPaymentStatus.PAID)
    assert (await lines_of(database, order.id))[0].quantity_shipped == 2
    payment = (await parts_of(database, order.id)).payments[0]
    assert payment.captured_minor == order.total_minor
    await ask_for(database, order, 2)
    with pytest.raises(NotReturnable):
        await ask_for(database, order)
    await _check(database)


async def test_a_damaged_unit_is_refunded_exactly_and_never_again(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 3)

    made = await _claim(database, order, 1, DAMAGED, REFUND, photos=PICTURE)

    assert (made.status, made.outcome) == (ClaimStatus.APPROVED, REFUND), made.verdict
    assert made.return_id is not None
    async with database.read() as connection:
        back = (await return_rows.by_ids(connection, [made.return_id]))[made.return_id]
    # The shop's fault: the delivery's share goes with it.
    assert (back.keeps_items, back.shipping_refund_minor, back.refund_minor) == (True, 167, 1167)
    assert (await lines_of(database, order.id))[0].quantity_returned == 1
    with pytest.raises(NotReturnable):
        await ask_for(database, order, 3)
    with pytest.raises(NotReturnable):
        await _claim(database, order, 3, DAMAGED, REFUND)
    payment = (await parts_of(database, order.id)).payments[0]
    assert payment.refunded_minor == back.refund_minor
    await _check(database)


async def test_of_returns_and_claims_at_once_for_one_unit_one_goes_through(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 1)
    asked: list[Any] = [ask_for(database, order) for _ in range(10)]
    asked += [_claim(database, order, 1, DAMAGED, REFUND) for _ in range(10)]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    assert {type(one) for one in answers if isinstance(one, BaseException)} == {NotReturnable}


async def test_what_the_records_say_decides(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 5)
    contradicted = await _claim(database, order, 1, LOST)
    without_pictures = await _claim(database, order, 1, DAMAGED)
    assert (contradicted.status, without_pictures.status) == (ClaimStatus.REQUESTED,) * 2
    assert ClaimCheck.SAID_LOST_BUT_DELIVERED in _checks(contradicted)
    assert {ClaimCheck.NO_PICTURES, ClaimCheck.CLAIMED_BEFORE} <= _checks(without_pictures)
    await _lost(database, order, days=9)
    on_its_way = await _claim(database, order, 1, LOST)
    # A buyer who has claimed before is looked at, whatever the carrier says.
    assert (on_its_way.status, _checks(on_its_way) >= {ClaimCheck.ON_ITS_WAY}) == (
        ClaimStatus.REQUESTED,
        True,
    )

    other = await arrived_order(database, 1)
    await run_sql(
        database, "UPDATE orders SET email = 'eve@example.com' WHERE id = :id RETURNING id", id=other.id
    )
    await _lost(database, other, days=9)
    declined = await _claim(database, other, 1, LOST)
    assert declined.status is ClaimStatus.DECLINED
    await _lost(database, other, days=9, status="EXCEPTION")
    assert (await _claim(database, other, 1, LOST, REFUND)).status is ClaimStatus.APPROVED


async def test_staff_decide_what_is_left_to_them_once(database: Database) -> None:
    await let_return(database, auto_refund_most_minor=0)
    shop = await make_stocked_shop(database, 2)
    order = await arrived_order(database, 2, shop=shop)
    waiting = await _claim(database, order, 1, DAMAGED, photos=PICTURE)
    assert waiting.status is ClaimStatus.REQUESTED
    with pytest.raises(InsufficientStock) as refused:
        await _approve(database, waiting)
    assert refused.value.path == ("locationCode",)
    with pytest.raises(InsufficientStock):
        await _approve(database, waiting, location_code=shop.locations[0].code)

    answers = await asyncio.gather(*(_approve(database, waiting, outcome=REFUND) for _ in range(5)))
    assert {one.status for one in answers} == {ClaimStatus.APPROVED}
    # Who granted it has looked at it, and may give money back: nobody is asked again.
    (made,) = await run_sql(database, "SELECT status, refund_minor FROM returns")
    assert tuple(made) == ("CLOSED", 1250)
    assert (await parts_of(database, order.id)).payments[0].refunded_minor == 1250
    declined = await _claim(database, order, 1, DAMAGED)
    declined = await claims.decline(desk(database), declined.id, "no", None)
    with pytest.raises(IllegalTransition):
        await _approve(database, declined)
    # What is declined may be claimed anew.
    assert (await _claim(database, order, 1, DAMAGED)).status is ClaimStatus.REQUESTED


async def test_a_carrier_is_charged_once_and_its_report_adds_up(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    made = await _claim(database, order, 1, DAMAGED, REFUND, photos=PICTURE)
    keeper = make_context(
        database, make_app(Permission.RETURNS_READ, Permission.RETURNS_WRITE, Permission.LEDGER_WRITE)
    )
    with pytest.raises(InvalidInput):
        await carrier_claims.charge(keeper, made.id, _usd("-1"), None, str(uuid4()))
    charged = await carrier_claims.charge(keeper, made.id, _usd("12.00"), "case 7", "charge")
    assert await carrier_claims.charge(keeper, made.id, _usd("12.00"), "case 7", "charge") == charged
    with pytest.raises(IllegalTransition):
        await carrier_claims.charge(keeper, made.id, _usd("1.00"), None, str(uuid4()))
    await _check(database)
    (one,) = await carrier_claims.report(keeper, None, None, None)
    assert (one.count, one.amount_minor, one.open_minor, one.paid_minor) == (1, 1200, 1200, 0)

    with pytest.raises(InvalidInput):
        await carrier_claims.settle(keeper, made.id, _usd("12.01"), str(uuid4()))
    await carrier_claims.settle(keeper, made.id, _usd("10.00"), str(uuid4()))
    with pytest.raises(IllegalTransition):
        await carrier_claims.settle(keeper, made.id, _usd("10.00"), str(uuid4()))
    (one,) = await carrier_claims.report(keeper, charged.carrier, None, None)
    assert (one.open_minor, one.paid_minor, one.lost_minor) == (0, 1000, 200)
    assert await carrier_claims.report(keeper, None, datetime.now(UTC) + timedelta(days=1), None) == []
    left = {k: v for k, v in books.left(await books.lines(database)).items() if charged.carrier in k}
    assert left == {f"CASH:{charged.carrier}": 1000, f"SHIPPING_LOSSES:{charged.carrier}": -1000}
    await _check(database)
    await run_sql(
        database, "UPDATE carrier_claims SET paid_minor = NULL, settled_at = NULL RETURNING claim_id"
    )
    (found,) = (await ledger_reports.check(make_context(database))).unexplained
    assert (found.booked_minor, found.expected_minor) == (0, 1200)


async def test_bad_claims_name_their_field_and_the_sweep_judges_what_was_left(database: Database) -> None:
    await let_return(database)
    order = await arrived_order(database, 2)
    for units, wrong in ((0, InvalidInput), (3, NotReturnable)):
        with pytest.raises(wrong) as refused:
            await _claim(database, order, units, DAMAGED)
        assert refused.value.path == ("lines", "0", "quantity")
    with pytest.raises(InvalidInput) as refused:
        await _claim(database, order, 1, DAMAGED, photos=("http://example.com",))
    assert refused.value.path == ("photos",)
    key = str(uuid4())
    with count_statements(database) as claiming:
        first = await _claim(database, order, 1, DAMAGED, key=key)
    assert (await _claim(database, order, 1, DAMAGED, key=key)).id == first.id
    assert len(claiming) == 22, claiming

    await run_sql(database, "UPDATE claims SET verdict = NULL RETURNING id")
    soon = make_context(database)
    assert await claims.judge_due(soon) == 0
    await run_sql(database, "UPDATE claims SET created_at = created_at - interval '1 minute' RETURNING id")
    assert await claims.judge_due(soon) == 1
    (kept,) = await run_sql(database, "SELECT verdict FROM claims")
    assert kept.verdict["decision"] == "ASK_STAFF"


async def _claim(
    database: Database,
    order: Order,
    units: int,
    kind: ClaimKind,
    wish: ClaimOutcome = RESHIP,
    *,
    photos: tuple[str, ...] = (),
    key: str | None = None,
) -> Claim:
    context, ref = shopper(database, order)
    line = (await lines_of(database, order.id))[0]
    shipment = (await parts_of(database, order.id)).shipments[0]
    wanted = Wanted(shipment.id, kind, wish, [(line.id, units)], None, photos)
    return await claims.create(context, ref, wanted, key or str(uuid4()))


async def _approve(
    database: Database, found: Claim, *, outcome: ClaimOutcome | None = None, location_code: str | None = None
) -> Claim:
    return await claims.approve(desk(database), found.id, outcome, location_code, None, None, str(uuid4()))


async def _lost(database: Database, order: Order, days: float, status: str = "IN_TRANSIT") -> None:
    """Let the carrier have told of an order's parcel some days ago, and not since."""
    await run_sql(
        database,
        "UPDATE shipments SET status = :status, delivered_at = NULL, shipped_at = :at"
        " WHERE order_id = :id RETURNING id",
        status=status,
        at=datetime.now(UTC) - timedelta(days=days),
        id=order.id,
    )


def _checks(found: Claim) -> set[ClaimCheck]:
    assert found.verdict is not None
    return {ClaimCheck(one["check"]) for one in found.verdict["findings"]}


def _usd(amount: str) -> Amount:
    return Amount(Decimal(amount), "USD")


async def _stock(database: Database, variant_id: UUID) -> tuple[int, int]:
    (row,) = await run_sql(
        database, "SELECT available, committed FROM stock_levels WHERE variant_id = :id", id=variant_id
    )
    return row.available, row.committed


async def _check(database: Database) -> None:
    context = make_context(database)
    assert (await ledger_reports.check(context)).unexplained == []
    assert (await stock_ledger.check(context)).discrepancies == []
