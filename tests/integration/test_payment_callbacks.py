"""What providers tell: applied to the payment it is about, or set aside for a person, never both."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from domain.kernel.money import Amount, Money
from domain.payment_callbacks import key_of
from domain.payments import TransactionKind
from domain.ports import Outcome
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from providers.payments.sandbox_desk import SandboxDesk
from providers.payments.sandbox_methods import Faults
from services import payment_callbacks, payment_changes
from services.access import Permission
from services.order_placement import place
from services.payment_sweep import settle_due
from tests.callbacks import PaidOrder, SilentSandbox, apply_all, order_authorized, receive, told
from tests.cart_flows import ERRORS, run_sql
from tests.checkouts import events, later, make_ready_cart, make_stocked_shop, till
from tests.factories import data_of, execute, make_app, make_context
from tests.statements import count_statements

CAPTURE, REFUND = TransactionKind.CAPTURE, TransactionKind.REFUND
CHARGEBACK, VOID = TransactionKind.CHARGEBACK, TransactionKind.VOID
AUTHORIZATION = TransactionKind.AUTHORIZATION


async def make_order(database: Database) -> PaidOrder:
    return await order_authorized(database, await make_stocked_shop(database, 9))


async def payment(database: Database, order: PaidOrder) -> tuple[Any, ...]:
    (row,) = await run_sql(
        database,
        "SELECT status, captured_minor, refunded_minor, charged_back_minor FROM payments WHERE id = :id",
        id=order.payment_id,
    )
    return tuple(row)


async def became(database: Database) -> list[tuple[str, str | None]]:
    rows = await run_sql(database, "SELECT state, reason FROM payment_callbacks ORDER BY received_at, id")
    return [(row.state, row.reason) for row in rows]


async def test_what_was_done_in_the_dashboard_and_by_the_bank_is_recorded(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, CAPTURE, 1500))
    assert await apply_all(database) == {"APPLIED": 1}
    assert await payment(database, order) == ("CAPTURED", 1500, 0, 0)
    await receive(database, told(order, REFUND, 300), told(order, CHARGEBACK, 700))
    assert await apply_all(database) == {"APPLIED": 2}
    assert await payment(database, order) == ("PARTIALLY_REFUNDED", 1500, 300, 700)
    kinds = [kind for kind, _ in await events(database, order.order_id)]
    assert kinds[1] == "PaymentCaptured"
    assert sorted(kinds[2:]) == ["PaymentChargedBack", "PaymentRefunded"]


async def test_a_fact_told_twice_and_by_two_events_is_recorded_once(database: Database) -> None:
    order = await make_order(database)
    once = told(order, CAPTURE, 500)
    other = told(order, CAPTURE, 500, change_reference=once.change_reference)
    assert await receive(database, once, other) == 2
    assert await receive(database, once) == 0
    await asyncio.gather(apply_all(database), apply_all(database))
    assert await payment(database, order) == ("PARTIALLY_CAPTURED", 500, 0, 0)
    assert await became(database) == [("APPLIED", None), ("APPLIED", None)]


async def test_a_refund_that_arrives_before_its_capture_waits_for_it(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, REFUND, 1000))
    assert await apply_all(database) == {"RECEIVED": 1}
    await receive(database, told(order, CAPTURE, 1500))
    await payment_callbacks.apply_due(till(database))
    # The capture has made it due at once.
    await payment_callbacks.apply_due(till(database))
    assert await payment(database, order) == ("PARTIALLY_REFUNDED", 1500, 1000, 0)


@pytest.mark.parametrize(
    ("kind", "amount", "reason"),
    [
        (CAPTURE, Money(1500, "EUR"), "currency_mismatch"),
        (REFUND, Money(500, "EUR"), "currency_mismatch"),
        (AUTHORIZATION, Money(1499, "USD"), "amount_mismatch"),
        (AUTHORIZATION, Money(1500, "EUR"), "currency_mismatch"),
        (CAPTURE, Money(0, "USD"), "amount_mismatch"),
    ],
    ids=str,
)
async def test_a_wrong_amount_or_currency_is_set_aside_at_once_and_staff_are_told(
    database: Database, kind: TransactionKind, amount: Money, reason: str
) -> None:
    order = await make_order(database)
    await receive(database, told(order, kind, 1, amount=amount))
    assert await apply_all(database) == {"SET_ASIDE": 1}
    assert await became(database) == [("SET_ASIDE", reason)]
    assert await payment(database, order) == ("AUTHORIZED", 0, 0, 0)
    assert await events(database, order.order_id) == [("OrderPlaced", 1), ("PaymentCallbackSetAside", 1)]


async def test_a_fact_about_our_own_request_with_another_amount_is_set_aside(database: Database) -> None:
    order = await make_order(database)
    changed = await payment_changes.capture(
        make_context_with_sandbox(database), order.payment_id, Amount(Money(600, "USD").amount, "USD"), "k"
    )
    (capture,) = changed.transactions
    by_key = told(order, CAPTURE, 601, key=key_of(capture.id))
    by_name = told(order, CAPTURE, 599, change_reference=capture.reference)
    right = told(order, CAPTURE, 600, key=key_of(capture.id), change_reference=capture.reference)
    await receive(database, by_key, by_name, right)
    assert await apply_all(database) == {"SET_ASIDE": 2, "APPLIED": 1}
    assert await payment(database, order) == ("PARTIALLY_CAPTURED", 600, 0, 0)


def make_context_with_sandbox(database: Database, **faults: float) -> Any:
    sandbox = SandboxPayments(database.engine, faults=Faults(**faults))
    return make_context(database, payment_providers={"sandbox": sandbox})


async def test_what_does_not_fit_waits_and_is_set_aside_after_the_grace_period(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, CAPTURE, 1501), told(order, REFUND, 1))
    assert await apply_all(database) == {"RECEIVED": 2}
    assert await apply_all(database, later(database)) == {"SET_ASIDE": 2}
    assert await became(database) == [("SET_ASIDE", "more_than_fits")] * 2
    assert await payment(database, order) == ("AUTHORIZED", 0, 0, 0)


async def test_a_payment_nobody_knows_is_waited_for_and_then_set_aside(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, CAPTURE, 100, reference="sbx_of_somebody_else"))
    assert await apply_all(database) == {"RECEIVED": 1}
    assert await apply_all(database, later(database)) == {"SET_ASIDE": 1}
    assert await became(database) == [("SET_ASIDE", "unknown_payment")]


async def test_a_provider_cannot_tell_of_another_providers_payment(database: Database) -> None:
    order = await make_order(database)
    (asked,) = await run_sql(database, "SELECT id FROM payment_transactions")
    await run_sql(database, "UPDATE payments SET provider = 'another'")
    await receive(database, told(order, CAPTURE, 100), told(order, REFUND, 100, key=key_of(asked.id)))
    assert await apply_all(database, later(database)) == {"SET_ASIDE": 2}
    assert await became(database) == [("SET_ASIDE", "unknown_payment")] * 2


async def test_an_authorization_told_while_its_answer_is_missing_makes_the_sweep_ask_at_once(
    database: Database,
) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 1)
    await place(till(database), token, "sandbox", "timeout", "key")
    (charge,) = await charges(database.engine)
    order = PaidOrder(uuid4(), uuid4(), charge.reference, 1500)
    assert await settle_due(till(database)) == 0
    await receive(database, told(order, AUTHORIZATION, 1500, key=charge.idempotency_key))
    assert await apply_all(database) == {"RECEIVED": 1}
    assert await settle_due(till(database)) == 1
    assert (await place(till(database), token, "sandbox", "timeout", "key")).order is not None
    assert await apply_all(database) == {"APPLIED": 1}


async def test_an_authorization_of_another_amount_does_not_even_make_us_ask(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 1)
    await place(till(database), token, "sandbox", "timeout", "key")
    (charge,) = await charges(database.engine)
    order = PaidOrder(uuid4(), uuid4(), charge.reference, 1500)
    await receive(database, told(order, AUTHORIZATION, 2500, key=charge.idempotency_key))
    assert await apply_all(database) == {"SET_ASIDE": 1}
    assert await settle_due(till(database)) == 0


async def test_the_shoppers_confirmation_places_the_order_at_once(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 1)
    await place(till(database), token, "sandbox", "action_required", "key")
    (charge,) = await charges(database.engine)
    order = PaidOrder(uuid4(), uuid4(), charge.reference, 1500)
    asks = told(order, AUTHORIZATION, 1500, outcome=Outcome.ACTION_REQUIRED, key=charge.idempotency_key)
    await receive(database, asks)
    assert await apply_all(database) == {"APPLIED": 1}
    await SandboxDesk(database.engine).confirm(charge.reference)
    await receive(database, told(order, AUTHORIZATION, 1500, key=charge.idempotency_key))
    await apply_all(database)
    assert await settle_due(till(database)) == 1
    assert (await place(till(database), token, "sandbox", "action_required", "key")).order is not None
    assert await apply_all(database) == {"APPLIED": 1}


@pytest.mark.parametrize("keeps_keys", [True, False], ids=["names our key", "names no key"])
async def test_a_capture_of_ours_that_is_told_before_its_answer_counts_once(
    database: Database, keeps_keys: bool
) -> None:
    order = await make_order(database)
    away = make_context(database, payment_providers={"sandbox": SilentSandbox(database.engine)})
    await payment_changes.capture(away, order.payment_id, None, "k")
    (made,) = await run_sql(database, "SELECT reference, idempotency_key FROM sandbox_changes")
    key = made.idempotency_key if keeps_keys else None
    await receive(database, told(order, CAPTURE, 1500, change_reference=made.reference, key=key))
    assert await apply_all(database) == {"RECEIVED": 1}
    assert await payment(database, order) == ("AUTHORIZED", 0, 0, 0)
    assert await settle_due(till(database)) == 1
    assert await apply_all(database) == {"APPLIED": 1}
    assert await payment(database, order) == ("CAPTURED", 1500, 0, 0)
    assert len(await run_sql(database, "SELECT id FROM payment_transactions WHERE kind = 'CAPTURE'")) == 1


async def test_money_taken_in_the_dashboard_for_an_order_that_was_canceled_is_given_back(
    database: Database,
) -> None:
    order = await make_order(database)
    await SandboxDesk(database.engine).change(CAPTURE, order.reference)
    await run_sql(database, "UPDATE orders SET status = 'CANCELED' WHERE id = :id", id=order.order_id)
    await receive(database, told(order, CAPTURE, 1500))
    assert await apply_all(database) == {"APPLIED": 1}
    assert await settle_due(later(database)) == 1
    assert await payment(database, order) == ("REFUNDED", 1500, 1500, 0)
    (charge,) = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (1500, 1500)


async def test_a_void_in_the_dashboard_leaves_what_was_captured(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, VOID, 1500), told(order, CAPTURE, 400))
    await apply_all(database)
    await apply_all(database)
    assert await became(database) == [("APPLIED", None)] * 2
    assert await payment(database, order) == ("CAPTURED", 400, 0, 0)


@pytest.mark.parametrize("backwards", [False, True], ids=["done, then undone", "undone, then done"])
async def test_a_refund_that_the_bank_sent_back_is_for_a_person_in_either_order(
    database: Database, backwards: bool
) -> None:
    order = await make_order(database)
    await receive(database, told(order, CAPTURE, 1500))
    done = told(order, REFUND, 500)
    undone = told(order, REFUND, 500, outcome=Outcome.DECLINED, change_reference=done.change_reference)
    await apply_all(database)
    for event in (undone, done) if backwards else (done, undone):
        await receive(database, event)
        await apply_all(database)
    rows = await run_sql(
        database, "SELECT outcome, state, reason FROM payment_callbacks WHERE kind = 'REFUND'"
    )
    assert sorted(map(tuple, rows)) == [
        ("DECLINED", "SET_ASIDE", "contradicts_record"),
        ("SUCCEEDED", "APPLIED", None),
    ]
    assert await payment(database, order) == ("PARTIALLY_REFUNDED", 1500, 500, 0)
    kinds = [kind for kind, _ in await events(database, order.order_id)]
    assert kinds.count("PaymentCallbackSetAside") == 1


async def test_a_refusal_of_what_nobody_asked_for_moves_nothing(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, REFUND, 500, outcome=Outcome.DECLINED))
    assert await apply_all(database) == {"IGNORED": 1}
    assert await became(database) == [("IGNORED", "nothing_moved")]


async def test_a_callback_that_fails_keeps_no_other_waiting(database: Database) -> None:
    one, other = await make_order(database), await make_order(database)
    await receive(database, told(one, CAPTURE, 100), told(other, CAPTURE, 100))
    await run_sql(
        database,
        """CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'not today'; END $$""",
    )
    await run_sql(
        database,
        f"""CREATE TRIGGER refuse BEFORE UPDATE ON payments FOR EACH ROW
            WHEN (old.id = '{one.payment_id}') EXECUTE FUNCTION refuse()""",
    )
    try:
        assert await apply_all(database) == {"APPLIED": 1}
    finally:
        await run_sql(database, "DROP FUNCTION refuse CASCADE")
    assert await payment(database, one) == ("AUTHORIZED", 0, 0, 0)
    assert await apply_all(database) == {"APPLIED": 1}
    assert await payment(database, one) == ("PARTIALLY_CAPTURED", 100, 0, 0)


async def test_a_fact_is_applied_with_few_statements(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, CAPTURE, 100))
    with count_statements(database) as statements:
        await payment_callbacks.apply_due(till(database))
    # Lease; begin, order, callback, payment, contradictions, settled, event, commit.
    assert len(statements) == 9, statements


LIST = """query ($state: PaymentCallbackState, $first: Int, $after: String) {
  paymentCallbacks(state: $state, first: $first, after: $after) {
    edges { cursor node { id kind outcome amount { amount currency } state reason note paymentId } }
    pageInfo { hasNextPage endCursor } } }"""
RESOLVE = f"""mutation ($input: PaymentCallbackResolveInput!) {{
  paymentCallbackResolve(input: $input) {{
    paymentCallback {{ state note reason resolvedAt }} userErrors {ERRORS} }} }}"""
READER, WRITER = make_app(Permission.PAYMENTS_READ), make_app(Permission.PAYMENTS_WRITE)


async def set_three_aside(database: Database) -> PaidOrder:
    order = await make_order(database)
    for amount in (1, 2, 3):
        await receive(database, told(order, REFUND, 1, amount=Money(amount, "EUR")))
    await apply_all(database)
    return order


async def test_staff_page_through_what_was_set_aside_oldest_first(database: Database) -> None:
    await set_three_aside(database)
    first = await data_of(database, LIST, {"state": "SET_ASIDE", "first": 2}, READER)
    page = first["paymentCallbacks"]
    assert [edge["node"]["amount"]["amount"] for edge in page["edges"]] == ["0.01", "0.02"]
    assert page["pageInfo"]["hasNextPage"]
    after = page["pageInfo"]["endCursor"]
    rest = await data_of(database, LIST, {"state": "SET_ASIDE", "first": 2, "after": after}, READER)
    (last,) = rest["paymentCallbacks"]["edges"]
    assert (last["node"]["reason"], last["node"]["kind"]) == ("currency_mismatch", "REFUND")
    assert not rest["paymentCallbacks"]["pageInfo"]["hasNextPage"]
    none = await data_of(database, LIST, {"state": "APPLIED"}, READER)
    assert none["paymentCallbacks"]["edges"] == []
    assert len((await data_of(database, LIST, {}, READER))["paymentCallbacks"]["edges"]) == 3


async def test_the_list_is_one_statement_and_for_those_who_may_read_payments(database: Database) -> None:
    await set_three_aside(database)
    with count_statements(database) as statements:
        await data_of(database, LIST, {"state": "SET_ASIDE"}, READER)
    assert len(statements) == 1, statements
    refused = await execute(database, LIST, {}, make_app(Permission.ORDERS_READ))
    assert refused.errors is not None
    assert refused.errors[0].extensions is not None


async def resolve(database: Database, callback_id: str, note: str = "booked by hand", key: str = "k") -> Any:
    given = {"id": callback_id, "note": note, "idempotencyKey": key}
    return (await data_of(database, RESOLVE, {"input": given}, WRITER))["paymentCallbackResolve"]


async def test_staff_take_one_off_the_list_with_what_they_did_once_a_key(database: Database) -> None:
    await set_three_aside(database)
    listed = (await data_of(database, LIST, {}, READER))["paymentCallbacks"]["edges"]
    callback_id = listed[0]["node"]["id"]
    done = await resolve(database, callback_id)
    assert done["userErrors"] == []
    shown = done["paymentCallback"]
    assert (shown["state"], shown["note"], shown["reason"]) == (
        "RESOLVED",
        "booked by hand",
        "currency_mismatch",
    )
    assert (await resolve(database, callback_id))["paymentCallback"] == shown
    again = await resolve(database, callback_id, "another word", "another key")
    assert again["paymentCallback"] == shown
    (reused,) = (await resolve(database, callback_id, "another word"))["userErrors"]
    assert reused["code"] == "IDEMPOTENCY_KEY_REUSED"
    left = await data_of(database, LIST, {"state": "SET_ASIDE"}, READER)
    assert len(left["paymentCallbacks"]["edges"]) == 2
    (entry,) = await run_sql(
        database, "SELECT actor, after FROM audit_entries WHERE action = 'PaymentCallbackResolved'"
    )
    assert (entry.actor, entry.after["state"]) == (WRITER.label, "RESOLVED")


async def test_only_what_was_set_aside_can_be_resolved(database: Database) -> None:
    order = await make_order(database)
    await receive(database, told(order, CAPTURE, 100))
    await apply_all(database)
    (listed,) = (await data_of(database, LIST, {}, READER))["paymentCallbacks"]["edges"]
    (error,) = (await resolve(database, listed["node"]["id"]))["userErrors"]
    assert (error["code"], error["message"]) == (
        "ILLEGAL_TRANSITION",
        "the callback is APPLIED and cannot become RESOLVED",
    )
    (error,) = (await resolve(database, listed["node"]["id"], note=" "))["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["note"])
