"""Whatever comes back through the product, by whatever outcome: the books of money and stock agree."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import AmountTooLarge, DomainError, IllegalTransition, NotReturnable
from domain.orders import Order
from domain.return_policies import ShippingRefund
from domain.returns import Disposition, Grade, Return, ReturnReason, ReturnStatus, ReturnWish
from persistence.database import Database
from services import orders, payment_changes, return_settlement, returns, stock_ledger
from services.access import Permission
from services.order_placement import place
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, till
from tests.factories import make_app, make_discount, make_tax_rate
from tests.payments import capture_at, staff
from tests.sent_back import ask_for, bring_back, deliver, desk, let_return, look_at
from tests.shipping import check_units, fulfill, order_of, parts_of
from tests.stored import apply_cards, assert_balanced, make_card

UNITS = 4
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ReturnWish),
        st.integers(1, 3),
        st.sampled_from([Grade.AS_NEW, Grade.AS_NEW, Grade.USED, Grade.NOT_OURS]),
        st.sampled_from(
            ["settle", "settle", "settle", "reject", "cancel", "staff refund", "cancel exchange"]
        ),
    ),
    min_size=2,
    max_size=5,
)
_MONEY = """
    SELECT o.total_minor,
           coalesce(sum(p.captured_minor), 0) AS captured,
           coalesce(sum(p.refunded_minor + p.refunding_minor + p.credited_minor), 0) AS back,
           (SELECT coalesce(sum(r.refund_minor), 0) FROM returns r WHERE r.order_id = o.id) AS returned,
           (SELECT max(l.quantity_returned - l.quantity_shipped) FROM order_lines l WHERE l.order_id = o.id)
               AS beyond
      FROM orders o LEFT JOIN payments p ON p.order_id = o.id GROUP BY o.id
"""


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    currency=st.sampled_from(["JPY", "USD", "KWD"]),
    included=st.booleans(),
    rules=st.sampled_from([(0, 0), (70_000, 300), (333_333, 0)]),
    card=st.sampled_from([None, "8"]),
    steps=STEPS,
)
async def test_whatever_comes_back_the_books_agree(
    database: Database,
    currency: str,
    included: bool,
    rules: tuple[int, int],
    card: str | None,
    steps: Sequence[tuple[ReturnWish, int, Grade, str]],
) -> None:
    fee, label = rules
    await let_return(
        database,
        restocking_fee=fee,
        label_fee_minor=label,
        credit_bonus=fee,
        shipping_refund=ShippingRefund.PROPORTIONAL,
    )
    shop, order = await _arrived(database, currency, included, card)
    for wish, units, grade, what in steps:
        try:
            await _step(database, shop, order, wish, units, grade, what)
        except (NotReturnable, AmountTooLarge, IllegalTransition):
            continue
    for row in await run_sql(database, _MONEY):
        assert row.back <= row.captured
        assert row.returned <= row.total_minor
        assert row.beyond <= 0
    await assert_balanced(database)
    await check_units(database)
    assert (await stock_ledger.check(staff(database))).discrepancies == []


async def _arrived(database: Database, currency: str, included: bool, card: str | None) -> tuple[Shop, Order]:
    shop = await make_stocked_shop(database, 9, currency=currency)
    await make_discount(database, shop.channel, percent=Decimal("12.34"))
    await make_tax_rate(database, shop.channel)
    await run_sql(
        database,
        "UPDATE channels SET prices_include_tax = :included WHERE id = :id RETURNING id",
        included=included,
        id=shop.channel.id,
    )
    await capture_at(database, shop, "AT_PLACEMENT")
    token = await make_ready_cart(database, shop, UNITS)
    if card is not None:
        await apply_cards(database, token, await make_card(database, card, currency))
    placed = await place(till(database), token, "sandbox", "ok", str(uuid4()))
    assert placed.order is not None
    await _send(database, placed.order)
    return shop, await order_of(database, placed.order.id)


async def _step(
    database: Database, shop: Shop, order: Order, wish: ReturnWish, units: int, grade: Grade, what: str
) -> None:
    clerk, system = desk(database), staff(database)
    if what == "staff refund":
        payment = (await parts_of(database, order.id)).payments[-1]
        await payment_changes.refund(system, payment.id, None, "sorry", str(uuid4()))
        return
    found = await ask_for(database, order, units, wish=wish, reason=ReturnReason.SIZE)
    if found.status is ReturnStatus.REQUESTED:
        found = await returns.decide_on(clerk, found.id, approve=True, note=None, expected_version=None)
    if what == "cancel":
        await returns.cancel(clerk, None, found.id, None, None)
        return
    if what == "cancel exchange" and found.exchange_order_id is not None:
        await orders.cancel(system, OrderRef(id=found.exchange_order_id), "no", None, str(uuid4()))
    ours = Disposition.RESTOCKED if grade is not Grade.NOT_OURS else Disposition.PROCESSING_REQUIRED
    seen = await look_at(database, await bring_back(database, found, shop.locations[0].code), ours, grade)
    await _ended(database, clerk, seen, what)


async def _ended(database: Database, clerk: Any, seen: Return, what: str) -> None:
    if seen.status is ReturnStatus.INSPECTED:
        try:
            if what == "reject":
                seen = await return_settlement.reject(clerk, seen.id, "no", None)
            else:
                seen = await return_settlement.refund(clerk, seen.id, None, None, str(uuid4()))
        except DomainError:
            seen = await return_settlement.reject(clerk, seen.id, "less is left", None)
    assert seen.status is ReturnStatus.CLOSED
    if seen.exchange_order_id is not None:
        made = await order_of(database, seen.exchange_order_id)
        await _send(database, made)


async def _send(database: Database, order: Order) -> None:
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    for part in (await parts_of(database, order.id)).fulfillment_orders:
        if part.status is FulfillmentOrderStatus.OPEN:
            await fulfill(sender, part)
    await deliver(database, order.id)
