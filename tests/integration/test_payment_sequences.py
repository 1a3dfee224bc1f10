"""Long ways of one payment through services, providers that answer, stay silent or are away, and sweeps."""

import random
from uuid import UUID, uuid4

import pytest

from domain.kernel.errors import DomainError
from domain.kernel.money import Amount, Money
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services import payment_changes
from services.context import ServiceContext
from services.payment_sweep import settle_due
from tests.checkouts import later
from tests.payments import Silent, Unreachable, check_sums, paid_order, payment_now, staff

STEPS = 25


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_asked_and_lost_the_provider_and_we_agree_in_the_end(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    _, payment = await paid_order(database, captured=False)
    refused = done = 0
    for _ in range(STEPS):
        sandbox = chance.choice([SandboxPayments, SandboxPayments, Silent, Unreachable])(database.engine)
        try:
            await _step(chance, staff(database, sandbox), database, payment.id)
        except DomainError:
            refused += 1
        else:
            done += 1
        await check_sums(database)
    while await settle_due(later(database)):
        pass
    row = await payment_now(database, payment.id)
    (charge,) = await charges(database.engine)
    assert (charge.captured_minor, charge.refunded_minor) == (row.captured_minor, row.refunded_minor)
    assert (row.capturing_minor, row.voiding_minor, row.refunding_minor) == (0, 0, 0)
    await check_sums(database)
    assert done > 3, "a sequence that nothing comes of proves nothing"
    assert refused > 0


async def _step(chance: random.Random, context: ServiceContext, database: Database, payment_id: UUID) -> None:
    action = chance.choices(["capture", "refund", "sweep", "void"], [5, 5, 3, 1])[0]
    key = str(uuid4())
    amount = Amount(Money(chance.randint(1, 900), "USD").amount, "USD")
    if action == "capture":
        await payment_changes.capture(context, payment_id, amount, key)
    elif action == "refund":
        await payment_changes.refund(context, payment_id, amount, "broken", key)
    elif action == "void":
        await payment_changes.void(context, payment_id, key)
    else:
        await settle_due(later(database))
