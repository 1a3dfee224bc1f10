"""What a business customer may owe, asked of the company's own system over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from domain.approvals import RuleAction, RuleKind
from domain.kernel.money import Money
from domain.orders import OrderStatus
from domain.ports import CreditUnavailable
from persistence.database import Database
from providers.company_http import LARGEST_BYTES
from providers.credit.company_system import CompanyCredit
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.checkouts import ADDRESS, Shop, later, levels, make_ready_cart, make_stocked_shop, till
from tests.credit_server import SECRET, CompanySystem, company_system
from tests.reviews import make_rule, ordered, reasons, refusal, review_of
from tests.stored import apply_cards, make_card

COMPANY = replace(ADDRESS, company="Analytical Engines Ltd")
INVOICE: dict[str, Any] = {"provider": "manual", "method": "invoice", "billing": COMPANY}
ADA = "ada@example.com"


@pytest.fixture
async def company() -> AsyncIterator[CompanySystem]:
    async with company_system() as system:
        yield system


@pytest.fixture
async def credit(company: CompanySystem) -> AsyncIterator[CompanyCredit]:
    async with CompanyCredit(company.url, SECRET, time_limit_seconds=5) as credit:
        yield credit


async def test_it_is_asked_in_the_body_with_the_secret(company: CompanySystem, credit: CompanyCredit) -> None:
    company.answers[ADA] = '{"available": "1250.50", "currency": "EUR"}'
    assert await credit.available_credit(ADA, "EUR") == Money(125050, "EUR")
    company.answers[ADA] = '{"available": 1250, "currency": "JPY"}'
    assert await credit.available_credit(ADA, "JPY") == Money(1250, "JPY")
    assert await credit.available_credit("nobody", "EUR") is None
    assert company.asked[0] == {
        "line": "POST /credit HTTP/1.1",
        "authorization": f"bearer {SECRET}",
        "customer": ADA,
        "currency": "EUR",
    }


@pytest.mark.parametrize(
    "answer",
    [
        500, 302, "", "null", "[]", "{}", '{"available": 12.5, "currency": "EUR"}',
        '{"available": true, "currency": "EUR"}', '{"available": "much", "currency": "EUR"}',
        '{"available": "NaN", "currency": "EUR"}', '{"available": "1.005", "currency": "EUR"}',
        '{"available": "1", "currency": "XXQ"}', '{"available": "1"}',
        '{"available": "1", "currency": "EUR"}' + " " * LARGEST_BYTES, "[" * 100_000,
    ],
)  # fmt: skip
async def test_what_is_no_amount_is_no_answer(
    company: CompanySystem, credit: CompanyCredit, answer: Any
) -> None:
    company.answers[ADA] = answer
    with pytest.raises(CreditUnavailable):
        await credit.available_credit(ADA, "EUR")


async def test_a_wrong_secret_and_a_system_that_is_gone_are_no_answer(company: CompanySystem) -> None:
    async with CompanyCredit(company.url, "guessed", time_limit_seconds=5) as stranger:
        with pytest.raises(CreditUnavailable, match="401"):
            await stranger.available_credit(ADA, "EUR")
    async with CompanyCredit("http://127.0.0.1:1/", SECRET, time_limit_seconds=5) as gone:
        with pytest.raises(CreditUnavailable, match="ConnectError"):
            await gone.available_credit(ADA, "EUR")


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await make_stocked_shop(database, 30)


async def message(database: Database, shop: Shop, credit: CompanyCredit | None, **environment: Any) -> str:
    """Order 2 units on an invoice; returns why it waits."""
    order = await ordered(database, shop, 2, **INVOICE, environment={"credit_check": credit, **environment})
    review = await review_of(database, order.id)
    assert review is not None
    assert order.status is OrderStatus.PENDING_APPROVAL
    [reason] = review.reasons
    assert reason.code is RuleKind.CREDIT_LIMIT
    return reason.message


async def test_an_invoice_within_the_credit_goes_through_and_above_it_waits(
    database: Database, shop: Shop, company: CompanySystem, credit: CompanyCredit
) -> None:
    await make_rule(database, shop, RuleKind.CREDIT_LIMIT)
    company.answers[ADA] = '{"available": "25.00", "currency": "USD"}'
    order = await ordered(database, shop, 2, **INVOICE, environment={"credit_check": credit})
    assert await reasons(database, order) == []
    company.answers[ADA] = '{"available": "24.99", "currency": "USD"}'
    assert await message(database, shop, credit) == "24.99 USD of credit are left, the total is 25.00"
    assert [asked["currency"] for asked in company.asked] == ["USD", "USD"]


async def test_what_a_gift_card_has_paid_is_not_held_against_the_credit(
    database: Database, shop: Shop, company: CompanySystem, credit: CompanyCredit
) -> None:
    await make_rule(database, shop, RuleKind.CREDIT_LIMIT, RuleAction.DECLINE)
    company.answers[ADA] = '{"available": "15.00", "currency": "USD"}'
    token = await make_ready_cart(database, shop, 2, billing=INVOICE["billing"])
    await apply_cards(database, token, await make_card(database, "10"))
    placed = await place(till(database, credit_check=credit), token, "manual", "invoice", "key")
    assert placed.order is not None
    assert placed.order.status is OrderStatus.OPEN


async def test_a_rule_that_declines_turns_the_invoice_down_and_gives_the_cart_back(
    database: Database, shop: Shop, company: CompanySystem, credit: CompanyCredit
) -> None:
    await make_rule(database, shop, RuleKind.CREDIT_LIMIT, RuleAction.DECLINE)
    company.answers[ADA] = '{"available": "-5", "currency": "USD"}'
    environment = {"credit_check": credit}
    assert await refusal(database, shop, 2, **INVOICE, environment=environment) == "risk_credit_limit"
    assert await levels(database, shop) == [(28, 2, 0)]
    assert await settle_due(later(database)) == 0, "it is voided"


async def test_what_is_not_known_waits_and_is_never_an_error(
    database: Database, shop: Shop, company: CompanySystem, credit: CompanyCredit
) -> None:
    await make_rule(database, shop, RuleKind.CREDIT_LIMIT, RuleAction.DECLINE)
    unknown = "how much credit is left is not known: "
    assert await message(database, shop, None) == f"{unknown}no system to ask is configured"
    customer = f"{unknown}the company's system does not know the customer"
    assert await message(database, shop, credit) == customer
    company.answers[ADA] = '{"available": "1000", "currency": "EUR"}'
    assert await message(database, shop, credit) == customer, "no amount in another currency is compared"
    company.answers[ADA] = 500
    silent = f"{unknown}the company's system did not answer"
    assert await message(database, shop, credit) == silent
    company.delay_seconds = 30
    assert await message(database, shop, credit, credit_check_seconds=0.05) == silent


async def test_nobody_is_asked_about_what_is_paid_at_once_or_by_no_company(
    database: Database, shop: Shop, company: CompanySystem, credit: CompanyCredit
) -> None:
    await ordered(database, shop, **INVOICE, environment={"credit_check": credit})
    await make_rule(database, shop, RuleKind.CREDIT_LIMIT, RuleAction.DECLINE)
    for given in ({"billing": COMPANY}, {**INVOICE, "billing": None}):
        order = await ordered(database, shop, **given, environment={"credit_check": credit})
        assert await reasons(database, order) == []
    assert company.asked == []
