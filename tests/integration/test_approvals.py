"""Each kind of rule as a shopper meets it: accepted, waiting for a person, or turned down."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from domain.approvals import RuleAction, RuleKind
from domain.fulfillment import HoldKind
from domain.kernel.errors import PaymentDeclined
from domain.order_reviews import Decision, ReviewState
from domain.orders import OrderPaymentStatus, OrderStatus
from persistence.database import Database
from providers.payments.sandbox import charges
from services.cart_sweeps import abandon_idle
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import (
    ADDRESS,
    Shop,
    cart_status,
    events,
    later,
    levels,
    make_ready_cart,
    make_stocked_shop,
    till,
)
from tests.reviews import Estimating, buy, make_rule, ordered, payloads, reasons, refusal, review_of
from tests.statements import count_statements

FRANCE = replace(ADDRESS, country="FR", city="Paris", postal_code="75001")


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_stocked_shop(database, 50)


async def test_an_order_from_an_amount_waits_with_its_reason(database: Database, shop: Shop) -> None:
    rule = await make_rule(database, shop, RuleKind.AMOUNT_FROM, amount_from="25")
    assert await reasons(database, await ordered(database, shop, 1)) == []
    placed = await buy(database, shop, 2)
    assert placed.order is not None
    assert placed.order.status is OrderStatus.PENDING_APPROVAL
    review = await review_of(database, placed.order.id)
    assert review is not None
    assert (review.decision, review.state) == (Decision.REVIEW, ReviewState.OPEN)
    assert (review.due_at - placed.order.placed_at).days == 7
    [reason] = review.reasons
    assert reason.rule_id == rule.id
    assert reason.message == "the total of 25.00 USD is 25.00 or more"
    assert placed.placement is not None
    [part] = placed.placement.fulfillment_orders
    assert [(hold.kind, hold.of_review, hold.code) for hold in part.holds] == [
        (HoldKind.OTHER, True, "AMOUNT_FROM")
    ]
    assert await events(database, placed.order.id) == [("OrderPlaced", 1), ("OrderReviewRequired", 1)]
    assert [told["reasons"] for told in await payloads(database, "OrderReviewRequired")] == [["AMOUNT_FROM"]]


async def test_what_a_rule_turns_down_is_never_charged(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.AMOUNT_FROM, RuleAction.DECLINE, "25")
    token = await make_ready_cart(database, shop, 2)
    before = await levels(database, shop)
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as caught:
            await place(till(database), token, "sandbox", "ok", "key")
        assert caught.value.decline_code == "risk_amount"
    assert await charges(database.engine) == []
    assert await cart_status(database, token) == "ACTIVE"
    assert await levels(database, shop) == before
    assert len(await payloads(database, "CartPaymentDeclined")) == 1, "the key's answer is final"
    async with database.read() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT p.status, p.placement, t.decline_code"
                    " FROM payments p JOIN payment_transactions t ON t.payment_id = p.id"
                )
            )
        ).one()
    assert (row.status, row.decline_code) == ("FAILED", "risk_amount")
    assert [reason["code"] for reason in row.placement["reasons"]] == ["AMOUNT_FROM"]
    assert await settle_due(later(database)) == 0, "nothing is left to be found out"


async def test_an_abandoned_cart_that_is_turned_down_comes_back(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.AMOUNT_FROM, RuleAction.DECLINE, "0")
    token = await make_ready_cart(database, shop, 2)
    assert await abandon_idle(later(database, hours=2)) == 1
    with pytest.raises(PaymentDeclined):
        await place(till(database), token, "sandbox", "ok", "key")
    assert await cart_status(database, token) == "ACTIVE"
    for kind in ("CartReactivated", "CartPaymentDeclined"):
        assert len(await payloads(database, kind)) == 1


async def test_the_channels_own_amount_is_a_rule_like_others(database: Database, shop: Shop) -> None:
    await run_sql(database, "UPDATE channels SET review_from_minor = 2500")
    assert await reasons(database, await ordered(database, shop, 2)) == ["AMOUNT_FROM"]


@pytest.mark.parametrize(("billing", "expected"), [(None, []), (ADDRESS, []), (FRANCE, ["COUNTRY_MISMATCH"])])
async def test_a_bill_to_another_country_waits(
    database: Database, shop: Shop, billing: Any, expected: list[str]
) -> None:
    await make_rule(database, shop, RuleKind.COUNTRY_MISMATCH)
    assert await reasons(database, await ordered(database, shop, billing=billing)) == expected


async def test_a_card_from_another_country_is_voided(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.COUNTRY_MISMATCH, RuleAction.DECLINE)
    home, abroad = [
        {"payment_providers": {"sandbox": Estimating(database, payer_country=country)}}
        for country in ("GB", "FR")
    ]
    assert await reasons(database, await ordered(database, shop, environment=home)) == []
    assert await refusal(database, shop, environment=abroad) == "risk_country_mismatch"
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED", "VOIDED"]


async def test_parcels_to_some_countries_wait_or_are_turned_down(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.SHIPPING_COUNTRY, countries=["fr", "DE"])
    assert await reasons(database, await ordered(database, shop)) == []
    order = await ordered(database, shop, address=FRANCE)
    assert await reasons(database, order) == ["SHIPPING_COUNTRY"]
    await make_rule(database, shop, RuleKind.SHIPPING_COUNTRY, RuleAction.DECLINE, countries=["FR"])
    assert await refusal(database, shop, address=FRANCE) == "risk_shipping_country"


SOMEWHERE = replace(ADDRESS, line1="1 Other St", postal_code="N1 9GU")
SAME_PLACE = replace(ADDRESS, name="A. Byron", line1="12, St. James's  Square", postal_code="sw1y4le")


@pytest.mark.parametrize(
    ("by", "same", "other"),
    [
        ("EMAIL", {"email": "ADA@example.com"}, {"email": "bob@example.com", "client": "192.0.2.1"}),
        ("SHIPPING_ADDRESS", {"address": SAME_PLACE}, {"address": SOMEWHERE, "client": "192.0.2.1"}),
        ("CLIENT_ADDRESS", {"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
    ],
)
async def test_too_many_orders_of_one_shopper_are_turned_down(
    database: Database, shop: Shop, by: str, same: dict[str, Any], other: dict[str, Any]
) -> None:
    await make_rule(
        database,
        shop,
        RuleKind.VELOCITY,
        RuleAction.DECLINE,
        orders_from=2,
        within_minutes=60,
        counted_by=[by],
    )
    for _ in range(2):
        await ordered(database, shop, client="192.0.2.1")
    varied = {"client": "198.51.100.9", "email": "new@example.com", "address": SOMEWHERE, **same}
    assert await refusal(database, shop, **varied) == "risk_velocity"
    await ordered(database, shop, **{**varied, **other})
    await run_sql(database, "UPDATE orders SET placed_at = placed_at - interval '61 minutes'")
    await ordered(database, shop, **varied)


async def test_velocity_is_counted_in_its_channel_and_of_shoppers_alone(
    database: Database, shop: Shop
) -> None:
    other = await make_stocked_shop(database, 9)
    await make_rule(database, shop, RuleKind.VELOCITY, orders_from=1, within_minutes=60)
    await ordered(database, other)
    assert await reasons(database, await ordered(database, shop, client="192.0.2.1")) == []
    review = await review_of(database, (await ordered(database, shop, client="192.0.2.1")).id)
    assert review is not None
    [reason] = review.reasons
    assert reason.message == "1 other orders within 60 minutes, by CLIENT_ADDRESS, EMAIL, SHIPPING_ADDRESS"
    async with database.read() as connection:
        kept = await connection.scalars(text("SELECT client_number FROM orders ORDER BY placed_at"))
    numbers = list(kept)
    assert numbers[0] is None, "nobody's address is kept where nothing is counted by it"
    assert numbers[1] == numbers[2] is not None


async def test_the_first_order_of_an_address_waits_from_an_amount(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.FIRST_ORDER, amount_from="20")
    assert await reasons(database, await ordered(database, shop, 1, email="new@example.com")) == []
    assert await reasons(database, await ordered(database, shop, 2)) == ["FIRST_ORDER"]
    assert await reasons(database, await ordered(database, shop, 2)) == ["FIRST_ORDER"], (
        "one waits: not known"
    )
    await run_sql(database, "UPDATE orders SET status = 'OPEN'")
    assert await reasons(database, await ordered(database, shop, 2, email="Ada@Example.com")) == []


async def test_the_providers_score_leads_to_a_review_or_a_void(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.PROVIDER_RISK, score_from=50)
    await make_rule(database, shop, RuleKind.PROVIDER_RISK, RuleAction.DECLINE, score_from=90)

    def scoring(score: int | None) -> dict[str, Any]:
        return {"payment_providers": {"sandbox": Estimating(database, risk_score=score)}}

    for score in (None, 49):
        assert await reasons(database, await ordered(database, shop, environment=scoring(score))) == []
    order = await ordered(database, shop, environment=scoring(50))
    found = await review_of(database, order.id)
    assert found is not None
    assert found.reasons[0].message == "the payment provider's risk score is 50 of 100"
    before = await levels(database, shop)
    assert await refusal(database, shop, environment=scoring(90)) == "risk_score"
    assert [charge.state for charge in await charges(database.engine)][-1] == "VOIDED"
    [(available, held, committed)] = before
    assert await levels(database, shop) == [(available - 1, held + 1, committed)], "the cart has its stock"


async def test_the_providers_wish_is_enough_without_any_rule(database: Database, shop: Shop) -> None:
    found = await review_of(database, (await ordered(database, shop, method="review")).id)
    assert found is not None
    assert [reason.message for reason in found.reasons] == ["the payment provider wishes that a person looks"]
    await make_rule(database, shop, RuleKind.PROVIDER_RISK, RuleAction.DECLINE)
    assert await refusal(database, shop, method="review") == "risk_score"
    assert await reasons(database, await ordered(database, shop)) == []


async def test_every_rule_that_finds_something_is_told_by_priority(database: Database, shop: Shop) -> None:
    await make_rule(database, shop, RuleKind.FIRST_ORDER, amount_from="0", priority=2)
    await make_rule(database, shop, RuleKind.AMOUNT_FROM, amount_from="1", priority=1)
    await make_rule(database, shop, RuleKind.AMOUNT_FROM, amount_from="1", active=False)
    await make_rule(database, shop, RuleKind.VELOCITY, RuleAction.DECLINE, orders_from=9, within_minutes=1)
    order = await ordered(database, shop, method="review")
    assert await reasons(database, order) == ["AMOUNT_FROM", "FIRST_ORDER", "PROVIDER_RISK"]


async def test_what_was_found_before_the_payment_is_kept_until_its_late_answer(
    database: Database, shop: Shop
) -> None:
    rule = await make_rule(database, shop, RuleKind.VELOCITY, orders_from=1, within_minutes=60)
    await ordered(database, shop)
    token = await make_ready_cart(database, shop, 1)
    assert (await place(till(database), token, "sandbox", "timeout", "key")).order is None
    await run_sql(database, f"UPDATE approval_rules SET action = 'DECLINE' WHERE id = '{rule.id}'")
    await settle_due(later(database))
    order = (await place(till(database), token, "sandbox", "timeout", "key")).order
    assert order is not None
    assert order.status is OrderStatus.PENDING_APPROVAL
    assert order.payment_status is OrderPaymentStatus.AUTHORIZED
    assert await reasons(database, order) == ["VELOCITY"]


async def test_rules_cost_no_statement_and_a_refusal_few(database: Database, shop: Shop) -> None:
    async def cost(**given: Any) -> int:
        token = await make_ready_cart(database, shop, 1, **given)
        with count_statements(database) as sent, suppress(PaymentDeclined):
            await place(till(database), token, "sandbox", "ok", "key")
        return len(sent)

    plain = await cost()
    await make_rule(database, shop, RuleKind.VELOCITY, orders_from=1, within_minutes=60)
    await make_rule(database, shop, RuleKind.FIRST_ORDER, amount_from="0")
    await make_rule(database, shop, RuleKind.COUNTRY_MISMATCH)
    assert await cost(billing=FRANCE, email="new@example.com") == plain
    await make_rule(database, shop, RuleKind.AMOUNT_FROM, RuleAction.DECLINE, "0")
    # BEGIN, the key, the cart, the refusal, its event with the key's answer, COMMIT.
    assert await cost() == 6
