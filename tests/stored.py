"""Gift cards and store credit for tests: made and applied as in production, and proven to add up."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from domain.kernel.money import Amount
from domain.stored_values import StoredValue
from persistence import stored_values as rows
from persistence.database import Database
from services import stored_values
from services.order_placement import place
from services.payment_attempts import Placed
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_ready_cart, till
from tests.factories import make_context, unique
from tests.payments import check_sums


async def make_card(
    database: Database, amount: str = "30", currency: str = "USD", expires_at: datetime | None = None
) -> str:
    """Create a gift card; returns its code."""
    _, code = await stored_values.create_card(
        make_context(database), Amount(Decimal(amount), currency), expires_at, None, unique("key")
    )
    assert code is not None
    return code


async def give_credit(database: Database, email: str, amount: str = "30") -> StoredValue:
    """Give a customer store credit in USD."""
    return await stored_values.issue_credit(
        make_context(database), email, Amount(Decimal(amount), "USD"), "sorry", unique("key")
    )


async def apply_cards(database: Database, token: str, *codes: str) -> None:
    """Let a cart be paid with gift cards."""
    for code in codes:
        await stored_values.apply_card(till(database), token, code)


async def apply_credit(database: Database, token: str, email: str, limit: str | None = None) -> None:
    """Let a cart be paid with a customer's store credit."""
    amount = None if limit is None else Amount(Decimal(limit), "USD")
    await stored_values.apply_credit(make_context(database), token, email, amount)


async def balance_of(database: Database, code: str) -> int:
    """Return what is left on a gift card, in minor units."""
    card = await stored_values.card_by_code(till(database), code)
    assert card is not None
    return card.balance_minor


async def movements(database: Database) -> list[tuple[str, int]]:
    """Return kind and amount of every movement, the oldest first."""
    found = await run_sql(database, "SELECT kind, amount_minor FROM stored_value_movements ORDER BY id")
    return [(row.kind, row.amount_minor) for row in found]


async def payments(database: Database) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return every payment, the first made first."""
    return await run_sql(
        database,
        "SELECT provider, status, amount_minor, authorized_minor, captured_minor, refunded_minor,"
        " order_id IS NOT NULL AS ordered, provider_reference FROM payments ORDER BY id",
    )


# What is taken for an order that has not opened yet is booked as spent when it does.
_BOOKS = """
    SELECT (SELECT coalesce(-sum(amount_minor), 0)
              FROM ledger_postings WHERE account = 'STORE_CREDIT') AS owed,
           (SELECT coalesce(sum(balance_minor), 0) FROM stored_values) AS balances,
           (SELECT coalesce(sum(amount_minor), 0) FROM payments
             WHERE provider IN ('gift_card', 'store_credit') AND status IN ('PENDING', 'AUTHORIZED'))
               AS under_way
"""


async def assert_balanced(database: Database) -> None:
    """Fail unless every balance is the sum of its movements, and payments that of their transactions."""
    async with database.read() as connection:
        assert await rows.unexplained(connection, most=10) == []
    (books,) = await run_sql(database, _BOOKS)
    assert books.owed == books.balances + books.under_way, "the ledger owes what can be spent or is being"
    await check_sums(database)


async def paid_with(database: Database, shop: Shop, *codes: str, quantity: int = 2) -> str:
    """Return the token of a cart of 25.00 (two units) that is to be paid with gift cards."""
    token = await make_ready_cart(database, shop, quantity)
    await apply_cards(database, token, *codes)
    return token


async def buy(database: Database, token: str, method: str = "ok", key: str = "key") -> Placed:
    """Place the order of a cart through the sandbox."""
    return await place(till(database), token, "sandbox", method, key)
