"""Root fields of packing."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.fulfillment import FulfillmentOrder
from api.schema.packing import (
    OpenParcel,
    PackCancelInput,
    PackCloseInput,
    PackClosePayload,
    PackPayload,
    PackScanInput,
    UnitsToPack,
)
from api.schema.shipments import Shipment
from domain.kernel.errors import InvalidInput
from services import packing
from services.access import Permission


@strawberry.type
class PackingMutation:
    """Mutations of packing."""

    @mutation(PackPayload, Permission.WAREHOUSE_WRITE)
    async def pack_scan(self, info: Info, input: PackScanInput) -> PackPayload | None:  # noqa: A002
        """Put scanned units into an open parcel; a wrong or surplus scan is refused (ScanRefusedError)."""
        part_id = decode_id("FulfillmentOrder", input.fulfillment_order_id, "fulfillmentOrderId")
        parcel_id = None if input.parcel_id is None else decode_id("OpenParcel", input.parcel_id, "parcelId")
        bench, parcel = await packing.scan(
            info.context.service, part_id, parcel_id, input.code, input.quantity, input.idempotency_key
        )
        return PackPayload(parcel=OpenParcel.of(bench, parcel), expected=UnitsToPack.all_of(bench))

    @mutation(PackClosePayload, Permission.WAREHOUSE_WRITE)
    async def pack_close(self, info: Info, input: PackCloseInput) -> PackClosePayload | None:  # noqa: A002
        """Make a shipment of an open parcel; it stays until it is handed over."""
        if input.carrier is None and (input.service is not None or input.provider is not None):
            raise InvalidInput("is needed where service or provider is named", "carrier")
        closed = await packing.close(
            info.context.service,
            decode_id("OpenParcel", input.parcel_id, "parcelId"),
            input.to_parcel(),
            input.to_carriage(),
            input.idempotency_key,
        )
        return PackClosePayload(
            shipment=Shipment.of(closed.shipment),
            fulfillment_order=FulfillmentOrder.of(closed.bench.part),
            expected=UnitsToPack.all_of(closed.bench),
        )

    @mutation(PackPayload, Permission.WAREHOUSE_WRITE)
    async def pack_cancel(self, info: Info, input: PackCancelInput) -> PackPayload | None:  # noqa: A002
        """Take everything out of an open parcel again."""
        parcel_id = decode_id("OpenParcel", input.parcel_id, "parcelId")
        bench = await packing.cancel(info.context.service, parcel_id, input.idempotency_key)
        return PackPayload(expected=UnitsToPack.all_of(bench))
