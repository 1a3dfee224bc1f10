"""Reports of returns: counted by hand, of two channels, three articles and what became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.scalars import encode_id
from domain.catalog import VariantChanges, VariantRef
from domain.kernel.errors import DomainError
from domain.return_receipts import Look
from domain.returns import Disposition, Grade, ReturnReason
from persistence.database import Database
from services import catalog_changes, return_receipts, return_settlement, returns, suppliers
from services.access import Permission
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_stocked_shop
from tests.factories import data_of, execute, make_app, make_context
from tests.sent_back import arrived_order, ask_for, bring_back, desk, let_return, look_at
from tests.statements import count_statements

READER = make_app(Permission.RETURNS_READ)
REPORT = """query ($from: DateTime!, $to: DateTime!, $groupBy: ReturnGrouping!, $channel: String,
        $supplier: String, $first: Int, $after: String) {
    returnsReport(from: $from, to: $to, groupBy: $groupBy, channel: $channel, supplier: $supplier,
            first: $first, after: $after) {
        edges { node { key label unitsShipped unitsReturned unitsReceived unitsRestocked returns returnRate
            resaleShare reasons { reason units } refundSecondsMean refundSecondsP90
            refunded { amount currency } } }
        pageInfo { hasNextPage endCursor } } }"""
NOW = datetime.now(UTC)
SPAN = {"from": (NOW - timedelta(days=300)).isoformat(), "to": (NOW + timedelta(days=1)).isoformat()}


async def report(database: Database, group_by: str, **narrowed: Any) -> list[dict[str, Any]]:
    variables = {**SPAN, "groupBy": group_by, **narrowed}
    data = await data_of(database, REPORT, variables, READER)
    return [edge["node"] for edge in data["returnsReport"]["edges"]]


async def came_back(
    database: Database,
    shop: Shop,
    shipped: int,
    returned: int,
    days: float,
    disposition: Disposition = Disposition.RESTOCKED,
    grade: Grade = Grade.AS_NEW,
    reason: ReturnReason = ReturnReason.SIZE,
) -> None:
    """Ship units, and let some come back; the money takes `days` from the request."""
    order = await arrived_order(database, shipped, shop=shop)
    asked = await ask_for(database, order, returned, reason=reason)
    here = await bring_back(database, asked, shop.locations[0].code)
    await look_at(database, here, disposition, grade)
    await run_sql(
        database,
        "UPDATE returns SET created_at = closed_at - make_interval(secs => :seconds)"
        " WHERE id = :id RETURNING id",
        seconds=days * 86_400,
        id=asked.id,
    )


async def bought_from(database: Database, shop: Shop, code: str) -> None:
    """Let a new supplier be named by a shop's article."""
    context = make_context(database)
    await suppliers.create(context, code, f"The {code}")
    await catalog_changes.update_variant(
        context, VariantRef(id=shop.variant.id), VariantChanges(), supplier_code=code
    )


@pytest.fixture
async def shops(database: Database) -> Sequence[Shop]:
    """A shop in USD with two kinds of returns, and one in EUR with one that nobody may count."""
    await let_return(database)
    first = await make_stocked_shop(database, 40, slug="first")
    await bought_from(database, first, "LOOM")
    second = await make_stocked_shop(database, 40, slug="second", currency="EUR")
    # 10 + 4 units of the first article are shipped, 3 + 1 come back; one of them is not sold again.
    await came_back(database, first, 10, 3, days=2)
    await came_back(
        database, first, 4, 1, 4, Disposition.NOT_RESTOCKED, Grade.DAMAGED, ReturnReason.DEFECTIVE
    )
    # 5 units of the second are shipped; of what is declined nothing comes back.
    order = await arrived_order(database, 5, shop=second)
    asked = await ask_for(database, order, 2, email="eve@example.com")
    await returns.decide_on(desk(database), asked.id, approve=False, note="no", expected_version=None)
    return first, second


async def test_each_number_is_what_counting_by_hand_gives(database: Database, shops: Sequence[Shop]) -> None:
    first, second = shops
    counted: dict[str, Any] = {
        "unitsShipped": 14,
        "unitsReturned": 4,
        "unitsReceived": 4,
        "unitsRestocked": 3,
        "returns": 2,
        "returnRate": 4 / 14,
        "resaleShare": 0.75,
        "reasons": [{"reason": "SIZE", "units": 3}, {"reason": "DEFECTIVE", "units": 1}],
        "refundSecondsMean": 3 * 86_400,
        # Linear between the two: 2 + 0.9 * 2 days.
        "refundSecondsP90": pytest.approx(3.8 * 86_400),
        # With the defective unit came its quarter of that order's delivery of 5.00.
        "refunded": [{"amount": "41.25", "currency": "USD"}],
    }
    nothing: dict[str, Any] = {
        "unitsShipped": 5,
        "unitsReturned": 0,
        "unitsReceived": 0,
        "unitsRestocked": 0,
        "returns": 0,
        "returnRate": 0,
        "resaleShare": None,
        "reasons": [],
        "refundSecondsMean": None,
        "refundSecondsP90": None,
        "refunded": [],
    }
    assert await report(database, "CHANNEL") == [
        {"key": "first", "label": first.channel.name, **counted},
        {"key": "second", "label": second.channel.name, **nothing},
    ]
    # The delivery is of no article.
    lines = {**counted, "refunded": [{"amount": "40.00", "currency": "USD"}]}
    assert await report(database, "SUPPLIER") == [
        {"key": "LOOM", "label": "The LOOM", **lines},
        {"key": "", "label": "", **nothing},
    ]
    bought = await report(database, "CHANNEL", supplier="LOOM")
    assert bought == [{"key": "first", "label": first.channel.name, **lines}]
    assert await report(database, "CHANNEL", supplier="LOOM", channel="first") == bought
    assert await report(database, "CHANNEL", supplier="LOOM", channel="second") == []
    products = await report(database, "PRODUCT")
    assert await report(database, "PRODUCT", supplier="LOOM", channel="first") == products[:1]
    assert [row["key"] for row in products] == [
        encode_id("Product", shop.variant.product_id) for shop in shops
    ]
    assert [{**row, "key": "", "label": ""} for row in products] == [
        {"key": "", "label": "", **lines},
        {"key": "", "label": "", **nothing},
    ]
    assert await report(database, "CHANNEL", channel="second") == [
        {"key": "second", "label": second.channel.name, **nothing}
    ]


async def test_what_was_missing_or_another_article_was_not_returned_and_what_is_kept_was(
    database: Database,
) -> None:
    await let_return(database)
    shop = await make_stocked_shop(database, 20)
    place, order = shop.locations[0].code, await arrived_order(database, 12, shop=shop)
    # Of four three come, and one of these is another article.
    asked = await ask_for(database, order, 4, reason=ReturnReason.SIZE)
    [line] = asked.lines
    await return_receipts.receive(desk(database), asked.id, place, {line.id: 3}, None, "three")
    looks = [
        Look(line.id, 2, Disposition.RESTOCKED, Grade.AS_NEW),
        Look(line.id, 1, Disposition.NOT_RESTOCKED, Grade.NOT_OURS),
        Look(line.id, 1, Disposition.MISSING, Grade.AS_NEW),
    ]
    seen = await return_receipts.inspect(desk(database), asked.id, looks, None, "seen")
    assert seen.status == "INSPECTED"
    # Three are on their way, two came and their money is refused, one is given up, one is kept.
    await ask_for(database, order, 3, reason=ReturnReason.CHANGED_MIND)
    broken = await bring_back(database, await ask_for(database, order, 2, reason=ReturnReason.OTHER), place)
    await let_return(database, auto_refund_most_minor=0)
    await look_at(database, broken, Disposition.NOT_RESTOCKED, Grade.DAMAGED)
    await return_settlement.reject(desk(database), broken.id, "it was worn", None)
    given_up = await ask_for(database, order, 1, reason=ReturnReason.LATE)
    await returns.cancel(desk(database), None, given_up.id, None, None)
    await let_return(database, keep_below_minor=100_000)
    cheap = await ask_for(database, order, 1, reason=ReturnReason.NOT_AS_DESCRIBED)
    kept = await returns.decide_on(desk(database), cheap.id, approve=True, note=None, expected_version=None)
    assert kept.keeps_items

    [row] = await report(database, "CHANNEL")

    assert {name: row[name] for name in ("unitsShipped", "unitsReturned", "unitsReceived", "returns")} == {
        "unitsShipped": 12,
        "unitsReturned": 2 + 3 + 2 + 1,
        "unitsReceived": 3 + 0 + 2 + 0,
        "returns": 4,
    }
    assert (row["unitsRestocked"], row["resaleShare"]) == (2, 2 / 5)
    assert {one["reason"]: one["units"] for one in row["reasons"]} == {
        "SIZE": 2,
        "CHANGED_MIND": 3,
        "OTHER": 2,
        "NOT_AS_DESCRIBED": 1,
    }


async def test_what_is_in_no_catalogue_is_told_by_its_sku_and_the_name_it_was_sold_under(
    database: Database, shops: Sequence[Shop]
) -> None:
    variant = shops[0].variant.id
    for lines in ("return_lines", "shipment_lines"):
        await run_sql(
            database,
            f"UPDATE {lines} SET sku = 'OLD' WHERE order_line_id IN"
            " (SELECT id FROM order_lines WHERE variant_id = :variant)",
            variant=variant,
        )
    await run_sql(
        database,
        "UPDATE order_lines SET variant_id = NULL, sku = 'OLD', name = 'A mug of old' WHERE variant_id = :id",
        id=variant,
    )
    told = [(row["key"], row["label"], row["unitsShipped"]) for row in await report(database, "PRODUCT")]
    assert told[0] == ("OLD", "A mug of old", 14)
    assert [(row["key"], row["unitsReturned"]) for row in await report(database, "SUPPLIER")] == [("", 4)]


async def test_reasons_are_shares_of_all_that_was_shipped(database: Database, shops: Sequence[Shop]) -> None:
    assert [
        (row["key"], row["unitsShipped"], row["unitsReturned"], row["resaleShare"], row["refunded"])
        for row in await report(database, "REASON")
    ] == [
        ("SIZE", 19, 3, 1, [{"amount": "30.00", "currency": "USD"}]),
        ("DEFECTIVE", 19, 1, 0, [{"amount": "10.00", "currency": "USD"}]),
    ]


async def test_what_happened_counts_in_the_span_in_which_it_did(
    database: Database, shops: Sequence[Shop]
) -> None:
    await run_sql(
        database,
        "UPDATE returns r SET created_at = '2026-03-31 23:59:59.999+00' FROM return_lines l"
        " WHERE l.return_id = r.id AND l.reason = 'DEFECTIVE' RETURNING r.id",
    )
    await run_sql(
        database,
        "UPDATE returns SET created_at = '2026-04-01 00:00+00' WHERE status = 'CLOSED'"
        " AND created_at > '2026-04-01' RETURNING id",
    )
    await run_sql(database, "UPDATE shipments SET shipped_at = '2026-03-02 00:30+02' RETURNING id")
    span = {"from": "2026-02-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}

    def told(rows: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
        return [(row["key"], row["unitsShipped"], row["unitsReturned"]) for row in rows]

    assert told(await report(database, "DAY", **span)) == [
        ("2026-03-01", 19, 0),
        ("2026-03-31", 0, 1),
        ("2026-04-01", 0, 3),
    ]
    assert told(await report(database, "MONTH", **span)) == [("2026-03-01", 19, 1), ("2026-04-01", 0, 3)]
    # Weeks begin on Mondays.
    assert told(await report(database, "WEEK", **span)) == [("2026-02-23", 19, 0), ("2026-03-30", 0, 4)]
    # The end is not in it.
    assert told(await report(database, "MONTH", **{**span, "to": "2026-04-01T00:00:00Z"})) == [
        ("2026-03-01", 19, 1)
    ]


async def test_pages_of_a_report_follow_each_other_in_one_statement_each(
    database: Database, shops: Sequence[Shop]
) -> None:
    whole = await report(database, "PRODUCT")
    found, after = [], None
    while True:
        variables = {**SPAN, "groupBy": "PRODUCT", "first": 1, "after": after}
        with count_statements(database) as statements:
            data = await data_of(database, REPORT, variables, READER)
        assert len(statements) == 1, statements
        found += [edge["node"] for edge in data["returnsReport"]["edges"]]
        after = data["returnsReport"]["pageInfo"]["endCursor"]
        if not data["returnsReport"]["pageInfo"]["hasNextPage"]:
            break
    assert found == whole
    assert len(found) == 2


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"to": SPAN["from"]}, ["to"]),
        ({"from": (NOW - timedelta(days=400)).isoformat()}, ["to"]),
        ({"from": "0001-01-01T00:00:00+05:00"}, ["from"]),
        ({"first": 0}, ["first"]),
        ({"after": "x"}, ["after"]),
        ({"channel": "none"}, ["channel"]),
        ({"supplier": "none"}, ["supplier"]),
        ({"supplier": "\0"}, ["supplier"]),
    ],
)
async def test_a_report_that_cannot_be_names_its_field(
    database: Database, wrong: dict[str, Any], path: list[str]
) -> None:
    result = await execute(database, REPORT, {**SPAN, "groupBy": "DAY", **wrong}, READER)
    assert result.errors is not None
    refused = result.errors[0].original_error
    assert isinstance(refused, DomainError)
    assert refused.path == tuple(path)
