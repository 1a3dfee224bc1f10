"""Payments that nobody decides: given up in the end, voided, and their carts open again."""

import asyncio
from dataclasses import replace

import pytest

from domain.kernel.errors import PaymentDeclined
from domain.payments import PaymentStatus
from domain.ports import Outcome, PaymentProviders, PaymentRequest, ProviderAnswer, ProviderTimeout
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services.context import ServiceContext
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import cart_status, later, levels, make_ready_cart, make_stocked_shop, till


class AsksTheShopper(SandboxPayments):
    """The real sandbox, which waits for something that the shopper never does."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        return _asking(await super().authorize(key, request))

    async def find(self, key: str) -> ProviderAnswer | None:
        found = await super().find(key)
        return None if found is None else _asking(found)


class Silent(SandboxPayments):
    """The real sandbox, whose answers are all lost."""

    async def find(self, key: str) -> ProviderAnswer | None:
        raise ProviderTimeout


class DiesBefore(SandboxPayments):
    """The real sandbox, in a process that dies before the request leaves it."""

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        raise asyncio.CancelledError


async def test_nobody_is_charged_long_after_a_request_that_never_arrived(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    crashing = till(database, payment_providers={"sandbox": DiesBefore(database.engine)})
    with pytest.raises(asyncio.CancelledError):
        await place(crashing, token, "sandbox", "timeout", "key")
    assert await settle_due(later(database, hours=2)) == 1
    assert await charges(database.engine) == []
    assert await cart_status(database, token) == "ACTIVE"
    await _is_declined(database, token, "never_arrived")
    (payment,) = await run_sql(database, "SELECT status FROM payments")
    assert payment.status == "FAILED"
    assert await settle_due(later(database, hours=49)) == 0
    assert await levels(database, shop) == [(3, 2, 0)]


async def test_what_the_shopper_never_confirms_is_voided_in_the_end(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    providers = {"sandbox": AsksTheShopper(database.engine)}
    waiting = await place(till(database, payment_providers=providers), token, "sandbox", "ok", "key")
    assert waiting.payment.status is PaymentStatus.ACTION_REQUIRED
    await settle_due(_with(later(database, hours=23), providers))
    assert await cart_status(database, token) == "CHECKOUT"
    await settle_due(_with(later(database, hours=25), providers))
    assert await cart_status(database, token) == "ACTIVE"
    await _is_declined(database, token, "no_action_in_time")
    assert await _last_cart_event(database) == "CartPaymentExpired"
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED"]
    assert await settle_due(_with(later(database, hours=25), providers)) == 1
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED"]
    assert await settle_due(_with(later(database, hours=25), providers)) == 0
    assert (await place(till(database), token, "sandbox", "ok", "another key")).order is not None
    assert await levels(database, shop) == [(3, 0, 2)]


async def test_what_was_approved_in_silence_is_voided_once_the_provider_speaks(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    silent = {"sandbox": Silent(database.engine)}
    await place(till(database), token, "sandbox", "timeout", "key")
    await settle_due(_with(later(database, hours=25), silent))
    assert await cart_status(database, token) == "ACTIVE"
    await _is_declined(database, token, "no_answer_in_time")
    assert await settle_due(_with(later(database, hours=25), silent)) == 1
    assert [charge.state for charge in await charges(database.engine)] == ["AUTHORIZED"]
    assert await settle_due(later(database, hours=26)) == 1
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED"]
    (payment,) = await run_sql(database, "SELECT status FROM payments")
    assert payment.status == "FAILED"


async def test_an_answer_to_the_last_question_still_counts(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await settle_due(later(database, hours=25))
    assert (await place(till(database), token, "sandbox", "timeout", "key")).order is not None


async def test_a_provider_that_was_taken_away_closes_no_cart_for_ever(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    await place(till(database), token, "sandbox", "timeout", "key")
    await settle_due(_with(later(database, hours=23), {}))
    assert await cart_status(database, token) == "CHECKOUT"
    await settle_due(_with(later(database, hours=25), {}))
    assert await cart_status(database, token) == "ACTIVE"
    await _is_declined(database, token, "provider_missing")
    (request,) = await run_sql(database, "SELECT status, decline_code FROM payment_transactions")
    assert (request.status, request.decline_code) == ("FAILED", "provider_missing")
    assert await settle_due(_with(later(database, hours=49), {})) == 0


async def _is_declined(database: Database, token: str, code: str) -> None:
    method = "ok" if code == "no_action_in_time" else "timeout"
    with pytest.raises(PaymentDeclined) as caught:
        await place(till(database), token, "sandbox", method, "key")
    assert caught.value.decline_code == code


async def _last_cart_event(database: Database) -> str:
    statement = "SELECT kind FROM event_outbox WHERE aggregate = 'cart' ORDER BY id DESC LIMIT 1"
    return str((await run_sql(database, statement))[0].kind)


def _with(context: ServiceContext, providers: PaymentProviders) -> ServiceContext:
    return replace(context, environment=replace(context.environment, payment_providers=providers))


def _asking(answer: ProviderAnswer) -> ProviderAnswer:
    return replace(answer, outcome=Outcome.ACTION_REQUIRED)
