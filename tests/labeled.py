"""Packed parcels that wait for their labels, and carriers to buy them from, for tests of labels."""

from typing import Any
from uuid import UUID

from domain.carrier_ports import Label, LabelRequest
from domain.parcels import Carriage
from domain.shipments import Shipment
from persistence.database import Database
from providers.carriers.sandbox import SandboxCarrier
from providers.carriers.table_rate import TableRateCarrier
from providers.documents.pdf import PdfDocuments
from services.access import SYSTEM, Actor
from services.context import ServiceContext
from tests.cart_flows import run_sql
from tests.checkouts import make_stocked_shop
from tests.factories import make_context
from tests.shipping import pack, part_at, parts_of, placed_order

BY_SANDBOX = Carriage("Sandbox Post", "EXPRESS", "sandbox")
_ADDRESS = """UPDATE locations SET address = '{"name": "Shop", "line1": "Lagerstr. 1", "city": "Berlin",
    "country": "DE", "postal_code": "10115"}' """


class Interrupted(SandboxCarrier):
    """The sandbox, asked by one who dies `before` or `after` it has recorded a label, as often as said."""

    def __init__(self, database: Database, *, before: int = 0, after: int = 0) -> None:
        super().__init__(database.engine)
        self.before = before
        self.after = after
        self.asked: list[str] = []

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label, or die."""
        self.asked.append(key)
        if self.before:
            self.before -= 1
            raise Died
        label = await super().buy_label(key, request)
        if self.after:
            self.after -= 1
            raise Died
        return label


class Died(BaseException):
    """The process ends here, whatever it was about to do."""


def carriers_of(database: Database) -> dict[str, Any]:
    """Return the sandbox and the shop's own delivery."""
    return {"sandbox": SandboxCarrier(database.engine), "table_rate": TableRateCarrier("Own delivery")}


def desk(database: Database, actor: Actor = SYSTEM, **changes: Any) -> ServiceContext:
    """Return the context of staff, whose shop has these carriers."""
    usual = {"carriers": carriers_of(database), "documents": PdfDocuments()}
    return make_context(database, actor, **{**usual, **changes})


async def packed_parcels(
    database: Database, *units: int, carriage: Carriage = BY_SANDBOX, address: bool = True
) -> tuple[UUID, list[UUID]]:
    """Place an order, pack a parcel for each number of units; returns the order's and the parcels' ids."""
    units = units or (2,)
    shop = await make_stocked_shop(database, 10 * sum(units))
    order = await placed_order(database, quantity=sum(units), shop=shop)
    if address:
        await run_sql(database, _ADDRESS)
    part = await part_at(database, order.id)
    packer = desk(database, carriers={str(carriage.provider): TableRateCarrier("Anybody")})
    sent = await pack(packer, part, *units, carriage=carriage)
    return order.id, [one.id for one in sent.shipments]


async def parcel(database: Database, order_id: UUID, shipment_id: UUID) -> Shipment:
    """Return a parcel as it is."""
    parts = await parts_of(database, order_id)
    return next(one for one in parts.shipments if one.id == shipment_id)


async def let_it_be_due(database: Database) -> None:
    """Let every label that is waited for be asked for at once."""
    await run_sql(database, "UPDATE shipments SET label_next_attempt_at = NULL")
