"""A claim whose process dies at any of its commits: the sweeps and a second try end it, nothing twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from domain.claims import Claim, ClaimKind, ClaimOutcome, ClaimStatus
from domain.kernel.errors import IllegalTransition
from domain.kernel.money import Amount
from domain.orders import Order
from domain.returns import ReturnStatus
from persistence import carrier_claims as charge_rows
from persistence import claims as rows
from persistence import returns as return_rows
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import carrier_claims, claim_cancellations, claims, payment_sweep, return_settlement
from services.access import SYSTEM, Permission
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.checkouts import events, later, make_stocked_shop, till
from tests.claimed import PICTURE, check_all, claim, let_be_judged
from tests.factories import make_app
from tests.mortal import Death, Mortal, Step, walk
from tests.payments import Refuses, Silent, check_sums
from tests.sent_back import DESK, arrived_order, desk, let_return, lines_of
from tests.shipping import parts_of

REFUND, RESHIP = ClaimOutcome.REFUND, ClaimOutcome.RESHIP
GRANTED = ["ClaimRequested", "ClaimApproved"]
BY_STAFF = ["ClaimRequested", "ClaimNeedsReview", "ClaimApproved"]


@dataclass(frozen=True)
class Life:
    """What becomes of a claim: how it is wished, by whom granted, and its commits in one go."""

    wish: ClaimOutcome
    by_staff: bool
    commits: int
    kinds: Sequence[str]
    withdrawn: bool = False
    when: Death = Death.BEFORE


LIVES = {
    "refunded": Life(REFUND, False, 5, [*GRANTED, "ReturnRefundRequested", "ReturnClosed"], when=Death.AFTER),
    "refunded by staff": Life(
        REFUND,
        True,
        9,
        [*BY_STAFF, "ReturnNeedsReview", "ReturnRefundRequested", "ReturnClosed"],
    ),
    "sent again": Life(RESHIP, False, 2, GRANTED),
    "withdrawn": Life(RESHIP, True, 4, [*BY_STAFF, "ClaimCanceled"], withdrawn=True),
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
async def test_a_claim_ends_the_same_whichever_commit_its_process_dies_at(
    database: Database, life: Life
) -> None:
    await let_return(database, **({"auto_refund_most_minor": 0} if life.by_staff else {}))
    await let_be_judged(database, most_by_itself=1000)
    order = await arrived_order(database, life.commits + 1, shop=await make_stocked_shop(database, 50))
    for dies_at in range(1, life.commits + 2):
        told = len(await events(database, order.id))
        process = Mortal(database, dies_at, life.when)
        await walk(database, _steps(database, order, life, f"{dies_at}"), process, _sweep)
        # The last of them lives on: there are no more commits than those.
        assert process.is_dead == (dies_at <= life.commits), dies_at
        kinds = [kind for kind, _ in (await events(database, order.id))[told:]]
        ours = [kind for kind in kinds if kind.startswith(("Claim", "Return"))]
        assert ours == list(life.kinds), dies_at
        await _is_over(database, order, life, dies_at)
    await check_sums(database)
    await check_all(database)


async def test_a_claim_whose_provider_hangs_or_refuses_is_paid_once_or_may_be_withdrawn(
    database: Database,
) -> None:
    await let_return(database)
    await let_be_judged(database, most_by_itself=10)
    order = await arrived_order(database, 2)
    hanging = {"sandbox": Silent(database.engine)}
    made = await claim(
        database, order, 1, ClaimKind.DAMAGED, REFUND, photos=PICTURE, payment_providers=hanging
    )
    assert made.status is ClaimStatus.APPROVED
    with pytest.raises(IllegalTransition):
        await claim_cancellations.cancel(desk(database), None, made.id, "it was found", None)
    await _sweep(database)
    refusing = {"sandbox": Refuses(database.engine)}
    refused = await claim(
        database, order, 1, ClaimKind.DAMAGED, REFUND, photos=PICTURE, payment_providers=refusing
    )
    assert [kind for kind, _ in await events(database, order.id)][-1] == "ReturnRefundFailed"
    gone = await claim_cancellations.cancel(desk(database), None, refused.id, "it was found", None)
    assert gone.status is ClaimStatus.CANCELED
    async with database.read() as connection:
        paid, withdrawn = (await return_rows.of_orders(connection, [order.id]))[order.id]
    assert (paid.status, withdrawn.status) == (ReturnStatus.CLOSED, ReturnStatus.CANCELED)
    (line,) = await lines_of(database, order.id)
    assert line.quantity_returned == 1
    await claim(database, order, 1, ClaimKind.DAMAGED, REFUND, photos=PICTURE)
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.refunded_minor == order.total_minor
    await check_sums(database)
    await check_all(database)


def _steps(database: Database, order: Order, life: Life, key: str) -> Sequence[Step]:
    staff = make_app(*DESK, Permission.LEDGER_WRITE)

    def on(process: Database) -> ServiceContext:
        # The provider keeps its record whoever dies.
        return till(process, staff, payment_providers={"sandbox": SandboxPayments(database.engine)})

    async def create(process: Database) -> None:
        providers = on(process).environment.payment_providers
        kind, photos = ClaimKind.DAMAGED, PICTURE
        await claim(process, order, 1, kind, life.wish, photos=photos, key=key, payment_providers=providers)

    async def approve(process: Database) -> None:
        await claims.approve(on(process), (await _newest(database, order)).id, None, None, None, None, key)

    async def charge(process: Database) -> None:
        await carrier_claims.charge(on(process), (await _newest(database, order)).id, _usd("9"), None, key)

    async def answer(process: Database) -> None:
        await carrier_claims.settle(on(process), (await _newest(database, order)).id, _usd("5"), key)

    async def cancel(process: Database) -> None:
        found = await _newest(database, order)
        await claim_cancellations.cancel(on(process), None, found.id, "it was found", None)

    if life.withdrawn:
        return create, approve, cancel
    return (create, approve, charge, answer) if life.by_staff else (create,)


async def _sweep(database: Database) -> None:
    context = later(database, 1, SYSTEM)
    await claims.judge_due(context)
    await return_settlement.settle_due(context)
    await payment_sweep.settle_due(context)
    await return_settlement.settle_due(context)


async def _newest(database: Database, order: Order) -> Claim:
    async with database.read() as connection:
        return (await rows.of_order(connection, order.id))[-1]


async def _is_over(database: Database, order: Order, life: Life, units: int) -> None:
    found = await _newest(database, order)
    (line,) = await lines_of(database, order.id)
    (level,) = await run_sql(database, "SELECT available, committed FROM stock_levels")
    ended = ClaimStatus.CANCELED if life.withdrawn else ClaimStatus.APPROVED
    assert (found.status, found.outcome) == (ended, None if life.withdrawn else life.wish)
    if life.wish is RESHIP:
        again = 0 if life.withdrawn else units
        assert (line.quantity_shipped, level.committed) == (line.quantity - again, again)
        return
    async with database.read() as connection:
        returns = (await return_rows.of_orders(connection, [order.id]))[order.id]
        charge = await charge_rows.of_claim(connection, found.id)
    assert {one.status for one in returns} == {ReturnStatus.CLOSED}
    assert (len(returns), line.quantity_returned) == (units, units)
    (payment,) = (await parts_of(database, order.id)).payments
    (sandbox,) = await run_sql(database, "SELECT refunded_minor FROM sandbox_charges")
    given = sum(one.refund_minor for one in returns)
    assert payment.refunded_minor == sandbox.refunded_minor == given
    assert (charge is not None and charge.paid_minor == 500) == life.by_staff


def _usd(amount: str) -> Amount:
    return Amount(Decimal(amount), "USD")
