"""`ordertide check ledger` and `ordertide ledger balances`: silent about good books, exact about bad ones."""

from decimal import Decimal
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from domain.kernel.errors import AccessDenied
from domain.kernel.money import Amount
from domain.ledger import Account, EntryKind
from persistence.database import Database
from services import ledger_reports, orders, payment_changes
from services.access import ANONYMOUS, SYSTEM
from services.orders import OrderRef
from tests.books import make_entry, post
from tests.checkouts import make_stocked_shop, order_now, till
from tests.commands import ordertide
from tests.factories import make_context


async def make_books(database: Database) -> tuple[UUID, UUID]:
    """Make one order that stands, captured, and one that was canceled after a part was refunded."""
    shop = await make_stocked_shop(database, 9, slug="web")
    staff = till(database, SYSTEM)
    stands, gone = [await order_now(database, shop, units) for units in (1, 3)]
    assert stands.order is not None
    assert gone.order is not None
    for placed in (stands, gone):
        await payment_changes.capture(staff, placed.payment.id, None, str(placed.payment.id))
    await payment_changes.refund(staff, gone.payment.id, Amount(Decimal("4.99"), "USD"), "late", "refund")
    await orders.cancel(staff, OrderRef(id=gone.order.id), "too late", None, "cancel")
    return stands.order.id, gone.order.id


async def test_books_that_explain_everything_pass(database: Database, database_url: str) -> None:
    await make_books(database)
    said = await ordertide(database_url, "check", "ledger")
    assert (said.returncode, said.stdout) == (
        0,
        "7 entries balance and explain 4 movements of payments\n",
    ), said.stderr


async def test_what_the_books_do_not_explain_is_named(database: Database, database_url: str) -> None:
    stands, gone = await make_books(database)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE payment_transactions SET amount_minor = 1499"
                " WHERE kind = 'CAPTURE' AND amount_minor = 1500"
            )
        )
        await connection.execute(
            text(
                "UPDATE orders SET subtotal_minor = subtotal_minor + 7, total_minor = total_minor + 7"
                " WHERE id = :id"
            ),
            {"id": stands},
        )
        await connection.execute(text("UPDATE orders SET number = 'X' || number"))
        channel = await connection.scalar(text("SELECT id FROM channels WHERE slug = 'web'"))
    sold_again = make_entry(
        channel,
        (Account.RECEIVABLE, 3),
        (Account.SALES, -3),
        kind=EntryKind.ORDER_EDITED,
        order_id=gone,
    )
    await post(database, sold_again, at=make_context(database).now())

    said = await ordertide(database_url, "check", "ledger", "--json")
    assert said.returncode == 1, said.stderr
    found = orjson.loads(said.stdout)
    named = {
        one["subject"].split(" ")[0]: (one["booked_minor"], one["expected_minor"])
        for one in found["unexplained"]
    }
    assert named == {"order": (1500, 1507), "the": (1500, 1499), "what": (-3, 0)}
    plain = await ordertide(database_url, "check", "ledger")
    assert plain.returncode == 1
    assert "1500 in the books, 1507 in fact (minor units)" in plain.stdout


async def test_an_order_without_an_entry_is_named_but_not_an_imported_one(database: Database) -> None:
    stands, _ = await make_books(database)
    missing = text(
        """
        INSERT INTO orders (id, number, channel_id, status, payment_status, fulfillment_status, currency,
               shipping_address, subtotal_minor, shipping_minor, tax_minor, discount_minor, total_minor,
               placed_at, imported)
        SELECT gen_random_uuid(), :number, channel_id, 'OPEN', payment_status, fulfillment_status, currency,
               shipping_address, 5, 0, 0, 0, 5, placed_at, :imported FROM orders WHERE id = :id
        """
    )
    async with database.transaction() as connection:
        await connection.execute(missing, {"number": "ours", "imported": False, "id": stands})
        await connection.execute(missing, {"number": "theirs", "imported": True, "id": stands})

    found = (await ledger_reports.check(make_context(database))).unexplained
    assert [(one.subject, one.booked_minor, one.expected_minor) for one in found] == [("order ours", 0, 5)]


async def test_who_may_not_read_the_ledger_may_not_check_it(database: Database) -> None:
    with pytest.raises(AccessDenied):
        await ledger_reports.check(make_context(database, ANONYMOUS))


async def test_balances_are_shown_as_a_table(database: Database, database_url: str) -> None:
    await make_books(database)
    said = await ordertide(database_url, "ledger", "balances", "--channel", "web", "--from", "2026-01-01")
    assert said.returncode == 0, said.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.stdout.splitlines()]
    assert [row for row in rows if row][0:2] == [
        ["RECEIVABLE", "", "USD", "0.00", "80.01", "80.01", "0.00"],
        ["PROVIDER_CLEARING", "sandbox", "USD", "0.00", "50.00", "35.00", "15.00"],
    ]
    wrong = await ordertide(database_url, "ledger", "balances", "--channel", "nowhere")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "channel" in wrong.stderr
