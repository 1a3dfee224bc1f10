"""Claims of orders that were sent, for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from domain.claim_policies import ClaimPolicy
from domain.claim_verdicts import ClaimCheck
from domain.claims import Claim, ClaimKind, ClaimOutcome
from domain.kernel.ids import new_id
from domain.orders import Order
from persistence import claim_policies
from persistence import claims as rows
from persistence.database import Database
from services import claims, ledger_reports, stock_ledger
from services.claims import Wanted
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.factories import make_context
from tests.sent_back import desk, lines_of, shopper
from tests.shipping import check_units, parts_of

PICTURE = ("https://example.com/broken.jpg",)


async def claim(
    database: Database,
    order: Order,
    units: int,
    kind: ClaimKind,
    wish: ClaimOutcome = ClaimOutcome.RESHIP,
    *,
    photos: tuple[str, ...] = (),
    key: str | None = None,
    parcel: int = 0,
    **changes: Any,
) -> Claim:
    """Let the shopper claim units of the order's first line, in one of its parcels."""
    context, ref = shopper(database, order, **changes)
    line = (await lines_of(database, order.id))[0]
    shipment = (await parts_of(database, order.id)).shipments[parcel]
    wanted = Wanted(shipment.id, kind, wish, [(line.id, units)], None, photos)
    return await claims.create(context, ref, wanted, key or str(uuid4()))


async def approve(
    database: Database,
    found: Claim,
    *,
    outcome: ClaimOutcome | None = None,
    location_code: str | None = None,
    key: str | None = None,
    context: ServiceContext | None = None,
) -> Claim:
    """Let staff grant a claim."""
    return await claims.approve(
        context or desk(database), found.id, outcome, location_code, None, None, key or str(uuid4())
    )


async def the_claim(database: Database, found: Claim) -> Claim:
    """Return a claim as it is."""
    async with database.read() as connection:
        kept = await rows.by_id(connection, found.id)
    assert kept is not None
    return kept


async def let_be_lost(database: Database, order: Order, days: float, status: str = "IN_TRANSIT") -> None:
    """Let the carrier have told of an order's parcel some days ago, and not since."""
    await run_sql(
        database,
        "UPDATE shipments SET status = :status, delivered_at = NULL, shipped_at = :at, told_at = :at"
        " WHERE order_id = :id RETURNING id",
        status=status,
        at=datetime.now(UTC) - timedelta(days=days),
        id=order.id,
    )


def checks_of(found: Claim) -> set[ClaimCheck]:
    """Return what a claim's records were found to say."""
    assert found.verdict is not None
    return {ClaimCheck(one["check"]) for one in found.verdict["findings"]}


async def check_all(database: Database) -> None:
    """Assert that the ledgers of money and of stock explain all there is, and units add up."""
    await check_units(database)
    context = make_context(database)
    assert (await ledger_reports.check(context)).unexplained == []
    assert (await stock_ledger.check(context)).discrepancies == []


async def let_be_judged(database: Database, **limits: Any) -> None:
    """Set the limits by which every claim is judged."""
    async with database.transaction() as connection:
        await claim_policies.set_policy(connection, new_id(), ClaimPolicy(**limits))
