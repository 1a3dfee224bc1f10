"""The ledger of money in PostgreSQL: what it refuses, and what placing and ending orders enters."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.errors import PaymentDeclined
from domain.ledger import Account, EntryKind
from domain.orders import OrderStatus
from domain.payment_facts import Fact
from domain.payments import TransactionKind
from domain.ports import Outcome, ProviderAnswer
from persistence import event_log
from persistence import payment_changes as change_rows
from persistence.database import Database
from providers.payments.sandbox import charges
from services import orders, payment_changes, payment_facts
from services.access import SYSTEM
from services.order_placement import place
from services.order_sweeps import expire_waiting
from services.orders import OrderRef
from services.payment_sweep import settle_due
from tests.books import left, lines, make_entry, post
from tests.cart_flows import run_sql
from tests.checkouts import LaterClock, make_ready_cart, make_stocked_shop, order_now, till
from tests.factories import make_channel
from tests.lock_waits import until_waiting
from tests.payments import Unreachable, dollars, paid_order, staff
from tests.statements import count_statements

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ENTRY = """
    INSERT INTO ledger_entries (id, source_kind, source_id, kind, channel_id, currency, posting_count, actor,
                                occurred_at)
    VALUES (:id, 'payout', gen_random_uuid(), 'PAYOUT_RECEIVED', :channel, 'USD', :count, 'test', now())
"""
POSTING = """
    INSERT INTO ledger_postings (entry_id, position, account, amount_minor, currency)
    VALUES (:id, :position, 'CASH', :amount, :currency)
"""
UNBALANCED = {
    "debits that are not credits": (2, [(100, "USD"), (-99, "USD")]),
    "no postings": (2, []),
    "fewer postings than it says": (3, [(100, "USD"), (-100, "USD")]),
    "a sum over two currencies": (2, [(100, "USD"), (-100, "EUR")]),
    "another currency than its own": (2, [(100, "EUR"), (-100, "EUR")]),
}


async def insert(database: Database, channel: UUID, count: int, amounts: list[tuple[int, str]]) -> UUID:
    """Insert an entry past the product, posting by posting, and commit."""
    entry = uuid4()
    async with database.transaction() as connection:
        await connection.execute(text(ENTRY), {"id": entry, "channel": channel, "count": count})
        await append(connection, entry, amounts)
    return entry


async def append(
    connection: AsyncConnection, entry: UUID, amounts: list[tuple[int, str]], first: int = 1
) -> None:
    """Insert postings one by one, the first at this position."""
    for position, (amount, currency) in enumerate(amounts, first):
        values = {"id": entry, "position": position, "amount": amount, "currency": currency}
        await connection.execute(text(POSTING), values)


async def append_later(database: Database, entry: UUID, amounts: list[tuple[int, str]]) -> None:
    """Insert two more postings into an entry of two, and commit."""
    async with database.transaction() as connection:
        await append(connection, entry, amounts, first=3)


@pytest.mark.parametrize(("count", "amounts"), UNBALANCED.values(), ids=UNBALANCED.keys())
async def test_an_entry_that_does_not_balance_is_not_committed(
    database: Database, count: int, amounts: list[tuple[int, str]]
) -> None:
    channel = await make_channel(database)
    with pytest.raises(DBAPIError, match="does not balance"):
        await insert(database, channel.id, count, amounts)

    assert await lines(database) == []


async def test_postings_may_come_one_by_one_as_long_as_they_balance_at_commit(database: Database) -> None:
    channel = await make_channel(database)
    await insert(database, channel.id, 3, [(100, "USD"), (-60, "USD"), (-40, "USD")])

    assert [amount for _, _, amount in await lines(database)] == [100, -60, -40]


async def test_an_entry_takes_no_postings_after_its_commit_though_they_balance(database: Database) -> None:
    channel = await make_channel(database)
    entry = await insert(database, channel.id, 2, [(100, "USD"), (-100, "USD")])
    with pytest.raises(DBAPIError, match="does not balance"):
        await append_later(database, entry, [(5, "USD"), (-5, "USD")])

    assert len(await lines(database)) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET occurred_at = now()",
        "UPDATE ledger_postings SET amount_minor = amount_minor * 2",
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_postings",
        "TRUNCATE ledger_postings",
        "TRUNCATE ledger_entries CASCADE",
        "TRUNCATE channels CASCADE",
    ],
)
async def test_what_is_in_the_books_is_neither_changed_nor_deleted(
    database: Database, statement: str
) -> None:
    channel = await make_channel(database)
    await insert(database, channel.id, 2, [(100, "USD"), (-100, "USD")])
    with pytest.raises(DBAPIError, match="is append-only"):
        async with database.transaction() as connection:
            await connection.execute(text(statement))

    assert [amount for _, _, amount in await lines(database)] == [100, -100]


async def test_a_source_is_posted_once_whoever_comes_again(database: Database) -> None:
    channel, source = await make_channel(database), uuid4()
    for amount in (100, 100, 70):
        entry = make_entry(
            channel.id, (Account.CASH, amount), (Account.PROVIDER_CLEARING, -amount), source_id=source
        )
        await post(database, entry, at=NOW)
    another_kind = make_entry(
        channel.id,
        (Account.CASH, 5),
        (Account.RECEIVABLE, -5),
        source_id=source,
        kind=EntryKind.CAPTURED,
    )
    await post(database, another_kind, at=NOW)

    assert left(await lines(database)) == {"CASH": 105, "PROVIDER_CLEARING": -100, "RECEIVABLE": -5}


async def test_of_two_transactions_that_post_a_source_at_once_the_second_posts_nothing(
    database: Database,
) -> None:
    channel, source = await make_channel(database), uuid4()
    entries = [
        make_entry(channel.id, (Account.CASH, 7), (Account.PROVIDER_CLEARING, -7), source_id=source)
        for _ in range(2)
    ]
    async with database.transaction() as connection:
        await event_log.append_and_post(connection, "first", [], entries[:1], NOW)
        second = asyncio.create_task(post(database, entries[1], at=NOW))
        await until_waiting(database)
    await second

    assert [amount for _, _, amount in await lines(database)] == [7, -7]


async def test_placing_an_order_books_what_is_owed_and_what_was_sold(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 3)
    assert placed.order is not None

    assert await lines(database) == [
        ("ORDER_PLACED", "RECEIVABLE", 3500),
        ("ORDER_PLACED", "SALES", -3000),
        ("ORDER_PLACED", "SHIPPING", -500),
    ]


async def test_a_checkout_that_is_declined_books_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 3, "review")
    assert placed.order is not None
    before = await lines(database)
    with pytest.raises(PaymentDeclined):
        await order_now(database, shop, 1, "decline")

    assert await lines(database) == before


async def test_an_order_that_is_canceled_rejected_or_expired_leaves_nothing(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    context = till(database, SYSTEM)
    canceled, rejected, expired = [
        (await order_now(database, shop, 1, method)).order for method in ("ok", "review", "review")
    ]
    assert canceled is not None
    assert rejected is not None
    assert expired is not None
    for key in ("once", "again"):
        await orders.cancel(context, OrderRef(id=canceled.id), "too late", None, key)
    await orders.reject(context, rejected.id, "looks like fraud", None, "key")
    await expire_waiting(till(database, SYSTEM, clock=LaterClock(24 * 8)))

    assert (await orders.get(context, OrderRef(id=expired.id))).status is OrderStatus.EXPIRED
    for order, kind in (
        (canceled, "ORDER_CANCELED"),
        (rejected, "ORDER_REJECTED"),
        (expired, "ORDER_EXPIRED"),
    ):
        assert await lines(database, order.id) == [
            ("ORDER_PLACED", "RECEIVABLE", 1500),
            ("ORDER_PLACED", "SALES", -1000),
            ("ORDER_PLACED", "SHIPPING", -500),
            (kind, "RECEIVABLE", -1500),
            (kind, "SALES", 1000),
            (kind, "SHIPPING", 500),
        ]


async def test_two_cancels_at_once_book_one(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    order = (await order_now(database, shop, 1)).order
    assert order is not None
    context, ref = till(database, SYSTEM), OrderRef(id=order.id)
    await asyncio.gather(*(orders.cancel(context, ref, "twice", None, key) for key in ("a", "b", "c")))

    assert left(await lines(database)) == {}
    assert len(await lines(database)) == 6


async def test_a_checkout_a_capture_a_part_refunded_and_a_cancel_are_explained_to_the_cent(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 3)
    assert placed.order is not None
    as_staff, order_id = staff(database), placed.order.id
    await payment_changes.capture(as_staff, placed.payment.id, dollars("30.00"), "first parcel")
    await payment_changes.capture(as_staff, placed.payment.id, None, "the rest")
    await payment_changes.refund(as_staff, placed.payment.id, dollars("4.99"), "late", "late")
    await orders.cancel(as_staff, OrderRef(id=order_id), "too late", None, "cancel")

    clearing = "PROVIDER_CLEARING:sandbox"
    assert await lines(database, order_id) == [
        # 3 for 10.00 and 5.00 delivery are owed
        ("ORDER_PLACED", "RECEIVABLE", 3500),
        ("ORDER_PLACED", "SALES", -3000),
        ("ORDER_PLACED", "SHIPPING", -500),
        # and taken in two parts;
        ("CAPTURED", clearing, 3000),
        ("CAPTURED", "RECEIVABLE", -3000),
        ("CAPTURED", clearing, 500),
        ("CAPTURED", "RECEIVABLE", -500),
        # 4.99 of it is given back while the order stands.
        ("REFUNDED", "REFUND", 499),
        ("REFUNDED", clearing, -499),
        # Then nothing was sold after all: 30.01 are owed to the customer,
        ("ORDER_CANCELED", "RECEIVABLE", -3001),
        ("ORDER_CANCELED", "SALES", 3000),
        ("ORDER_CANCELED", "SHIPPING", 500),
        ("ORDER_CANCELED", "REFUND", -499),
        # and given back.
        ("REFUNDED", "RECEIVABLE", 3001),
        ("REFUNDED", clearing, -3001),
    ]
    assert left(await lines(database, order_id)) == {}
    (charge,) = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (3500, 3500)


async def test_a_movement_that_is_declined_or_has_no_answer_is_not_booked(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 3)
    assert placed.order is not None
    before = await lines(database)
    silent = staff(database, Unreachable(database.engine))
    await payment_changes.capture(silent, placed.payment.id, None, "key")
    assert await lines(database) == before

    await settle_due(till(database, SYSTEM, clock=LaterClock(1)))

    assert (await lines(database))[len(before) :] == [
        ("CAPTURED", "PROVIDER_CLEARING:sandbox", 3500),
        ("CAPTURED", "RECEIVABLE", -3500),
    ]


async def test_an_answer_that_two_hear_is_booked_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 1)
    assert placed.order is not None
    silent = staff(database, Unreachable(database.engine))
    changed = await payment_changes.capture(silent, placed.payment.id, None, "key")
    answer = ProviderAnswer(Outcome.SUCCEEDED, "sbx_capture_1", 1500, currency="USD")
    context, order_id = till(database, SYSTEM), placed.order.id
    await asyncio.gather(
        *(payment_facts.conclude(context, order_id, changed.transactions[0], answer) for _ in range(5))
    )

    assert left(await lines(database)) == {
        "PROVIDER_CLEARING:sandbox": 1500,
        "SALES": -1000,
        "SHIPPING": -500,
    }


async def test_money_that_came_outside_is_cash(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 1)
    placed = await place(till(database), token, "manual", "bank_transfer", "key")
    as_staff = staff(database)
    await payment_changes.record(as_staff, placed.payment.id, dollars("15.00"), "wire", "key")

    assert left(await lines(database)) == {"CASH:manual": 1500, "SALES": -1000, "SHIPPING": -500}


async def test_what_the_payers_bank_takes_back_is_a_loss(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 1)
    assert placed.order is not None
    as_staff = staff(database)
    await payment_changes.capture(as_staff, placed.payment.id, None, "key")
    fact = Fact(TransactionKind.CHARGEBACK, Outcome.SUCCEEDED, 1200, "USD", "dispute-1")
    for _ in range(2):
        async with as_staff.transaction() as transaction:
            locked = await change_rows.lock(transaction.connection, order_id=placed.order.id)
            assert locked is not None
            await payment_facts.record_change(as_staff, transaction, locked, placed.payment.id, fact)

    assert left(await lines(database)) == {
        "PROVIDER_CLEARING:sandbox": 300,
        "CHARGEBACK": 1200,
        "SALES": -1000,
        "SHIPPING": -500,
    }


async def test_the_ledger_costs_a_checkout_and_a_capture_no_statement_and_a_refund_one(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 5)
    with count_statements(database) as statements:
        placed = await order_now(database, shop, 1)
    (posting,) = [sent for sent in statements if "ledger" in sent]
    assert "event_outbox" in posting, statements
    as_staff = staff(database)
    with count_statements(database) as statements:
        await payment_changes.capture(as_staff, placed.payment.id, None, "capture")
    assert sum("ledger" in sent for sent in statements) == 1, statements
    with count_statements(database) as statements:
        await payment_changes.refund(as_staff, placed.payment.id, None, "late", "refund")
    assert sum("ledger" in sent for sent in statements) == 2, statements


async def test_what_staff_give_back_of_an_imported_order_is_booked_but_not_its_end(
    database: Database,
) -> None:
    order, payment = await paid_order(database)
    await run_sql(database, "UPDATE orders SET imported = true")
    await run_sql(database, "UPDATE payments SET provider = 'imported', method = 'recorded'")
    before = await lines(database)
    await payment_changes.refund(staff(database), payment.id, dollars("4.00"), "sent back", "refund")
    await orders.cancel(staff(database), OrderRef(id=order.id), "sold out", None, "cancel")

    assert (await lines(database))[len(before) :] == [
        ("REFUNDED", "REFUND", 400),
        ("REFUNDED", "CASH:imported", -400),
    ]
