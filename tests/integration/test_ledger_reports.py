"""The books through GraphQL: an order's entries, a period's, and balances; who may, and what it costs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.scalars import encode_id
from domain.ledger import Account
from persistence import ledger as rows
from persistence.database import Database
from persistence.ledger import Period
from services import orders
from services.access import ANONYMOUS, SYSTEM, Permission
from services.orders import OrderRef
from tests.books import make_entry, post
from tests.checkouts import make_stocked_shop, order_now, till
from tests.factories import data_of, execute, make_app, make_channel
from tests.statements import count_statements

MONEY = "{ amount currency }"
ENTRY = f"""{{ id kind sourceKind sourceId orderId paymentId channelId currency occurredAt actor
  postings {{ account side amount {MONEY} dimension }} }}"""
OF_ORDER = f"query ($ref: OrderRef!) {{ orderLedger(ref: $ref) {ENTRY} }}"
BALANCES = f"""query ($channel: String, $from: DateTime, $until: DateTime, $currency: String) {{
  ledgerBalances(channel: $channel, from: $from, until: $until, currency: $currency) {{
    account normalSide meaning dimension
    opening {MONEY} debits {MONEY} credits {MONEY} closing {MONEY} }} }}"""
ENTRIES = f"""query ($channel: String, $from: DateTime, $until: DateTime, $first: Int, $after: String) {{
  ledgerEntries(channel: $channel, from: $from, until: $until, first: $first, after: $after) {{
    edges {{ cursor node {ENTRY} }} pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} }}"""
START = datetime(2030, 1, 1, tzinfo=UTC)
ACCOUNTANT = make_app(Permission.LEDGER_READ)


async def test_an_order_is_explained_by_id_number_and_token_alike(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    placed = await order_now(database, shop, 2)
    assert placed.order is not None
    await orders.cancel(till(database, SYSTEM), OrderRef(id=placed.order.id), "too late", None, "key")

    refs = [
        {"id": encode_id("Order", placed.order.id)},
        {"number": placed.order.number},
        {"token": placed.order_token},
    ]
    found = [(await data_of(database, OF_ORDER, {"ref": ref}, ACCOUNTANT))["orderLedger"] for ref in refs]

    assert found[0] == found[1] == found[2]
    first, second = found[0]
    assert first | {"id": "", "occurredAt": ""} == {
        "id": "",
        "kind": "ORDER_PLACED",
        "sourceKind": "order",
        "sourceId": str(placed.order.id),
        "orderId": encode_id("Order", placed.order.id),
        "paymentId": None,
        "channelId": encode_id("Channel", shop.channel.id),
        "currency": "USD",
        "occurredAt": "",
        "actor": "anonymous",
        "postings": [
            {"account": "RECEIVABLE", "side": "DEBIT", "amount": usd("25.00"), "dimension": None},
            {"account": "SALES", "side": "CREDIT", "amount": usd("20.00"), "dimension": None},
            {"account": "SHIPPING", "side": "CREDIT", "amount": usd("5.00"), "dimension": None},
        ],
    }
    assert (second["kind"], second["actor"]) == ("ORDER_CANCELED", "system")
    assert [one["side"] for one in second["postings"]] == ["CREDIT", "DEBIT", "DEBIT"]


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ({"number": "1"}, "NOT_FOUND"),
        ({"number": "1\0"}, "NOT_FOUND"),
        ({"token": "no token"}, "NOT_FOUND"),
        ({"id": encode_id("Order", UUID(int=1))}, "NOT_FOUND"),
        ({"id": encode_id("Cart", UUID(int=1))}, "NOT_FOUND"),
        ({"id": "no id"}, "INVALID_INPUT"),
    ],
)
async def test_an_order_that_is_not_there_has_no_ledger(
    database: Database, ref: dict[str, str], reason: str
) -> None:
    result = await execute(database, OF_ORDER, {"ref": ref}, ACCOUNTANT)

    assert result.data == {"orderLedger": None}
    assert result.errors is not None
    error: Any = result.errors[0].original_error
    assert error.code == reason


@pytest.mark.parametrize("document", [OF_ORDER, BALANCES, ENTRIES])
async def test_only_who_may_read_the_ledger_reads_it(database: Database, document: str) -> None:
    ref = {"ref": {"number": "1"}} if document == OF_ORDER else {}
    for actor in (ANONYMOUS, make_app(Permission.ORDERS_READ, Permission.ORDERS_WRITE)):
        result = await execute(database, document, ref, actor)
        assert result.errors is not None
        assert getattr(result.errors[0].original_error, "code", "") in {"UNAUTHENTICATED", "FORBIDDEN"}


@pytest.mark.parametrize(
    ("narrowed", "argument"),
    [
        ({"channel": "nowhere"}, "channel"),
        ({"currency": "DOLLAR"}, "currency"),
        ({"from": "0001-01-01T00:00:00+10:00"}, "from"),
        ({"until": "9999-12-31T23:59:59-10:00"}, "until"),
    ],
)
async def test_what_narrows_balances_has_to_exist(
    database: Database, narrowed: dict[str, str], argument: str
) -> None:
    result = await execute(database, BALANCES, narrowed, ACCOUNTANT)

    assert result.errors is not None
    error: Any = result.errors[0].original_error
    assert argument in str(error.path)


async def test_balances_open_where_the_period_before_closed(database: Database) -> None:
    channel = await make_channel(database, "shop")
    for days, (debit, credit, amount) in enumerate(
        [
            (Account.RECEIVABLE, Account.SALES, 1000),
            (Account.PROVIDER_CLEARING, Account.RECEIVABLE, 1000),
            (Account.REFUND, Account.PROVIDER_CLEARING, 250),
        ]
    ):
        entry = make_entry(channel.id, (debit, amount), (credit, -amount))
        await post(database, entry, at=START + timedelta(days=days))
    second_day = {
        "channel": "shop",
        "from": (START + timedelta(days=1)).isoformat(),
        "until": (START + timedelta(days=3)).isoformat(),
    }

    found = (await data_of(database, BALANCES, second_day, ACCOUNTANT))["ledgerBalances"]

    table = [
        (
            one["account"],
            one["normalSide"],
            *(one[column]["amount"] for column in ("opening", "debits", "credits", "closing")),
        )
        for one in found
    ]
    assert table == [
        ("RECEIVABLE", "DEBIT", "10.00", "0.00", "10.00", "0.00"),
        ("PROVIDER_CLEARING", "DEBIT", "0.00", "10.00", "2.50", "7.50"),
        ("SALES", "CREDIT", "10.00", "0.00", "0.00", "10.00"),
        ("REFUND", "DEBIT", "0.00", "2.50", "0.00", "2.50"),
    ]


async def test_entries_are_paged_oldest_first_over_equal_moments(database: Database) -> None:
    channel, other = await make_channel(database, "shop"), await make_channel(database)
    for number in range(7):
        entry = make_entry(channel.id, (Account.CASH, number + 1), (Account.PROVIDER_CLEARING, -number - 1))
        await post(database, entry, at=START + timedelta(days=number // 4))
    away = make_entry(other.id, (Account.CASH, 99), (Account.PROVIDER_CLEARING, -99))
    await post(database, away, at=START)

    seen: list[str] = []
    after, asked = None, {"channel": "shop", "first": 3, "until": (START + timedelta(days=9)).isoformat()}
    while True:
        page = (await data_of(database, ENTRIES, {**asked, "after": after}, ACCOUNTANT))["ledgerEntries"]
        seen += [edge["node"]["postings"][0]["amount"]["amount"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert seen == [f"0.0{number}" for number in range(1, 8)]
    first_day = {**asked, "until": (START + timedelta(days=1)).isoformat(), "first": 100}
    page = (await data_of(database, ENTRIES, first_day, ACCOUNTANT))["ledgerEntries"]
    assert len(page["edges"]) == 4


async def test_books_are_read_by_one_statement_however_many_entries(database: Database) -> None:
    shop = await make_stocked_shop(database, 9)
    order = (await order_now(database, shop, 2)).order
    assert order is not None
    await order_now(database, shop, 1)
    ref = {"ref": {"id": encode_id("Order", order.id)}}
    for document, variables, most in ((OF_ORDER, ref, 1), (BALANCES, {}, 1), (ENTRIES, {}, 1)):
        with count_statements(database) as statements:
            await data_of(database, document, variables, ACCOUNTANT)
        assert len(statements) == most, statements


POSTED = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["USD", "KWD"]),
        st.integers(0, 6),
        st.sampled_from(Account),
        st.sampled_from(Account),
        st.none() | st.sampled_from(["sandbox", "manual"]),
        st.integers(1, 10**15) | st.integers(-50, -1),
    ),
    min_size=1,
    max_size=15,
)
ASKED = st.tuples(
    st.none() | st.integers(0, 1),
    st.none() | st.sampled_from(["USD", "KWD"]),
    st.none() | st.integers(0, 7),
    st.none() | st.integers(0, 7),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posted=POSTED, questions=st.lists(ASKED, min_size=3, max_size=8))
async def test_balances_are_what_adding_up_by_hand_gives(
    database: Database, posted: list[Any], questions: list[Any]
) -> None:
    channels = [(await make_channel(database)).id for _ in range(2)]
    for channel, currency, day, first, second, dimension, amount in posted:
        entry = make_entry(
            channels[channel],
            (first, amount, dimension),
            (second, -amount),
            source_id=uuid4(),
            currency=currency,
        )
        await post(database, entry, at=START + timedelta(days=day))
    for channel, currency, since, until in questions:
        asked = [channels[channel]] if channel is not None else channels
        for channel_id in asked:  # of these channels alone: earlier examples have left theirs
            period = Period(
                channel_id,
                currency,
                None if since is None else START + timedelta(days=since),
                None if until is None else START + timedelta(days=until),
            )
            async with database.read() as connection:
                found = await rows.balances(connection, period)
            got = {
                (one.account, one.dimension, one.currency): (
                    one.opening_minor,
                    one.debits_minor,
                    one.credits_minor,
                    one.closing_minor,
                )
                for one in found
            }
            assert got == by_hand(posted, channels.index(channel_id), currency, since, until)


def by_hand(
    posted: list[Any], channel: int, currency: str | None, since: int | None, until: int | None
) -> dict[tuple[Account, str | None, str], tuple[int, int, int, int]]:
    """Return opening, debits, credits and closing of each account, the slow way."""
    sums: dict[tuple[Account, str | None, str], list[int]] = {}
    for of, money, day, first, second, dimension, amount in posted:
        if of != channel or currency not in {None, money} or (until is not None and day >= until):
            continue
        for account, where, value in ((first, dimension, amount), (second, None, -amount)):
            row = sums.setdefault((account, where, money), [0, 0, 0])
            if since is not None and day < since:
                row[0] += value
            else:
                row[1 if value > 0 else 2] += abs(value)
    return {key: (row[0], row[1], row[2], row[0] + row[1] - row[2]) for key, row in sums.items()}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}
