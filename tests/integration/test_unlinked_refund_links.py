"""Refunds without an order whose order is found: what was given money for comes back in no return."""

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.scalars import encode_id
from domain.kernel.errors import IllegalTransition, InvalidInput, NotFound, NotReturnable
from domain.kernel.money import Amount
from domain.orders import Order
from domain.returns import Return
from domain.unlinked_refunds import UnlinkedRefund
from persistence.database import Database
from services import returns, unlinked_refund_links, unlinked_refunds
from services.access import Permission
from services.orders import OrderRef
from tests.checkouts import Shop, events, make_stocked_shop
from tests.factories import data_of, make_app
from tests.sent_back import arrived_order, ask_for, bring_back, desk, let_return, lines_of
from tests.statements import count_statements
from tests.unlinked import LEAD, act, ask, check_books, decide, pay

PAGE = (Path(__file__).parents[2] / "docs" / "features" / "unlinked_refunds.md").read_text()
REPORT = """{ unlinkedRefundsReport(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") {
    channel status method provider refunds decidedAlone linked units unitsAccepted
    total { amount } paid { amount } } }"""
SIMILAR = "{ unlinkedRefunds { edges { node { similarOrderId } } } }"
FINDER = make_app(Permission.REFUNDS_UNLINKED, Permission.ORDERS_READ)


async def test_what_was_given_money_for_comes_back_in_no_return(database: Database) -> None:
    shop, order = await _sold(database, units=3)
    refund = await _paid(database, shop, units=2)
    with count_statements(database) as linking:
        linked = await _link(database, refund, order)

    assert [one.units for one in linked.links] == [2]
    assert (await _link(database, refund, order, key="k")).links == linked.links
    with pytest.raises(NotReturnable) as refused:
        await ask_for(database, order, 2)
    assert (refused.value.returnable, refused.value.obstacles) == (1, ("ALREADY_RETURNED",))
    assert isinstance(await ask_for(database, order, 1), Return)
    assert ("UnlinkedRefundLinked", order.version + 1) in await events(database, order.id)
    await check_books(database)
    assert len(linking) == 14, linking
    await ask(act(database), "7.00")
    with count_statements(database) as reporting:
        found = await data_of(database, REPORT, {}, FINDER)
    assert found["unlinkedRefundsReport"] == [
        {
            "channel": "till", "status": status, "method": method, "provider": None, "refunds": 1,
            "decidedAlone": 0, "linked": linked, "units": units, "unitsAccepted": 0,
            "total": {"amount": total}, "paid": {"amount": paid},
        }
        for status, method, linked, units, total, paid in (
            ("PAID", "MANUAL", 1, 2, "20.00", "20.00"),
            ("PENDING_APPROVAL", None, 0, 1, "7.00", "0.00"),
        )
    ]  # fmt: skip
    assert len(reporting) == 2, reporting


async def test_the_example_of_the_page_links(database: Database) -> None:
    shop, order = await _sold(database, units=1)
    refund = await _paid(database, shop, units=1)
    document = next(one for one in re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL) if "Link(" in one)
    given: dict[str, Any] = {"id": encode_id("UnlinkedRefund", refund.id), "ref": {"number": order.number}}
    given["idempotencyKey"] = "fair-17-found"
    (answer,) = (await data_of(database, document, {"input": given}, FINDER)).values()
    line = encode_id("OrderLine", (await lines_of(database, order.id))[0].id)
    assert answer["userErrors"] == []
    assert answer["unlinkedRefund"]["links"] == [
        {"orderId": encode_id("Order", order.id), "orderLineId": line, "quantity": 1}
    ]


async def test_of_a_return_and_a_link_at_once_the_units_are_one_ones(database: Database) -> None:
    shop, order = await _sold(database, units=2)
    refund = await _paid(database, shop, units=2)
    answers = await asyncio.gather(
        ask_for(database, order, 1), _link(database, refund, order), return_exceptions=True
    )
    linked = sum(one.units for found in answers if isinstance(found, UnlinkedRefund) for one in found.links)
    asked = sum(line.quantity for found in answers if isinstance(found, Return) for line in found.lines)
    # Whoever comes first: the link takes what is left, a return no more than that.
    assert (linked, asked) in {(2, 0), (1, 1)}


async def test_what_came_back_before_was_paid_twice_and_staff_are_told(database: Database) -> None:
    shop, order = await _sold(database, units=1)
    refund = await _paid(database, shop, units=1)
    await ask_for(database, order, 1)
    with pytest.raises(NotReturnable) as refused:
        await _link(database, refund, order)
    assert (refused.value.path, refused.value.returnable) == (("ref",), 0)


async def test_a_return_that_was_given_up_is_not_taken_up_again_for_what_was_paid(database: Database) -> None:
    shop, order = await _sold(database, units=1)
    asked = await ask_for(database, order, 1)
    await returns.cancel(desk(database), None, asked.id, None, None)
    await _link(database, await _paid(database, shop, units=1), order)
    with pytest.raises(IllegalTransition):
        await bring_back(database, asked, shop.locations[0].code)


async def test_only_an_order_that_fits_and_may_be_seen_is_linked(database: Database) -> None:
    shop, order = await _sold(database, units=1)
    waits = await decide(act(database, LEAD), await ask(act(database), "1.00", sku=shop.variant.sku))
    with pytest.raises(IllegalTransition):
        await _link(database, waits, order)
    paid = await pay(act(database), waits)
    with pytest.raises(NotFound):
        await _link(database, paid, order, actor=make_app(Permission.REFUNDS_UNLINKED))
    other = await arrived_order(database, 1)
    with pytest.raises(InvalidInput) as refused:
        await _link(database, paid, other)
    assert refused.value.path == ("ref",)
    # The number of an order that is in the books is no paper of what is not, unless it is said to be.
    with pytest.raises(InvalidInput) as refused:
        await ask(act(database), "1.00", document=order.number)
    assert refused.value.path == ("documentReference",)
    known = await ask(act(database), "1.00", document=order.number, known=True)
    assert known.status.value == "PENDING_APPROVAL"


async def test_who_was_sent_such_an_article_is_looked_at_by_two(database: Database) -> None:
    shop, order = await _sold(database, units=1)
    limit = Amount(Decimal(100), "USD")
    await unlinked_refunds.set_policy(act(database, LEAD), "till", limit, None, None)
    sku = shop.variant.sku
    asked = [
        await ask(act(database), "1.00", sku=sku, email="ADA@example.com"),
        await ask(act(database), "1.00", email="ada@example.com"),
        await ask(act(database), "1.00", sku=sku, email="grace@example.com"),
    ]
    assert [(one.status.value, one.similar_order_id) for one in asked] == [
        ("PENDING_APPROVAL", order.id), ("APPROVED", None), ("APPROVED", None),
    ]  # fmt: skip
    # What somebody has bought is not for everybody who gives money out.
    seen = [
        (await data_of(database, SIMILAR, {}, actor))["unlinkedRefunds"]["edges"][-1]["node"][
            "similarOrderId"
        ]
        for actor in (FINDER, make_app(Permission.REFUNDS_APPROVE), make_app(Permission.REFUNDS_UNLINKED))
    ]
    named = encode_id("Order", order.id)
    assert seen == [named, named, None]


async def _sold(database: Database, units: int) -> tuple[Shop, Order]:
    await let_return(database)
    shop = await make_stocked_shop(database, 10, slug="till")
    return shop, await arrived_order(database, units, shop=shop)


async def _paid(database: Database, shop: Shop, units: int) -> UnlinkedRefund:
    """Return a refund of goods of the shop that the customer keeps."""
    made = await ask(act(database), "10.00", quantity=units, sku=shop.variant.sku)
    return await pay(act(database), await decide(act(database, LEAD), made))


async def _link(
    database: Database, refund: UnlinkedRefund, order: Order, key: str = "k", actor: Any = FINDER
) -> UnlinkedRefund:
    return await unlinked_refund_links.link(
        act(database, actor), refund.id, OrderRef(number=order.number), None, key
    )
