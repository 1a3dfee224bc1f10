"""Any permutation of a payment's callbacks, told twice and in between sweeps, ends in the same state.

The facts are the real sandbox's, of a history drawn by hypothesis: what we asked for while it answered
nothing, what was done at its desk, what it refused; and some that are wrong.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.kernel.errors import DomainError
from domain.kernel.money import Amount, Money
from domain.payments import TransactionKind
from domain.ports import Outcome, ProviderEvent
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from providers.payments.sandbox_desk import SandboxDesk
from services import payment_callbacks, payment_changes
from services.payment_sweep import settle_due
from tests.callbacks import PaidOrder, SilentSandbox, apply_all, order_authorized, receive
from tests.cart_flows import run_sql
from tests.checkouts import later, make_stocked_shop, till
from tests.factories import make_context

CAPTURE, REFUND = TransactionKind.CAPTURE, TransactionKind.REFUND


class Done(NamedTuple):
    """One thing that is done with a charge of 15.00, at the desk or asked for by us."""

    what: str
    amount_minor: int


class Arrival(NamedTuple):
    """How facts arrive: shuffled by a seed, and after which of them we apply and sweep."""

    seed: int
    pauses: Sequence[bool]


amounts = st.sampled_from([100, 500, 700, 1000, 1500])
histories = st.lists(
    st.builds(
        Done,
        st.sampled_from(
            ["desk capture", "desk capture", "desk refund", "chargeback", "our capture", "desk void", "wrong"]
        ),
        amounts,
    ),
    min_size=1,
    max_size=6,
)

arrivals = st.builds(Arrival, st.integers(0, 2**32), st.lists(st.booleans(), min_size=1, max_size=4))


async def do(database: Database, order: PaidOrder, done: Done, number: int) -> None:
    """Do one thing; what the sandbox or we refuse is part of the history too."""
    desk, sandbox = SandboxDesk(database.engine), SandboxPayments(database.engine)
    amount = Money(done.amount_minor, "USD")
    kinds = {"capture": CAPTURE, "refund": REFUND, "chargeback": TransactionKind.CHARGEBACK}
    if done.what == "our capture":
        silent = make_context(database, payment_providers={"sandbox": SilentSandbox(database.engine)})
        try:
            await payment_changes.capture(
                silent, order.payment_id, Amount(amount.amount, "USD"), str(uuid4())
            )
        except DomainError:
            return
    elif done.what == "desk void":
        await sandbox.void(f"desk-{number}", order.reference)
    elif done.what != "wrong":
        kind = kinds[done.what.removeprefix("desk ")]
        await desk.change(kind, order.reference, Decimal(amount.amount))


async def facts_of(database: Database, order: PaidOrder, history: Sequence[Done]) -> list[ProviderEvent]:
    """Return what the sandbox tells of its charge, each twice, and the wrong facts of the history."""
    rows = await run_sql(
        database,
        "SELECT * FROM sandbox_callbacks WHERE charge_reference = :charge ORDER BY occurred_at, id",
        charge=order.reference,
    )
    told = [
        ProviderEvent(
            id=row.id,
            kind=TransactionKind(row.kind),
            outcome=Outcome(row.outcome),
            reference=row.charge_reference,
            change_reference=row.change_reference,
            amount=Money(row.amount_minor, row.currency),
            occurred_at=row.occurred_at,
            key=row.idempotency_key,
            decline_code=row.decline_code,
        )
        for row in rows
    ]
    wrong = [done for done in history if done.what == "wrong"]
    for done in wrong:
        name = uuid4().hex
        about_ours = replace(told[0], id=f"evt_{name}", amount=Money(done.amount_minor - 1, "USD"))
        foreign = replace(
            told[0],
            id=f"evt_eur_{name}",
            kind=CAPTURE,
            change_reference=name,
            amount=Money(done.amount_minor, "EUR"),
        )
        unknown = replace(foreign, id=f"evt_unknown_{name}", reference=name)
        too_much = replace(
            foreign, id=f"evt_more_{name}", change_reference=f"more_{name}", amount=Money(1501, "USD")
        )
        told += [about_ours, foreign, unknown, too_much]
    return [*told, *told, *(replace(one, id=f"{one.id}_again") for one in told)]


async def state_of(database: Database, order: PaidOrder) -> dict[str, Any]:
    """Return everything that the facts amount to, without names and times of our own."""
    statements = {
        "order": "SELECT payment_status FROM orders WHERE id = :order",
        "payment": "SELECT status, authorized_minor, captured_minor, refunded_minor, charged_back_minor,"
        " capturing_minor, refunding_minor, voiding_minor FROM payments WHERE id = :payment",
        "transactions": "SELECT kind, status, amount_minor, decline_code FROM payment_transactions"
        " WHERE payment_id = :payment",
        "callbacks": "SELECT kind, outcome, amount_minor, currency, state, reason, payment_id IS NULL"
        " FROM payment_callbacks",
    }
    values = {"order": order.order_id, "payment": order.payment_id}
    state = {}
    for name, statement in statements.items():
        given_values = {one: value for one, value in values.items() if f":{one}" in statement}
        rows = await run_sql(database, statement, **given_values)
        state[name] = sorted((tuple(row) for row in rows), key=str)
    return state


async def calm(database: Database) -> None:
    """Apply and sweep until everything is settled, and let what waits in vain be set aside."""
    for context in (till(database), till(database), later(database)):
        await settle_due(later(database))
        await apply_all(database, context)
    waiting = await run_sql(database, "SELECT kind FROM payment_callbacks WHERE state = 'RECEIVED'")
    assert waiting == []


async def tell(database: Database, facts: Sequence[ProviderEvent], pauses: Sequence[bool]) -> None:
    for number, fact in enumerate(facts):
        await receive(database, fact)
        if pauses[number % len(pauses)]:
            await payment_callbacks.apply_due(till(database))
            await settle_due(till(database))
    await calm(database)


@given(histories, st.lists(arrivals, min_size=3, max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_permutation_of_a_payments_callbacks_ends_in_the_same_state(
    database: Database, history: list[Done], arrivals: list[Arrival]
) -> None:
    shop = await make_stocked_shop(database, 9)
    states = []
    for arrival in arrivals:
        await run_sql(database, "DELETE FROM payment_callbacks")
        order = await order_authorized(database, shop)
        for number, done in enumerate(history):
            await do(database, order, done, number)
        facts = await facts_of(database, order, history)
        Random(arrival.seed).shuffle(facts)
        await tell(database, facts, arrival.pauses)
        states.append(await state_of(database, order))
        await counted_as_the_sandbox_does(database, order)
    assert states[1:] == states[:1] * 2


async def counted_as_the_sandbox_does(database: Database, order: PaidOrder) -> None:
    (theirs,) = await run_sql(
        database,
        "SELECT captured_minor, refunded_minor, charged_back_minor FROM sandbox_charges"
        " WHERE reference = :reference",
        reference=order.reference,
    )
    (ours,) = await run_sql(
        database,
        "SELECT captured_minor, refunded_minor, charged_back_minor FROM payments WHERE id = :id",
        id=order.payment_id,
    )
    assert tuple(ours) == tuple(theirs)
