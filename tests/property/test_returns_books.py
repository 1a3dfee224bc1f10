"""Whatever comes back through the product, by whatever outcome: the books of money and stock agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.claims import ClaimKind, ClaimOutcome, ClaimStatus
from domain.fulfillment import FulfillmentOrderStatus
from domain.kernel.errors import AmountTooLarge, DomainError, IllegalTransition, InvalidInput, NotReturnable
from domain.kernel.money import Amount, Money
from domain.order_edits import NewQuantity
from domain.orders import Order, OrderStatus
from domain.return_policies import ShippingRefund
from domain.returns import Disposition, Grade, Return, ReturnReason, ReturnStatus, ReturnWish
from domain.unlinked_refund_requests import WantedLine
from domain.unlinked_refunds import Evidence, Recipient, UnlinkedRefundMethod, UnlinkedRefundStatus
from persistence.database import Database
from services import (
    claims,
    ledger_reports,
    order_edits,
    order_payments,
    orders,
    payment_changes,
    return_repairs,
    return_settlement,
    returns,
    stock_ledger,
    unlinked_refund_payments,
    unlinked_refunds,
)
from services.access import Permission
from services.order_placement import place
from services.orders import OrderRef
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, make_stocked_shop, till
from tests.factories import make_app, make_discount, make_tax_rate
from tests.payments import capture_at, staff
from tests.sent_back import ask_for, bring_back, deliver, desk, let_return, lines_of, look_at
from tests.shipping import check_units, fulfill, order_of, parts_of
from tests.stored import apply_cards, assert_balanced, make_card

UNITS = 4
ENDS = ("settle", "settle", "reject", "cancel", "cancel exchange")
OTHERS = ("staff refund", "claim refund", "claim reship", "edit", "send", "without order")
Step = tuple[ReturnWish, int, Grade, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ReturnWish),
        st.integers(1, 3),
        st.sampled_from([Grade.AS_NEW, Grade.AS_NEW, Grade.USED, Grade.NOT_OURS]),
        st.sampled_from(ENDS + OTHERS),
    ),
    min_size=3,
    max_size=7,
)
# All of these from what was written down first: movements, inspections and the provider's own record.
_MONEY = """
    SELECT o.number, p.captured, p.back, p.outside_captured, p.outside_back,
           (SELECT coalesce(sum(c.captured_minor), 0) FROM sandbox_charges c
             WHERE c.reference IN (SELECT provider_reference FROM payments WHERE order_id = o.id)) AS taken,
           (SELECT coalesce(sum(c.refunded_minor), 0) FROM sandbox_charges c
             WHERE c.reference IN (SELECT provider_reference FROM payments WHERE order_id = o.id)) AS given,
           (SELECT coalesce(sum(r.refund_minor), 0) FROM returns r
             WHERE r.order_id = o.id AND r.status = 'CLOSED') AS returned
      FROM orders o CROSS JOIN LATERAL (
           SELECT coalesce(sum(captured_minor), 0) AS captured,
                  coalesce(sum(refunded_minor + refunding_minor + credited_minor), 0) AS back,
                  coalesce(sum(captured_minor) FILTER (WHERE provider = 'sandbox'), 0) AS outside_captured,
                  coalesce(sum(refunded_minor) FILTER (WHERE provider = 'sandbox'), 0) AS outside_back
             FROM payments WHERE order_id = o.id) p
"""
_UNITS = """
    SELECT l.id, l.quantity, coalesce((SELECT sum(s.quantity) FROM shipment_lines s
                 WHERE s.order_line_id = l.id), 0) AS left_here,
           coalesce((SELECT sum(c.quantity) FROM claim_lines c JOIN claims k ON k.id = c.claim_id
                 WHERE c.order_line_id = l.id AND k.outcome = 'RESHIP'), 0)
             + coalesce((SELECT sum(i.quantity) FROM return_inspections i JOIN return_lines b
                 ON b.id = i.return_line_id WHERE b.order_line_id = l.id AND b.outcome = 'REPAIRED'
                AND i.disposition <> 'MISSING' AND i.grade <> 'NOT_OURS'), 0) AS again,
           coalesce((SELECT sum(i.quantity) FROM return_inspections i JOIN return_lines b
                 ON b.id = i.return_line_id WHERE b.order_line_id = l.id
                AND b.outcome IS DISTINCT FROM 'REPAIRED'
                AND i.disposition <> 'MISSING' AND i.grade <> 'NOT_OURS'), 0) AS came,
           coalesce((SELECT sum(b.quantity) FROM return_lines b JOIN returns r ON r.id = b.return_id
                 WHERE b.order_line_id = l.id AND r.keeps_items), 0) AS kept
      FROM order_lines l
"""


@dataclass(frozen=True)
class World:
    """A shop and an order of it of which things come back."""

    database: Database
    shop: Shop
    order: Order

    @property
    def place(self) -> str:
        """Where everything comes back to."""
        return self.shop.locations[0].code


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    currency=st.sampled_from(["JPY", "USD", "KWD"]),
    included=st.booleans(),
    rules=st.sampled_from([(0, 0), (70_000, 300), (333_333, 0)]),
    card=st.sampled_from([None, "8"]),
    steps=STEPS,
)
@example(
    currency="KWD",
    included=False,
    rules=(70_000, 300),
    card="8",
    steps=[
        (ReturnWish.EXCHANGE, 1, Grade.AS_NEW, "settle"),
        (ReturnWish.REFUND, 1, Grade.AS_NEW, "edit"),
        (ReturnWish.REFUND, 1, Grade.AS_NEW, "claim reship"),
        (ReturnWish.REFUND, 1, Grade.AS_NEW, "staff refund"),
        (ReturnWish.REFUND, 1, Grade.AS_NEW, "without order"),
        (ReturnWish.REPAIR, 1, Grade.AS_NEW, "settle"),
        (ReturnWish.REFUND, 2, Grade.AS_NEW, "send"),
        (ReturnWish.REPAIR, 1, Grade.AS_NEW, "reject"),
        (ReturnWish.REPAIR, 1, Grade.AS_NEW, "settle"),
        (ReturnWish.STORE_CREDIT, 1, Grade.USED, "settle"),
        (ReturnWish.REFUND, 1, Grade.AS_NEW, "claim refund"),
        (ReturnWish.REFUND, 3, Grade.AS_NEW, "settle"),
        (ReturnWish.REFUND, 1, Grade.AS_NEW, "settle"),
    ],
)
async def test_whatever_comes_back_the_books_agree(
    database: Database,
    currency: str,
    included: bool,
    rules: tuple[int, int],
    card: str | None,
    steps: Sequence[Step],
) -> None:
    fee, label = rules
    await let_return(
        database,
        restocking_fee=fee,
        label_fee_minor=label,
        credit_bonus=fee,
        repair=True,
        shipping_refund=ShippingRefund.PROPORTIONAL,
    )
    world = await _sold(database, currency, included, card)
    for step in steps:
        try:
            await _step(world, step)
        except (NotReturnable, AmountTooLarge, IllegalTransition, InvalidInput):
            continue
    for row in await run_sql(database, _MONEY):
        assert row.back <= row.captured, row
        assert row.returned <= row.captured, row
        assert (row.taken, row.given) == (row.outside_captured, row.outside_back), row
    for row in await run_sql(database, _UNITS):
        assert row.came + row.kept <= row.left_here - row.again <= row.quantity, row
    await assert_balanced(database)
    await check_units(database)
    assert (await stock_ledger.check(staff(database))).discrepancies == []
    assert (await ledger_reports.check(staff(database))).unexplained == []


async def _sold(database: Database, currency: str, included: bool, card: str | None) -> World:
    """Return an order of which all units but one have arrived; it may still be edited."""
    shop = await make_stocked_shop(database, 19, currency=currency)
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
    await _send(database, placed.order, UNITS - 1)
    return World(database, shop, await order_of(database, placed.order.id))


async def _step(world: World, step: Step) -> None:
    wish, units, grade, what = step
    if what == "staff refund":
        payment = (await parts_of(world.database, world.order.id)).payments[-1]
        some = Money(payment.amount_minor // 10 or 1, payment.currency)
        amount = Amount(some.amount, some.currency)
        await payment_changes.refund(staff(world.database), payment.id, amount, "sorry", str(uuid4()))
    elif what.startswith("claim"):
        await _claim(world, ClaimOutcome.RESHIP if what == "claim reship" else ClaimOutcome.REFUND)
    elif what == "edit":
        await _edit(world, units)
    elif what == "send":
        await _send(world.database, world.order)
    elif what == "without order":
        await _without_order(world, units)
    else:
        await _return(world, wish, units, grade, what)


async def _return(world: World, wish: ReturnWish, units: int, grade: Grade, what: str) -> None:
    database, clerk = world.database, desk(world.database)
    found = await ask_for(database, world.order, units, wish=wish, reason=ReturnReason.SIZE)
    if found.status is ReturnStatus.REQUESTED:
        try:
            found = await returns.decide_on(clerk, found.id, approve=True, note=None, expected_version=None)
        except NotReturnable:
            await returns.decide_on(clerk, found.id, approve=False, note=None, expected_version=None)
            return
    if what == "cancel":
        await returns.cancel(clerk, None, found.id, None, None)
        return
    if what == "cancel exchange" and found.exchange_order_id is not None:
        ref = OrderRef(id=found.exchange_order_id)
        await orders.cancel(staff(database), ref, "no", None, str(uuid4()))
    sold = grade is not Grade.NOT_OURS and wish is not ReturnWish.REPAIR
    ours = Disposition.RESTOCKED if sold else Disposition.PROCESSING_REQUIRED
    await _ended(
        world, await look_at(database, await bring_back(database, found, world.place), ours, grade), what
    )


async def _ended(world: World, seen: Return, what: str) -> None:
    clerk = desk(world.database)
    if seen.wish is ReturnWish.REPAIR:
        try:
            if what == "settle":
                await return_repairs.finish(clerk, seen.id, None, None, str(uuid4()))
                return
        except IllegalTransition:
            pass
        seen = await return_repairs.give_up(clerk, seen.id, ReturnWish.REFUND, "beyond repair", None)
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
        await _send(world.database, await order_of(world.database, seen.exchange_order_id))


async def _claim(world: World, wish: ClaimOutcome) -> None:
    database, clerk = world.database, staff(world.database)
    line = (await lines_of(database, world.order.id))[0]
    for shipment in (await parts_of(database, world.order.id)).shipments:
        wanted = claims.Wanted(shipment.id, ClaimKind.DAMAGED, wish, [(line.id, 1)])
        try:
            made = await claims.create(clerk, OrderRef(id=world.order.id), wanted, str(uuid4()))
        except NotReturnable:
            continue
        if made.status is ClaimStatus.REQUESTED:
            made = await claims.approve(clerk, made.id, None, None, None, None, str(uuid4()))
        if made.return_id is not None:
            found = await returns.find(clerk, made.return_id)
            assert found is not None
            if found.status is ReturnStatus.INSPECTED:
                await _ended(world, found, "settle")
        return


async def _edit(world: World, more: int) -> None:
    """Let staff add units to the order's line, or take the one away that has not left."""
    database, office = world.database, staff(world.database)
    order = await order_of(database, world.order.id)
    line = (await lines_of(database, order.id))[0]
    wanted = NewQuantity(line.id, line.quantity + (more if more > 1 else -1))
    change = order_edits.Wanted(order.id, [wanted])
    after = await order_edits.commit(office, change, "as told", order.version, str(uuid4()))
    if more > 1 and after.status is OrderStatus.OPEN:
        await order_payments.create(office, order.id, "sandbox", "ok", None, str(uuid4()))


async def _without_order(world: World, units: int) -> None:
    """Give the same article's price for goods whose sale is not in the books."""
    database, sku = world.database, world.shop.variant.sku
    clerk = till(database, make_app(Permission.REFUNDS_UNLINKED))
    lead = till(database, make_app(Permission.REFUNDS_APPROVE))
    line = WantedLine(sku, units, Amount(Decimal(3), world.order.currency), None)
    recipient, evidence = (
        Recipient("ada@example.com", None),
        Evidence("sold at the fair", f"receipt {uuid4()}"),
    )
    wanted = unlinked_refunds.Wanted(world.shop.channel.slug, recipient, evidence, [line], keeps_items=True)
    made = await unlinked_refunds.create(clerk, wanted, str(uuid4()))
    await unlinked_refunds.decide_on(lead, made.id, UnlinkedRefundStatus.APPROVED, None, None)
    credit = UnlinkedRefundMethod.STORE_CREDIT
    await unlinked_refund_payments.pay(clerk, made.id, credit, None, None, str(uuid4()))


async def _send(database: Database, order: Order, units: int | None = None) -> None:
    """Send what is open of an order (or so many units), and let it have arrived."""
    sender = till(database, make_app(Permission.FULFILLMENT_WRITE))
    for part in (await parts_of(database, order.id)).fulfillment_orders:
        if part.status in {FulfillmentOrderStatus.OPEN, FulfillmentOrderStatus.IN_PROGRESS}:
            await fulfill(sender, part, units)
    await deliver(database, order.id)
