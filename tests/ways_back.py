"""Returns whose parcels go by the sandbox carrier, for tests of how returns are sent."""

from typing import Any
from uuid import uuid4

from domain.notifications import NotificationKind
from domain.orders import Order
from domain.return_parcels import ParcelSource, ReturnParcel
from domain.returns import Return
from persistence import return_parcels
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from services import return_labels, tracking
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.checkouts import Shop, make_stocked_shop
from tests.notices import note_all, notices
from tests.sent_back import arrived_order, ask_for, desk, let_return
from tests.tracked import SECRET

_ADDRESS = """UPDATE locations SET address = '{"name": "Shop", "line1": "Lagerstr. 1", "city": "Berlin",
    "country": "DE", "postal_code": "10115"}' """


def carriers(database: Database, carrier: SandboxCarrier | None = None) -> dict[str, Any]:
    """Return what a context changes so that the sandbox (or `carrier`, in its place) is there."""
    return {"carriers": {"sandbox": carrier or SandboxCarrier(database.engine, callback_secret=SECRET)}}


async def sent_by_sandbox(database: Database, quantity: int = 2, *, shop: Shop | None = None) -> Order:
    """Return an order that the sandbox carrier delivered from a location with an address."""
    order = await arrived_order(database, quantity, shop=shop or await make_stocked_shop(database, 20))
    await run_sql(database, _ADDRESS)
    await run_sql(
        database,
        "UPDATE shipments SET provider = 'sandbox', carrier = 'Sandbox Post', service_code = 'STANDARD'"
        " WHERE order_id = :id RETURNING id",
        id=order.id,
    )
    return order


async def labeled_return(database: Database, units: int = 1, **rules: Any) -> Return:
    """Return an approved return whose label the sandbox has sold."""
    await let_return(database, **rules)
    return await with_label(database, await sent_by_sandbox(database), units)


async def with_label(database: Database, order: Order, units: int = 1) -> Return:
    """Let the shopper ask to return units of the order's first line, and the job buy the label."""
    found = await ask_for(database, order, units, **carriers(database))
    await return_labels.buy_due(staff(database))
    return found


async def parcel_of(
    database: Database, found: Return, source: ParcelSource = ParcelSource.LABEL
) -> ReturnParcel:
    """Return a parcel of a return as it is."""
    async with database.read() as connection:
        parcels = (await return_parcels.of_returns(connection, [found.id])).get(found.id, [])
    return next(one for one in parcels if one.source is source)


async def kinds(database: Database, found: Return) -> list[str]:
    """Return the kinds of all events of a return, oldest first."""
    rows = await run_sql(
        database,
        "SELECT kind FROM (SELECT kind, payload, 1 AS place, sequence AS at FROM event_feed UNION ALL"
        " SELECT kind, payload, 2, id FROM event_outbox) told"
        " WHERE payload ->> 'returnId' = :id ORDER BY place, at",
        id=str(found.id),
    )
    return [row.kind for row in rows]


async def letters(database: Database, order: Order) -> list[NotificationKind]:
    """Return what the order's customer was told of returns, oldest first."""
    await note_all(database)
    return [one.kind for one in await notices(database, order) if one.return_id]


def staff(database: Database, **changes: Any) -> ServiceContext:
    """Return the context of staff who see to returns, the sandbox carrier being there."""
    return desk(database, **{**carriers(database), **changes})


def key() -> str:
    """Return a new idempotency key."""
    return str(uuid4())


async def apply(database: Database, **changes: Any) -> None:
    """Let what was told of parcels be applied."""
    await tracking.apply_due(staff(database, **changes))
