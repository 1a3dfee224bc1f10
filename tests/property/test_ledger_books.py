"""Whatever is done to orders' payments through the product, its books and the provider's record agree."""

from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.kernel.errors import AmountTooLarge, IllegalTransition
from domain.kernel.money import Amount, Money
from domain.payment_facts import Fact
from domain.payments import TransactionKind
from domain.ports import Outcome
from persistence import payment_changes as rows
from persistence.database import Database
from services import ledger_reports, orders, payment_changes, payment_facts
from services.orders import OrderRef
from tests.books import left, lines
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.payments import paid_order, staff

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["capture", "refund", "void", "chargeback", "cancel"]),
        st.sampled_from([1, 33, 1250, 2499, 2500, None]),
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, captured=st.booleans())
async def test_the_books_explain_whatever_is_done(
    database: Database, steps: list[tuple[str, int | None]], captured: bool
) -> None:
    shop = await make_stocked_shop(database, 2)
    order, payment = await paid_order(database, shop=shop, captured=captured)
    for step, amount in steps:
        try:
            await do(database, step, amount, order.id, payment.id)
        except (AmountTooLarge, IllegalTransition):
            continue
    assert (await ledger_reports.check(staff(database))).unexplained == []

    stands = left(await lines(database, order.id))
    (row,) = await run_sql(
        database,
        """SELECT coalesce(sum(amount_minor * CASE kind WHEN 'CAPTURE' THEN 1 ELSE -1 END), 0)::bigint AS held
             FROM payment_transactions WHERE payment_id = :id AND status = 'SUCCEEDED'
              AND kind IN ('CAPTURE', 'REFUND', 'CHARGEBACK')""",
        id=payment.id,
    )
    assert stands.get("PROVIDER_CLEARING:sandbox", 0) == row.held
    if any(step == "cancel" for step, _ in steps):
        assert not stands.keys() & {"SALES", "SHIPPING"}


async def do(database: Database, step: str, amount: int | None, order_id: Any, payment_id: Any) -> None:
    context, key = staff(database), str(uuid4())
    money = None if amount is None else Amount(Money(amount, "USD").amount, "USD")
    if step == "capture":
        await payment_changes.capture(context, payment_id, money, key)
    elif step == "refund":
        await payment_changes.refund(context, payment_id, money, "late", key)
    elif step == "void":
        await payment_changes.void(context, payment_id, key)
    elif step == "cancel":
        await orders.cancel(context, OrderRef(id=order_id), "too late", None, key)
    elif step == "chargeback":
        fact = Fact(TransactionKind.CHARGEBACK, Outcome.SUCCEEDED, amount or 100, "USD", f"dispute-{key}")
        async with context.transaction() as transaction:
            locked = await rows.lock(transaction.connection, order_id=order_id)
            assert locked is not None
            await payment_facts.record_change(context, transaction, locked, payment_id, fact)
