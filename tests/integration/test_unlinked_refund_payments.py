"""Refunds without an order that a provider pays: once, whatever it answers and whoever dies."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.kernel.money import Money
from domain.ports import Outcome, ProviderAnswer, UnreferencedRefunds
from domain.return_receipts import Look
from domain.returns import Disposition, Grade
from domain.unlinked_refunds import (
    RefundPaymentStatus,
    UnlinkedRefund,
    UnlinkedRefundMethod,
    UnlinkedRefundStatus,
)
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from providers.payments.sandbox_callbacks import callbacks
from providers.payments.sandbox_methods import Faults
from providers.payments.stripe import StripePayments
from services import reconciliation, unlinked_refund_payments, unlinked_refunds
from services.access import SYSTEM
from tests import books
from tests.callbacks import apply_all, hooked, send
from tests.cart_flows import run_sql
from tests.checkouts import events, later
from tests.factories import make_location, make_product, variant_draft
from tests.mortal import Death, Died, Mortal
from tests.payments import Refuses, Silent, Unreachable
from tests.statements import count_statements
from tests.unlinked import LEAD, act, ask, check_books, decide, open_till, pay, pay_to

STATUS, ASKED = UnlinkedRefundStatus, RefundPaymentStatus
STORE_CREDIT = UnlinkedRefundMethod.STORE_CREDIT
WHOLE_LIFE = [
    "UnlinkedRefundRequested", "UnlinkedRefundApproved", "UnlinkedRefundReceived", "UnlinkedRefundInspected",
    "UnlinkedRefundPaymentRequested", "UnlinkedRefundPaid",
]  # fmt: skip

Step = Callable[[Database], Awaitable[Any]]


async def test_a_refund_ends_the_same_whichever_commit_its_process_dies_at(database: Database) -> None:
    await open_till(database)
    place = await make_location(database)
    await make_product(database, variant_draft(sku="FAIR-MUG"))
    lives = 0
    for when in Death:
        for dies_at in range(1, len(WHOLE_LIFE) + 2):
            process, key = Mortal(database, dies_at, when), f"{when.value} {dies_at}"
            for step in _steps(database, place.code, key):
                await _take(database, step, process)
            await _sweep(database)
            # The last of them lives on: there are no more commits than those.
            assert process.is_dead == (dies_at <= len(WHOLE_LIFE)), key
            found, lives = await _of(database, key), lives + 1
            assert (found.status, found.paid_minor) == (STATUS.PAID, 2000), key
            assert [one.status for one in found.payments] == [ASKED.SUCCEEDED], key
            assert [kind for kind, _ in await events(database, found.id)] == WHOLE_LIFE, key

    assert await _given_out(database) == [("SUCCEEDED", 2000)] * lives
    assert books.left(await books.lines(database)) == {
        "REFUND": 2000 * lives,
        "PROVIDER_CLEARING:sandbox": -2000 * lives,
    }
    (stock,) = await run_sql(database, "SELECT available, quality_control FROM stock_levels")
    assert tuple(stock) == (2 * lives, 0)
    await check_books(database)


async def test_what_got_no_answer_is_found_out_and_nobody_pays_it_meanwhile(database: Database) -> None:
    made = await _approved(database)
    silent = {"sandbox": Silent(database.engine)}

    waits = await pay_to(act(database, payment_providers=silent), made, key="once")
    again = await pay_to(act(database, payment_providers=silent), made, key="once")

    assert (waits.status, again.id, again.status) == (STATUS.PAYING, made.id, STATUS.PAYING)
    for other in (pay(act(database), made), decide(act(database), made, STATUS.CANCELED)):
        with pytest.raises(IllegalTransition):
            await other
    assert await unlinked_refund_payments.settle_due(act(database, SYSTEM)) == 0
    await asyncio.gather(*(unlinked_refund_payments.settle_due(later(database, 1, SYSTEM)) for _ in range(4)))
    assert (await _now(database, made)).status is STATUS.PAID
    assert await _given_out(database) == [("SUCCEEDED", 1000)]
    # Whereto it went is not kept.
    assert (
        await run_sql(database, "SELECT id FROM unlinked_refund_payments WHERE destination IS NOT NULL") == []
    )
    await check_books(database)


async def test_what_never_arrived_is_sent_again_under_the_same_key(database: Database) -> None:
    made = await _approved(database)
    lost = {"sandbox": Unreachable(database.engine)}

    assert (await pay_to(act(database, payment_providers=lost), made)).status is STATUS.PAYING
    await unlinked_refund_payments.settle_due(later(database, 1, SYSTEM, payment_providers=lost))
    # Its provider is taken from the settings: nothing is forgotten, and nothing paid otherwise.
    await unlinked_refund_payments.settle_due(later(database, 2, SYSTEM, payment_providers={}))
    assert (await _now(database, made)).status is STATUS.PAYING
    other = await _approved(database)
    await pay_to(act(database, payment_providers=lost), other)
    await unlinked_refund_payments.settle_due(later(database, 3, SYSTEM))

    assert (await _now(database, made)).status is STATUS.PAID
    assert await _given_out(database) == [("SUCCEEDED", 1000)] * 2


async def test_what_has_not_arrived_for_a_day_is_given_up_and_may_be_paid_otherwise(
    database: Database,
) -> None:
    made = await _approved(database)
    lost = {"sandbox": Unreachable(database.engine)}
    await pay_to(act(database, payment_providers=lost), made)
    await unlinked_refund_payments.settle_due(later(database, 23, SYSTEM, payment_providers=lost))
    assert (await _now(database, made)).status is STATUS.PAYING
    # By now it could be sent; but who waited for a day may have been paid otherwise.
    await unlinked_refund_payments.settle_due(later(database, 25, SYSTEM))
    given_up = await _now(database, made)
    assert (given_up.status, given_up.payments[0].decline_code) == (STATUS.APPROVED, "never_arrived")
    assert await _given_out(database) == []


async def test_one_that_hangs_is_waited_for_no_longer_than_a_provider_may_take(database: Database) -> None:
    made = await _approved(database)
    hangs = SandboxPayments(database.engine, faults=Faults(hang_after=1.0))
    limits = {"payment_providers": {"sandbox": hangs}, "payment_time_limit_seconds": 0.05}
    assert (await pay_to(act(database, **limits), made)).status is STATUS.PAYING
    await unlinked_refund_payments.settle_due(later(database, 1, SYSTEM, **limits))
    assert (await _now(database, made)).status is STATUS.PAID
    assert await _given_out(database) == [("SUCCEEDED", 1000)]


async def test_one_that_is_refused_as_done_already_is_what_is_on_record(database: Database) -> None:
    class SaysDone(Refuses):
        async def refund_unreferenced(self, key: str, destination: str, amount: Money) -> ProviderAnswer:
            await super().refund_unreferenced(key, destination, amount)
            return ProviderAnswer(
                Outcome.DECLINED, f"no-{key}", amount.amount_minor, decline_code="already_refunded"
            )

    class Lies(SaysDone):
        async def find_unreferenced(self, key: str) -> ProviderAnswer | None:
            return None

    made, other = await _approved(database), await _approved(database)
    done = await pay_to(act(database, payment_providers={"sandbox": SaysDone(database.engine)}), made)
    assert (done.status, done.payments[0].status) == (STATUS.PAID, ASKED.SUCCEEDED)
    # Without a record of it there is nothing to believe: staff see the code.
    refused = await pay_to(act(database, payment_providers={"sandbox": Lies(database.engine)}), other)
    assert (refused.status, refused.payments[0].decline_code) == (STATUS.APPROVED, "already_refunded")


async def test_a_refused_one_is_asked_for_anew_or_paid_otherwise(database: Database) -> None:
    made = await _approved(database)

    for destination, code in (("decline_stolen_card", "stolen_card"), ("nobody", "unknown_destination")):
        refused = await pay_to(act(database), made, destination)
        assert (refused.status, refused.method) == (STATUS.APPROVED, None)
        assert (refused.payments[-1].status, refused.payments[-1].decline_code) == (ASKED.FAILED, code)
    with count_statements(database) as paying:
        done = await pay_to(act(database), made)

    assert (done.status, done.method, len(done.payments)) == (STATUS.PAID, UnlinkedRefundMethod.PROVIDER, 3)
    assert done.payment_reference == done.payments[-1].reference
    assert await _given_out(database) == [("DECLINED", 1000), ("DECLINED", 1000), ("SUCCEEDED", 1000)]
    ours = [sent for sent in paying if "sandbox_" not in sent]
    assert len(ours) == 17, ours
    other = await _approved(database)
    await pay_to(act(database), other, "decline")
    assert (await pay(act(database), other, STORE_CREDIT, None)).paid_minor == 1000
    await check_books(database)


async def test_of_many_at_once_one_asks_the_provider(database: Database) -> None:
    made = await _approved(database)
    answers = await asyncio.gather(
        *(pay_to(act(database), made) for _ in range(8)), pay(act(database), made), return_exceptions=True
    )
    assert sum(isinstance(one, UnlinkedRefund) for one in answers) == 1
    assert {type(one) for one in answers} == {UnlinkedRefund, IllegalTransition}
    by_provider = (await _now(database, made)).method is UnlinkedRefundMethod.PROVIDER
    assert await _given_out(database) == [("SUCCEEDED", 1000)] * by_provider
    await check_books(database)


async def test_what_the_provider_tells_by_itself_makes_the_sweep_ask_at_once(database: Database) -> None:
    made = await _approved(database)
    await pay_to(act(database, payment_providers={"sandbox": Silent(database.engine)}), made)
    (told,) = await callbacks(database.engine)

    async with hooked(database) as client:
        assert (await send(client, told)).status_code == 200
        assert await apply_all(database) == {"RECEIVED": 1}
        # Not an hour later.
        assert await unlinked_refund_payments.settle_due(act(database, SYSTEM)) == 1
        assert (await _now(database, made)).status is STATUS.PAID
        assert await apply_all(database) == {"APPLIED": 1}
        # The same again, and what contradicts it.
        assert (await send(client, told)).status_code == 200
        assert await apply_all(database) == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outcome": "SUCCEEDED", "decline_code": None}, "contradicts_record"),
        ({"amount_minor": 1001}, "amount_mismatch"),
        ({"currency": "EUR"}, "currency_mismatch"),
        ({"kind": "CAPTURE"}, "contradicts_record"),
    ],
    ids=str,
)
async def test_what_contradicts_the_record_waits_for_a_person(
    database: Database, changes: dict[str, Any], reason: str
) -> None:
    made = await _approved(database)
    await pay_to(act(database), made, "decline")
    (told,) = await callbacks(database.engine)
    async with hooked(database) as client:
        await send(client, replace(told, **changes))
    assert await apply_all(database) == {"SET_ASIDE": 1}
    (row,) = await run_sql(database, "SELECT reason FROM payment_callbacks")
    assert row.reason == reason
    assert [kind for kind, _ in await events(database, made.id)][-1] == "PaymentCallbackSetAside"
    assert (await _now(database, made)).status is STATUS.APPROVED


async def test_an_answer_of_another_amount_is_not_believed(database: Database) -> None:
    class Generous(SandboxPayments):
        async def refund_unreferenced(self, key: str, destination: str, amount: Money) -> ProviderAnswer:
            answer = await super().refund_unreferenced(key, destination, amount)
            return ProviderAnswer(Outcome.SUCCEEDED, answer.reference, answer.amount_minor + 1)

    made = await _approved(database)
    found = await pay_to(act(database, payment_providers={"sandbox": Generous(database.engine)}), made)
    assert (found.status, found.paid_minor) == (STATUS.PAYING, 0)
    assert await books.lines(database) == []


async def test_the_providers_report_is_compared_with_it(database: Database) -> None:
    made = await _approved(database)
    await pay_to(act(database), made)
    day, context = datetime.now(UTC).date(), later(database, 48, SYSTEM)

    same = await reconciliation.reconcile(context, "sandbox", day)
    assert (same.transaction_count, same.line_count, same.differences) == (1, 1, [])
    await run_sql(database, "UPDATE sandbox_changes SET amount_minor = 999 RETURNING reference")
    (other,) = (await reconciliation.reconcile(context, "sandbox", day)).differences
    assert other.difference.ours == Money(1000, "USD")
    assert other.difference.theirs == Money(999, "USD")


async def test_only_who_can_is_asked_and_never_with_a_card_number(database: Database) -> None:
    made = await _approved(database)
    clerk = act(database)
    assert unlinked_refund_payments.providers(clerk) == ["sandbox"]
    # It refunds its own payments alone.
    assert not isinstance(StripePayments("sk_test_1"), UnreferencedRefunds)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"provider": "manual"}, "provider"),
        ({"provider": "nobody"}, "provider"),
        ({"destination": "4242 4242 4242 4242"}, "destination"),
        ({"destination": ""}, "destination"),
    )
    for changes, field in wrong:
        with pytest.raises(InvalidInput) as refused:
            await pay_to(clerk, made, **changes)
        assert refused.value.path == (field,), changes
    with pytest.raises(InvalidInput) as refused:
        await unlinked_refund_payments.pay(clerk, made.id, STORE_CREDIT, None, None, "k", destination="ok")
    assert refused.value.path == ("destination",)
    assert await _given_out(database) == []


def _steps(database: Database, place: str, key: str) -> Sequence[Step]:
    """Return all steps of a refund of two units that come in, each with a key of its own."""

    def on(process: Database, actor: Any = LEAD) -> Any:
        # The provider keeps its record whoever dies.
        return act(process, actor, payment_providers={"sandbox": SandboxPayments(database.engine)})

    async def request(process: Database) -> None:
        await ask(act(process), "10.00", quantity=2, sku="FAIR-MUG", keeps=False, key=key)

    async def approve(process: Database) -> None:
        await decide(on(process), await _of(database, key))

    async def receive(process: Database) -> None:
        found = await _of(database, key)
        units = {found.lines[0].id: 2}
        await unlinked_refunds.receive(on(process), found.id, place, units, None, key)

    async def inspect(process: Database) -> None:
        found = await _of(database, key)
        looks = [Look(found.lines[0].id, 2, Disposition.RESTOCKED, Grade.AS_NEW)]
        await unlinked_refunds.inspect(on(process), found.id, looks, None, key)

    async def give(process: Database) -> None:
        await pay_to(on(process), await _of(database, key), key=key)

    return request, approve, receive, inspect, give


async def _take(database: Database, step: Step, process: Mortal) -> None:
    """Take a step; when the process dies the sweep runs, and who had no answer asks another process."""
    if process.is_dead:
        await step(database)
        return
    try:
        await step(process)
    except Died:
        await _sweep(database)
        await step(database)


async def _sweep(database: Database) -> None:
    await unlinked_refund_payments.settle_due(later(database, 1, SYSTEM))


async def _approved(database: Database) -> UnlinkedRefund:
    """Return a refund of 10.00 that is to be paid."""
    if not await run_sql(database, "SELECT id FROM channels"):
        await open_till(database)
    made = await ask(act(database), "10.00")
    return await decide(act(database, LEAD), made)


async def _of(database: Database, key: str) -> UnlinkedRefund:
    found = await unlinked_refunds.page(act(database), 100, None, None, None)
    return next(one for one in found if one.evidence.document_reference == f"receipt {key}")


async def _now(database: Database, made: UnlinkedRefund) -> UnlinkedRefund:
    found = await unlinked_refunds.find(act(database), made.id)
    assert found is not None
    return found


async def _given_out(database: Database) -> list[tuple[str, int]]:
    """Return what the sandbox has on record, oldest first."""
    rows = await run_sql(database, "SELECT state, amount_minor FROM sandbox_changes ORDER BY created_at")
    return [(row.state, row.amount_minor) for row in rows]
