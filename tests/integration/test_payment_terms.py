"""Purchase orders and payment terms through GraphQL: what is kept, when it is due, and that it is late."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.scalars import encode_id, read_id
from domain.approvals import RuleKind
from domain.payment_means import PaymentMeans
from domain.ports import PaymentRequest, ProviderAnswer, ProviderTimeout
from persistence.database import Database
from providers.payments.manual import ManualPayments
from services import order_placement, payment_changes
from services.access import ANONYMOUS, SYSTEM, Actor
from services.context import ServiceContext
from services.payment_sweep import settle_due
from services.payment_terms import tell_overdue
from tests import drafts
from tests.cart_flows import run_sql
from tests.checkouts import ADDRESS, LaterClock, Shop, events, later, make_ready_cart, make_stocked_shop, till
from tests.factories import data_of
from tests.payments import check_sums, dollars, paid_order, payment_now, staff
from tests.reviews import make_rule, payloads
from tests.statements import count_statements

PAYMENT = "{ id method status buyerReference dueAt }"
PLACE = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
    order {{ id number placedAt payments {PAYMENT} }} orderToken payment {PAYMENT}
    userErrors {{ code message path }} }} }}"""
PAY = f"""mutation ($input: OrderPaymentCreateInput!) {{ orderPaymentCreate(input: $input) {{
    payment {PAYMENT} userErrors {{ code message path }} }} }}"""
PURCHASE_ORDER = {"provider": "manual", "method": "purchase_order", "reference": "PO-4711"}


class Unheard(ManualPayments):
    """The real provider, in a process that is cut off before it is asked."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        raise ProviderTimeout


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop that bills with 30 days to pay."""
    shop = await make_stocked_shop(database, 50)
    await run_sql(database, "UPDATE channels SET payment_terms_days = 30 WHERE id = :id", id=shop.channel.id)
    return shop


async def ask(database: Database, document: str, given: dict[str, Any], actor: Actor = ANONYMOUS) -> Any:
    """Execute a mutation with an input; returns its payload."""
    providers = till(database).environment.payment_providers
    data = await data_of(database, document, {"input": given}, actor, payment_providers=providers)
    (payload,) = data.values()
    return payload


async def buy(database: Database, shop: Shop, payment: dict[str, Any], key: str | None = None) -> Any:
    """Order 2 units at 10.00 with 5.00 for delivery, as a shopper; returns the payload."""
    token = await make_ready_cart(database, shop, 2)
    given = {"cartToken": token, "payment": payment, "idempotencyKey": key or str(uuid4())}
    return await ask(database, PLACE, given)


async def billed(database: Database, shop: Shop) -> tuple[UUID, UUID]:
    """Order by purchase order; returns the ids of order and payment."""
    placed = await buy(database, shop, PURCHASE_ORDER)
    return row_id(placed["order"]["id"]), row_id(placed["payment"]["id"])


def row_id(node_id: str) -> UUID:
    found = read_id(node_id)
    assert found is not None
    return found[1]


def in_days(database: Database, days: int) -> ServiceContext:
    """Return a context whose clock is so many days, and an hour, ahead."""
    return staff(database, clock=LaterClock(days * 24 + 1))


async def record(database: Database, payment_id: UUID, amount: str) -> None:
    """Record what came of a payment."""
    await payment_changes.record(staff(database), payment_id, dollars(amount), None, str(uuid4()))


async def test_a_purchase_order_is_placed_with_its_number_and_is_due_as_the_channel_says(
    database: Database, shop: Shop
) -> None:
    placed = await buy(database, shop, {**PURCHASE_ORDER, "reference": "  PO 47/11 für Ada "})
    assert placed["userErrors"] == []
    paid = placed["payment"]
    assert (paid["status"], paid["buyerReference"]) == ("PENDING", "PO 47/11 für Ada")
    due_at = datetime.fromisoformat(placed["order"]["placedAt"]) + timedelta(days=30)
    assert datetime.fromisoformat(paid["dueAt"]) == due_at
    assert placed["order"]["payments"] == [paid]
    document = f"query ($ref: OrderRef!) {{ order(ref: $ref) {{ payments {PAYMENT} }} }}"
    token = {"ref": {"token": placed["orderToken"]}}
    assert (await data_of(database, document, token, ANONYMOUS))["order"] == {"payments": [paid]}
    number = {"ref": {"number": placed["order"]["number"]}}
    assert (await data_of(database, document, number, drafts.STAFF))["order"] == {"payments": [paid]}


@pytest.mark.parametrize(
    ("provider", "method", "days"),
    [("manual", "invoice", 30), ("manual", "bank_transfer", None), ("sandbox", "ok", None)],
)
async def test_only_what_is_billed_has_a_date(
    database: Database, shop: Shop, provider: str, method: str, days: int | None
) -> None:
    placed = await buy(database, shop, {"provider": provider, "method": method})
    due_at, placed_at = placed["payment"]["dueAt"], datetime.fromisoformat(placed["order"]["placedAt"])
    assert (due_at and datetime.fromisoformat(due_at) - placed_at) == (days and timedelta(days=days))
    assert placed["payment"]["buyerReference"] is None


async def test_an_order_that_the_sweep_places_has_its_reference_and_date_too(
    database: Database, shop: Shop
) -> None:
    token = await make_ready_cart(database, shop, 2)
    means = PaymentMeans(reference="PO-4711")
    providers = {"manual": Unheard()}
    lost = till(database, payment_providers=providers)
    placed = await order_placement.place(lost, token, "manual", "purchase_order", "key", means)
    assert placed.order is None
    assert await settle_due(later(database)) == 1
    [row] = await run_sql(
        database, "SELECT p.*, o.placed_at FROM payments p JOIN orders o ON o.id = p.order_id"
    )
    assert (row.buyer_reference, row.due_at - row.placed_at) == ("PO-4711", timedelta(days=30))
    again = await order_placement.place(till(database), token, "manual", "purchase_order", "key", means)
    assert (again.payment.buyer_reference, again.payment.due_at) == ("PO-4711", row.due_at)


async def test_without_terms_nothing_is_due(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    assert (await buy(database, shop, PURCHASE_ORDER))["payment"]["dueAt"] is None
    assert await tell_overdue(in_days(database, 1000)) == 0


@pytest.mark.parametrize(
    ("payment", "message"),
    [
        ({"method": "purchase_order"}, "the number of the purchase order is missing"),
        ({"method": "purchase_order", "reference": " "}, "must be 1 to 64 printable characters"),
        ({"method": "purchase_order", "reference": "9" * 65}, "must be 1 to 64 printable characters"),
        ({"method": "purchase_order", "reference": "PO\n1"}, "must be 1 to 64 printable characters"),
        ({"method": "purchase_order", "reference": "PO\x001"}, "must be 1 to 64 printable characters"),
        ({"method": "invoice", "reference": "PO-1"}, "the method takes none"),
        ({"provider": "sandbox", "method": "ok", "reference": "PO-1"}, "the method takes none"),
    ],
)
async def test_a_reference_that_is_missing_wrong_or_not_wanted_is_refused(
    database: Database, shop: Shop, payment: dict[str, Any], message: str
) -> None:
    refused = await buy(database, shop, {"provider": "manual", **payment})
    assert refused["order"] is None
    assert refused["userErrors"] == [
        {"code": "INVALID_INPUT", "message": message, "path": ["payment", "reference"]}
    ]
    [count] = await run_sql(database, "SELECT count(*) AS payments FROM payments")
    assert count.payments == 0


async def test_the_longest_reference_is_taken(database: Database, shop: Shop) -> None:
    placed = await buy(database, shop, {**PURCHASE_ORDER, "reference": "ü" * 64})
    assert placed["payment"]["buyerReference"] == "ü" * 64


async def test_the_same_key_answers_the_same_and_not_for_another_reference(
    database: Database, shop: Shop
) -> None:
    token = await make_ready_cart(database, shop, 2)
    given = {"cartToken": token, "payment": PURCHASE_ORDER, "idempotencyKey": "once"}
    first = await ask(database, PLACE, given)
    again = await ask(database, PLACE, given)
    assert (again["order"], again["payment"]) == (first["order"], first["payment"])
    other = await ask(database, PLACE, {**given, "payment": {**PURCHASE_ORDER, "reference": "PO-4712"}})
    assert [error["code"] for error in other["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]


async def test_staff_place_a_draft_by_purchase_order(database: Database, shop: Shop) -> None:
    draft = (await drafts.ready(database, shop, 2))["order"]
    refused = await drafts.place(database, draft, "manual", "purchase_order")
    assert [error["path"] for error in refused["userErrors"]] == [["payment", "reference"]]
    placed = await drafts.place(database, draft, payment=PURCHASE_ORDER)
    assert placed["userErrors"] == []
    [row] = await run_sql(database, "SELECT buyer_reference, due_at FROM payments")
    assert row.buyer_reference == "PO-4711"
    assert row.due_at == datetime.fromisoformat(placed["order"]["placedAt"]) + timedelta(days=30)


async def test_what_is_asked_for_later_is_due_so_long_after_that(database: Database, shop: Shop) -> None:
    order, payment = await paid_order(database, shop=shop)
    await run_sql(
        database, "UPDATE orders SET total_minor = 4000, subtotal_minor = 3500 WHERE id = :id", id=order.id
    )
    given: dict[str, Any] = {"id": encode_id("Order", order.id), "idempotencyKey": "more"}
    for wrong in ({"reference": None}, {"reference": "x" * 65}, {"method": "invoice"}):
        refused = await ask(database, PAY, {**given, "payment": {**PURCHASE_ORDER, **wrong}}, SYSTEM)
        assert [error["path"] for error in refused["userErrors"]] == [["payment", "reference"]]
    before = datetime.now(UTC)
    asked = await ask(database, PAY, {**given, "payment": PURCHASE_ORDER}, SYSTEM)
    assert asked["userErrors"] == []
    assert asked["payment"]["buyerReference"] == "PO-4711"
    due_at = datetime.fromisoformat(asked["payment"]["dueAt"])
    assert timedelta(days=30) <= due_at - before < timedelta(days=30, minutes=5)
    assert await ask(database, PAY, {**given, "payment": PURCHASE_ORDER}, SYSTEM) == asked
    other = {**given, "payment": {**PURCHASE_ORDER, "reference": "PO-1"}}
    reused = await ask(database, PAY, other, SYSTEM)
    assert [error["code"] for error in reused["userErrors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await payment_now(database, payment.id)).due_at is None


async def test_what_is_late_is_told_once(database: Database, shop: Shop) -> None:
    order_id, payment_id = await billed(database, shop)
    assert await tell_overdue(in_days(database, 29)) == 0
    with count_statements(database) as sent:
        assert await tell_overdue(in_days(database, 30)) == 1
    assert len(sent) <= 8, sent
    payment = await payment_now(database, payment_id)
    assert payment.overdue_told_at is not None
    [order] = await run_sql(database, "SELECT number, version FROM orders WHERE id = :id", id=order_id)
    assert await payloads(database, "PaymentOverdue") == [
        {
            "number": order.number,
            "provider": "manual",
            "amountMinor": 2500,
            "currency": "USD",
            "dueAt": payment.due_at.isoformat(),
        }
    ]
    assert (await events(database, order_id))[-1] == ("PaymentOverdue", order.version)
    assert await tell_overdue(in_days(database, 300)) == 0
    await record(database, payment_id, "25")
    assert (await payment_now(database, payment_id)).status == "CAPTURED"
    await check_sums(database)


async def test_several_processes_at_once_tell_it_once(database: Database, shop: Shop) -> None:
    await billed(database, shop)
    assert sum(await asyncio.gather(*(tell_overdue(in_days(database, 31)) for _ in range(5)))) == 1
    assert len(await payloads(database, "PaymentOverdue")) == 1


async def test_what_was_recorded_in_full_is_not_late_and_of_a_part_the_rest_is(
    database: Database, shop: Shop
) -> None:
    _, paid = await billed(database, shop)
    _, partly = await billed(database, shop)
    await record(database, paid, "25")
    await record(database, partly, "10.50")
    assert await tell_overdue(in_days(database, 31)) == 1
    assert [told["amountMinor"] for told in await payloads(database, "PaymentOverdue")] == [1450]
    assert (await payment_now(database, paid)).overdue_told_at is None


async def test_what_nobody_owes_any_more_is_not_late(database: Database, shop: Shop) -> None:
    canceled, _ = await billed(database, shop)
    await drafts.cancel(database, {"id": drafts.node_id(canceled)}, SYSTEM)
    cheaper, part = await billed(database, shop)
    await record(database, part, "20")
    await run_sql(
        database, "UPDATE orders SET total_minor = 2000, subtotal_minor = 1500 WHERE id = :id", id=cheaper
    )
    waiting, _ = await billed(database, shop)
    await run_sql(database, "UPDATE orders SET status = 'PENDING_APPROVAL' WHERE id = :id", id=waiting)
    assert await tell_overdue(in_days(database, 31)) == 0
    await run_sql(database, "UPDATE orders SET status = 'OPEN' WHERE id = :id", id=waiting)
    assert await tell_overdue(in_days(database, 31)) == 1


async def test_credit_is_asked_about_a_purchase_order(database: Database, shop: Shop) -> None:
    company = replace(ADDRESS, company="Analytical Engines Ltd")
    token = await make_ready_cart(database, shop, 2, billing=company)
    await make_rule(database, shop, RuleKind.CREDIT_LIMIT)
    placed = await order_placement.place(
        till(database), token, "manual", "purchase_order", "key", PaymentMeans(reference="PO-1")
    )
    assert placed.order is not None
    assert placed.order.status == "PENDING_APPROVAL"
    [row] = await run_sql(
        database, "SELECT reasons FROM order_reviews WHERE order_id = :id", id=placed.order.id
    )
    assert [reason["code"] for reason in row.reasons] == ["CREDIT_LIMIT"]


@pytest.mark.parametrize("days", [-1, 366])
async def test_terms_of_a_channel_are_0_to_365_days(database: Database, days: int) -> None:
    errors = "userErrors { code path }"
    settings = f"channel {{ id settings {{ paymentTermsDays }} }} {errors}"
    create = f"mutation ($input: ChannelCreateInput!) {{ channelCreate(input: $input) {{ {settings} }} }}"
    update = f"mutation ($input: ChannelUpdateInput!) {{ channelUpdate(input: $input) {{ {settings} }} }}"
    refusal = [{"code": "INVALID_INPUT", "path": ["paymentTermsDays"]}]
    new = {"slug": "web", "name": "Web", "currency": "USD"}
    assert (await ask(database, create, {**new, "paymentTermsDays": days}, SYSTEM))["userErrors"] == refusal
    made = await ask(database, create, {**new, "paymentTermsDays": 365}, SYSTEM)
    assert made["channel"]["settings"] == {"paymentTermsDays": 365}
    known = {"id": made["channel"]["id"]}
    assert (await ask(database, update, {**known, "paymentTermsDays": days}, SYSTEM))["userErrors"] == refusal
    for given, terms in (
        ({"paymentTermsDays": 0}, 0),
        ({"name": "Shop"}, 0),
        ({"paymentTermsDays": None}, None),
    ):
        changed = await ask(database, update, {**known, **given}, SYSTEM)
        assert changed["channel"]["settings"] == {"paymentTermsDays": terms}
