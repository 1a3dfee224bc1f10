"""Each method of the sandbox does what its name says, on its record too; so do the people at its desk."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from app.cli import cli
from domain.kernel.money import Money
from domain.orders import OrderPaymentStatus
from domain.payments import PaymentStatus, TransactionKind
from domain.ports import DisputeState, Outcome, PaymentRequest, ProviderTimeout
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from providers.payments.sandbox_callbacks import callbacks
from providers.payments.sandbox_desk import SandboxDesk
from providers.payments.sandbox_methods import Faults
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.cart_flows import run_sql
from tests.checkouts import later, make_ready_cart, make_stocked_shop, till

TEN = Money(1000, "USD")


async def states(database: Database) -> list[tuple[str, str]]:
    return [(one.idempotency_key, one.state) for one in await charges(database.engine)]


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("decline", "card_declined"),
        ("decline_insufficient_funds", "insufficient_funds"),
        ("decline_expired_card", "expired_card"),
        ("decline_incorrect_cvc", "incorrect_cvc"),
        ("decline_stolen_card", "stolen_card"),
        ("decline_do_not_honor", "do_not_honor"),
    ],
)
async def test_a_card_is_declined_for_the_reason_its_method_names(
    database: Database, method: str, code: str
) -> None:
    sandbox = SandboxPayments(database.engine)
    answer = await sandbox.authorize("k", PaymentRequest(method, TEN))
    assert (answer.outcome, answer.decline_code) == (Outcome.DECLINED, code)
    assert await sandbox.find("k") == answer
    assert await states(database) == [("k", "DECLINED")]


async def test_a_request_that_is_lost_charges_nothing_however_often_it_is_sent(database: Database) -> None:
    sandbox = SandboxPayments(database.engine)
    for _ in range(2):
        with pytest.raises(ProviderTimeout):
            await sandbox.authorize("k", PaymentRequest("timeout_before", TEN))
        assert await sandbox.find("k") is None
    assert await states(database) == []


@pytest.mark.parametrize("method", ["timeout", "error_after"])
async def test_an_answer_that_does_not_come_leaves_a_charge_to_be_found(
    database: Database, method: str
) -> None:
    sandbox = SandboxPayments(database.engine)
    with pytest.raises(ProviderTimeout):
        await sandbox.authorize("k", PaymentRequest(method, TEN))
    found = await sandbox.find("k")
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED


async def test_risk_country_and_lapse_are_told_with_the_approval(database: Database) -> None:
    sandbox = SandboxPayments(database.engine)
    assert (await sandbox.authorize("k1", PaymentRequest("high_risk", TEN))).risk_score == 90
    assert (await sandbox.authorize("k2", PaymentRequest("foreign_card", TEN))).payer_country == "NZ"
    lapsing = await sandbox.authorize("k3", PaymentRequest("expiring", TEN))
    assert lapsing.expires_at is not None
    assert timedelta(seconds=50) < lapsing.expires_at - datetime.now(UTC) <= timedelta(seconds=60)
    plain = await sandbox.authorize("k4", PaymentRequest("ok", TEN))
    assert (plain.risk_score, plain.payer_country, plain.expires_at, plain.action) == (None,) * 4


async def test_what_has_lapsed_is_captured_no_more(database: Database) -> None:
    sandbox = SandboxPayments(database.engine)
    charge = (await sandbox.authorize("k", PaymentRequest("expiring", TEN))).reference
    assert (await sandbox.capture("c1", charge, Money(1, "USD"))).outcome is Outcome.SUCCEEDED
    await run_sql(database, "UPDATE sandbox_charges SET expires_at = now() - interval '1 second'")
    answer = await sandbox.capture("c2", charge, Money(1, "USD"))
    assert (answer.outcome, answer.decline_code) == (Outcome.DECLINED, "authorization_expired")
    assert await sandbox.find_change("c2", charge) == answer


async def test_a_charge_that_requires_the_shopper_waits_for_their_word(database: Database) -> None:
    sandbox, desk = SandboxPayments(database.engine), SandboxDesk(database.engine)
    asked = await sandbox.authorize("k1", PaymentRequest("action_required", TEN))
    assert asked.outcome is Outcome.ACTION_REQUIRED
    assert asked.action == {"type": "sandbox_confirm", "reference": asked.reference}
    assert (await sandbox.capture("c", asked.reference, TEN)).outcome is Outcome.DECLINED
    assert await desk.confirm(asked.reference) is not None
    assert await desk.confirm(asked.reference, agreed=False) is None
    found = await sandbox.find("k1")
    assert found is not None
    assert (found.outcome, found.action) == (Outcome.SUCCEEDED, None)

    refused = await sandbox.authorize("k2", PaymentRequest("action_required", TEN))
    await desk.confirm(refused.reference, agreed=False)
    found = await sandbox.find("k2")
    assert found is not None
    assert (found.outcome, found.decline_code) == (Outcome.DECLINED, "authentication_failed")

    given_up = await sandbox.authorize("k3", PaymentRequest("action_required", TEN))
    await sandbox.void("v", given_up.reference)
    assert await desk.confirm(given_up.reference) is None
    assert await states(database) == [("k1", "AUTHORIZED"), ("k2", "DECLINED"), ("k3", "VOIDED")]


async def test_an_order_is_placed_once_the_shopper_has_confirmed(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 1)
    placed = await place(till(database), token, "sandbox", "action_required", "key")
    assert (placed.order, placed.payment.status) == (None, PaymentStatus.ACTION_REQUIRED)
    (charge,) = await charges(database.engine)
    await SandboxDesk(database.engine).confirm(charge.reference)
    await settle_due(later(database))
    order = (await place(till(database), token, "sandbox", "action_required", "key")).order
    assert order is not None
    assert order.payment_status is OrderPaymentStatus.AUTHORIZED


async def test_a_request_that_hangs_ends_with_the_callers_patience_and_is_found(database: Database) -> None:
    sandbox = SandboxPayments(database.engine, faults=Faults(hang_after=1.0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await sandbox.authorize("k", PaymentRequest("ok", TEN))
    found = await sandbox.find("k")
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED


async def test_captures_and_refunds_of_ok_fail_as_requests_do_but_never_of_other_methods(
    database: Database,
) -> None:
    calm = SandboxPayments(database.engine)
    sandbox = SandboxPayments(database.engine, faults=Faults(error_after=1.0))
    charge = (await calm.authorize("k", PaymentRequest("ok", TEN))).reference
    with pytest.raises(ProviderTimeout):
        await sandbox.capture("c", charge, TEN)
    found = await sandbox.find_change("c", charge)
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED
    other = (await sandbox.authorize("k2", PaymentRequest("review", TEN))).reference
    assert (await sandbox.capture("c2", other, TEN)).outcome is Outcome.SUCCEEDED


async def test_each_movement_leaves_one_callback_however_often_it_is_asked_for(database: Database) -> None:
    sandbox, desk = SandboxPayments(database.engine), SandboxDesk(database.engine)
    charge = (await sandbox.authorize("k", PaymentRequest("ok", TEN))).reference
    for _ in range(2):
        await sandbox.authorize("k", PaymentRequest("ok", TEN))
        await sandbox.capture("c", charge, Money(700, "USD"))
        await sandbox.refund("r", charge, Money(800, "USD"))
    await desk.change(TransactionKind.REFUND, charge, Decimal(2))
    await desk.change(TransactionKind.CHARGEBACK, charge)
    for _ in range(2):
        await sandbox.void("v", charge)
    told = [
        (one.kind, one.outcome, one.amount_minor, one.idempotency_key, one.decline_code)
        for one in await callbacks(database.engine)
    ]
    assert told == [
        ("AUTHORIZATION", "SUCCEEDED", 1000, "k", None),
        ("CAPTURE", "SUCCEEDED", 700, "c", None),
        ("REFUND", "DECLINED", 800, "r", "amount_too_large"),
        ("REFUND", "SUCCEEDED", 200, None, None),
        ("CHARGEBACK", "SUCCEEDED", 500, None, None),
        ("VOID", "SUCCEEDED", 1000, "v", None),
    ]
    (record,) = await charges(database.engine)
    assert (record.captured_minor, record.refunded_minor, record.charged_back_minor) == (700, 200, 500)


async def test_the_desk_can_be_worked_at_from_the_command_line(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = (
        await SandboxPayments(database.engine).authorize("k", PaymentRequest("action_required", TEN))
    ).reference
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", "x" * 32)

    async def run(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, cli, ["sandbox", *words])
        return result.exit_code, result.output

    assert await run("confirm", charge) == (0, f"{charge}\tAUTHORIZED\taction_required\t10.00 USD\n")
    assert (await run("confirm", charge))[0] == 2
    assert (await run("capture", charge, "7.50"))[1].endswith("\tSUCCEEDED\t7.50 USD\t\n")
    assert (await run("refund", charge, "2.50"))[0] == 0
    assert (await run("refund", charge, "2.505"))[0] == 2
    assert (await run("refund", charge, "much"))[0] == 2
    assert (await run("refund", charge, "99"))[0] == 1
    assert (await run("dispute", charge, "--won"))[0] == 2
    assert (await run("chargeback", charge))[1].endswith("\tSUCCEEDED\t5.00 USD\t\n")
    assert await run("dispute", charge, "--lost") == (0, f"{charge}\tLOST\n")
    record = await SandboxPayments(database.engine).record_of(charge)
    assert record is not None
    assert (record.disputed_minor, record.dispute) == (500, DisputeState.LOST)
    assert await run("capture", "sbx_nothing") == (2, "ordertide: there is no charge sbx_nothing\n")
    lines = [json.loads(line) for line in (await run("callbacks", "--json"))[1].splitlines()]
    assert [one["kind"] for one in lines] == [
        "AUTHORIZATION",
        "AUTHORIZATION",
        "CAPTURE",
        "REFUND",
        "REFUND",
        "CHARGEBACK",
    ]
    assert (await run("callbacks"))[1].count("1 to be sent") == 6
