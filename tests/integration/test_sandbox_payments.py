"""The payment providers that come with the product, against a real database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from app.cli import cli
from domain.kernel.money import Money
from domain.ports import Outcome, PaymentProvider, PaymentRequest, ProviderTimeout
from persistence.database import Database
from providers.payments.manual import ManualPayments
from providers.payments.sandbox import SandboxPayments, charges

TEN = Money(1000, "USD")


async def test_the_methods_are_the_answers(database: Database) -> None:
    sandbox: PaymentProvider = SandboxPayments(database.engine)
    assert sandbox.methods >= {"ok", "decline", "timeout", "review"}
    ok = await sandbox.authorize("k1", PaymentRequest("ok", TEN))
    assert (ok.outcome, ok.amount_minor, ok.needs_review) == (Outcome.SUCCEEDED, 1000, False)
    declined = await sandbox.authorize("k2", PaymentRequest("decline", TEN))
    assert (declined.outcome, declined.decline_code) == (Outcome.DECLINED, "card_declined")
    assert (await sandbox.authorize("k3", PaymentRequest("review", TEN))).needs_review
    with pytest.raises(ProviderTimeout):
        await sandbox.authorize("k4", PaymentRequest("timeout", TEN))
    found = await sandbox.find("k4")
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED
    assert await sandbox.find("never sent") is None
    assert [(c.idempotency_key, c.state) for c in await charges(database.engine)] == [
        ("k1", "AUTHORIZED"),
        ("k2", "DECLINED"),
        ("k3", "AUTHORIZED"),
        ("k4", "AUTHORIZED"),
    ]


async def test_asking_twice_does_it_once(database: Database) -> None:
    sandbox = SandboxPayments(database.engine)
    first = await sandbox.authorize("k", PaymentRequest("ok", TEN))
    assert await sandbox.authorize("k", PaymentRequest("ok", TEN)) == first
    for _ in range(2):
        assert (await sandbox.void("v", first.reference)).outcome is Outcome.SUCCEEDED
    assert [c.state for c in await charges(database.engine)] == ["VOIDED"]
    assert (await sandbox.void("v", "sbx_nothing")).outcome is Outcome.DECLINED


async def test_no_more_is_captured_than_reserved_nor_refunded_than_captured(database: Database) -> None:
    sandbox: PaymentProvider = SandboxPayments(database.engine)
    charge = (await sandbox.authorize("k", PaymentRequest("ok", TEN))).reference
    too_early = await sandbox.refund("r0", charge, Money(1, "USD"))
    assert (too_early.outcome, too_early.decline_code) == (Outcome.DECLINED, "amount_too_large")
    first = await sandbox.capture("c1", charge, Money(600, "USD"))
    assert (first.outcome, first.amount_minor, first.currency) == (Outcome.SUCCEEDED, 600, "USD")
    assert await sandbox.capture("c1", charge, Money(600, "USD")) == first
    assert await sandbox.find_change("c1", charge) == first
    assert await sandbox.find_change("never sent", charge) is None
    assert (await sandbox.capture("c2", charge, Money(401, "USD"))).outcome is Outcome.DECLINED
    assert (await sandbox.capture("c3", charge, Money(400, "EUR"))).outcome is Outcome.DECLINED
    assert (await sandbox.capture("c4", charge, Money(400, "USD"))).outcome is Outcome.SUCCEEDED
    refunds = await asyncio.gather(*(sandbox.refund(f"r{n}", charge, TEN) for n in range(1, 9)))
    assert sorted(one.outcome for one in refunds) == ["DECLINED"] * 7 + ["SUCCEEDED"]
    (record,) = await charges(database.engine)
    assert (record.captured_minor, record.refunded_minor) == (1000, 1000)
    assert (await sandbox.capture("c5", "sbx_nothing", TEN)).decline_code == "unknown_charge"


async def test_a_database_that_is_away_is_an_answer_that_never_came() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(ProviderTimeout):
        await SandboxPayments(away.engine).authorize("k", PaymentRequest("ok", TEN))
    await away.close()


async def test_paying_later_reserves_nothing() -> None:
    manual: PaymentProvider = ManualPayments()
    answer = await manual.authorize("k", PaymentRequest("invoice", TEN))
    assert (answer.outcome, answer.amount_minor) == (Outcome.DEFERRED, 0)
    assert await manual.find("k") == answer
    assert (await manual.void("v", answer.reference)).outcome is Outcome.SUCCEEDED


async def test_the_record_can_be_read_from_the_command_line(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await SandboxPayments(database.engine).authorize("k", PaymentRequest("ok", TEN))
    monkeypatch.setenv("ORDERTIDE_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDERTIDE_SECRET_KEY", "x" * 32)
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["sandbox", "charges", "--json"])
    (charge,) = [json.loads(line) for line in result.output.splitlines()]
    assert (charge["idempotency_key"], charge["state"], charge["amount_minor"]) == ("k", "AUTHORIZED", 1000)
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["sandbox", "charges"])
    assert result.output.endswith("\tAUTHORIZED\tok\t10.00 USD\n")
