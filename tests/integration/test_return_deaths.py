"""A return whose process dies at any of its commits: the sweeps and a second try end it, nothing twice."""

from collections.abc import Sequence

import pytest

from domain.orders import Order
from domain.return_receipts import Look
from domain.return_requests import AskedLine
from domain.returns import Disposition, Grade, Return, ReturnReason, ReturnStatus, ReturnWish
from persistence import returns as rows
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services import payment_sweep, return_labels, return_receipts, return_settlement, returns
from services.access import SYSTEM
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.checkouts import Shop, events, later, make_stocked_shop, till
from tests.factories import make_app
from tests.mortal import Death, Mortal, Step, walk
from tests.payments import check_sums
from tests.sent_back import DESK, arrived_order, let_return, lines_of, shopper
from tests.shipping import parts_of
from tests.stocked import assert_explained

UNITS = 2
BY_ITSELF = [
    "ReturnRequested", "ReturnApproved", "ReturnReadyToSend", "ReturnReceived", "ReturnInspected",
    "ReturnRefundRequested", "ReturnClosed",
]  # fmt: skip
BY_STAFF = [
    "ReturnRequested", "ReturnNeedsReview", "ReturnApproved", "ReturnReadyToSend", "ReturnReceived",
    "ReturnInspected", "ReturnNeedsReview", "ReturnRefundRequested", "ReturnClosed",
]  # fmt: skip


async def the_return(database: Database, order: Order) -> Return:
    async with database.read() as connection:
        (found,) = (await rows.of_orders(connection, [order.id]))[order.id]
    return found


async def steps_of(database: Database, shop: Shop, order: Order, *, by_staff: bool) -> Sequence[Step]:
    """Return all steps of a return of the whole order, each with a key of its own."""
    line = (await lines_of(database, order.id))[0]
    key, staff = order.number, make_app(*DESK)

    def on(process: Database) -> ServiceContext:
        # The provider keeps its record whoever dies.
        return till(process, staff, payment_providers={"sandbox": SandboxPayments(database.engine)})

    async def request(process: Database) -> None:
        context, ref = shopper(process, order, payment_providers=on(process).environment.payment_providers)
        asked = [AskedLine(line.id, UNITS, ReturnReason.SIZE)]
        await returns.request(context, ref, asked, ReturnWish.REFUND, None, key)

    async def approve(process: Database) -> None:
        found = await the_return(database, order)
        await returns.decide_on(on(process), found.id, approve=True, note=None, expected_version=None)

    async def receive(process: Database) -> None:
        found = await the_return(database, order)
        units = {one.id: one.quantity for one in found.lines}
        await return_receipts.receive(on(process), found.id, shop.locations[0].code, units, None, key)

    async def inspect(process: Database) -> None:
        found = await the_return(database, order)
        looks = [Look(one.id, one.quantity, Disposition.RESTOCKED, Grade.AS_NEW) for one in found.lines]
        await return_receipts.inspect(on(process), found.id, looks, None, key)

    async def refund(process: Database) -> None:
        found = await the_return(database, order)
        await return_settlement.refund(on(process), found.id, None, None, key)

    if by_staff:
        return request, approve, receive, inspect, refund
    return request, receive, inspect


async def sweep(database: Database) -> None:
    """Let the background work of the next hours run."""
    for hours in (1, 2, 3):
        context = later(database, hours, SYSTEM)
        await returns.judge_due(context)
        await return_labels.buy_due(context)
        await return_settlement.settle_due(context)
        await payment_sweep.settle_due(context)


@pytest.mark.parametrize(
    ("by_staff", "kinds", "commits"),
    [(False, BY_ITSELF, 7), (True, BY_STAFF, 9)],
    ids=["by itself", "by staff"],
)
async def test_a_return_ends_the_same_whichever_commit_its_process_dies_at(
    database: Database, by_staff: bool, kinds: list[str], commits: int
) -> None:
    await let_return(database, **({"auto_refund_most_minor": 0} if by_staff else {}))
    shop = await make_stocked_shop(database, 100)
    for when in Death:
        for dies_at in range(1, commits + 2):
            order = await arrived_order(database, UNITS, shop=shop)
            process = Mortal(database, dies_at, when)
            steps = await steps_of(database, shop, order, by_staff=by_staff)
            await walk(database, steps, process, sweep)
            # The last of them lives on: there are no more commits than those.
            assert process.is_dead == (dies_at <= commits), (when, dies_at)
            await _is_over(database, order, kinds, (when, dies_at))
    (level,) = await run_sql(database, "SELECT available, quality_control, damaged FROM stock_levels")
    assert (level.available, level.quality_control, level.damaged) == (100, 0, 0)
    await assert_explained(database)
    await check_sums(database)


async def _is_over(database: Database, order: Order, kinds: list[str], death: object) -> None:
    found = await the_return(database, order)
    assert (found.status, found.refund_minor) == (ReturnStatus.CLOSED, order.total_minor), death
    told = await events(database, order.id)
    assert [kind for kind, _ in told if kind.startswith("Return")] == kinds, death
    (payment,) = (await parts_of(database, order.id)).payments
    assert payment.refunded_minor == order.total_minor
    (charge,) = await run_sql(
        database,
        "SELECT refunded_minor FROM sandbox_charges WHERE reference = :reference",
        reference=payment.reference,
    )
    assert charge.refunded_minor == order.total_minor, death
    (line,) = await lines_of(database, order.id)
    assert line.quantity_returned == UNITS, death
