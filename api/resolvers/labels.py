"""Root fields of labels."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id, encode_id
from api.schema.labels import (
    ShipmentLabelPurchaseInput,
    ShipmentLabelPurchasePayload,
    ShipmentLabelResult,
    ShipmentsLabelPurchaseInput,
    ShipmentsLabelPurchasePayload,
    documents_url,
    errors_of,
)
from api.schema.orders import Order
from api.schema.shipments import Shipment
from services import labels
from services.access import Permission


@strawberry.type
class LabelsMutation:
    """Mutations of labels."""

    @mutation(ShipmentLabelPurchasePayload, Permission.FULFILLMENT_WRITE)
    async def shipment_label_purchase(
        self,
        info: Info,
        input: ShipmentLabelPurchaseInput,  # noqa: A002
    ) -> ShipmentLabelPurchasePayload | None:
        """Buy the label of a parcel that waits for it; without an answer it is bought when there is one."""
        labeled = await labels.purchase(
            info.context.service,
            decode_id("Shipment", input.id, "id"),
            input.to_domain(),
            input.expected_version,
            input.idempotency_key,
        )
        return ShipmentLabelPurchasePayload(
            shipment=Shipment.of(labeled.shipment) if labeled.shipment else None,
            outcome=labeled.outcome,
            retry_at=labeled.asked_again_at,
            order=Order.of(labeled.order) if labeled.order else None,
            user_errors=errors_of(labeled),
        )

    @mutation(ShipmentsLabelPurchasePayload, Permission.FULFILLMENT_WRITE)
    async def shipments_label_purchase(
        self,
        info: Info,
        input: ShipmentsLabelPurchaseInput,  # noqa: A002
    ) -> ShipmentsLabelPurchasePayload | None:
        """Buy the labels of many parcels now; of each it is told what became of it."""
        ids = [decode_id("Shipment", one, "ids", str(at)) for at, one in enumerate(input.ids)]
        labeled = await labels.purchase_many(info.context.service, ids, input.idempotency_key)
        return ShipmentsLabelPurchasePayload(
            results=[
                ShipmentLabelResult(
                    id=encode_id("Shipment", one.shipment_id),
                    shipment=Shipment.of(one.shipment) if one.shipment else None,
                    outcome=one.outcome,
                    retry_at=one.asked_again_at,
                    user_errors=errors_of(one),
                )
                for one in labeled
            ],
            documents_url=documents_url(labeled),
        )
