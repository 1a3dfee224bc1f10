"""What staff gave back as a gift stays one: an edit neither asks for it again nor takes it for its own."""

from decimal import Decimal
from uuid import uuid4

from domain.kernel.money import Amount
from domain.order_edits import NewQuantity
from domain.orders import Order, OrderStatus
from persistence.database import Database
from services import order_edits, order_payments, payment_changes
from services.order_edits import Wanted
from services.orders import OrderRef
from tests.checkouts import make_stocked_shop
from tests.payments import check_sums, paid_order, staff
from tests.sent_back import lines_of
from tests.shipping import fulfill, order_of, parts_of
from tests.stored import assert_balanced


async def test_a_gift_is_not_due_again_after_an_edit(database: Database) -> None:
    order = await _given(database, captured=True)
    # 25.00, of which 5.00 were a gift; one mug more costs its 10.00.
    assert await _edited(database, order, 3) == (0, 1000)
    made = await order_payments.create(staff(database), order.id, "sandbox", "ok", None, str(uuid4()))
    assert made.payment.amount_minor == 1000
    await _sent(database, order)
    assert await _kept(database, order) == 3000
    await assert_balanced(database)


async def test_a_gift_is_not_taken_for_the_refund_of_an_edit(database: Database) -> None:
    order = await _given(database, captured=True)
    assert await _edited(database, order, 1) == (1000, 0)
    assert await _kept(database, order) == 1000
    # And back: only what the edit gave back is due again.
    assert await _edited(database, order, 2) == (0, 1000)
    await order_payments.create(staff(database), order.id, "sandbox", "ok", None, str(uuid4()))
    # A second gift, after edits, is one as well.
    await _gift(database, order, "1")
    assert await _edited(database, order, 3) == (0, 1000)
    await order_payments.create(staff(database), order.id, "sandbox", "ok", None, str(uuid4()))
    await _sent(database, order)
    assert await _kept(database, order) == 3500 - 600
    await check_sums(database)
    await assert_balanced(database)


async def test_a_gift_larger_than_what_is_left_to_pay_leaves_nothing_due(database: Database) -> None:
    order = await _given(database, captured=True, gift="20")
    assert await _edited(database, order, 1) == (500, 0)
    assert await _kept(database, order) == 0
    assert await _edited(database, order, 2) == (0, 500)


async def _given(database: Database, *, captured: bool, gift: str = "5") -> Order:
    """Return an open, paid order of two units of 10.00 and a delivery of 5.00, with a gift of it."""
    shop = await make_stocked_shop(database, 10)
    order, _ = await paid_order(database, captured=captured, shop=shop)
    await _gift(database, order, gift)
    return order


async def _gift(database: Database, order: Order, amount: str) -> None:
    given = Amount(Decimal(amount), "USD")
    await payment_changes.refund_order(
        staff(database), OrderRef(id=order.id), given, "sorry", None, str(uuid4())
    )


async def _edited(database: Database, order: Order, units: int) -> tuple[int, int]:
    """Give an order's line another quantity; returns what is refunded for it, and what is due."""
    (line,) = await lines_of(database, order.id)
    wanted, now = Wanted(order.id, [NewQuantity(line.id, units)]), await order_of(database, order.id)
    edit = (await order_edits.preview(staff(database), wanted)).edit
    await order_edits.commit(staff(database), wanted, "other", now.version, str(uuid4()))
    return edit.refund_minor, edit.due_minor


async def _sent(database: Database, order: Order) -> None:
    for part in (await parts_of(database, order.id)).fulfillment_orders:
        await fulfill(staff(database), part)
    assert (await order_of(database, order.id)).status is OrderStatus.COMPLETED


async def _kept(database: Database, order: Order) -> int:
    payments = (await parts_of(database, order.id)).payments
    return sum(one.captured_minor - one.given_back_minor for one in payments)
