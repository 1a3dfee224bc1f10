"""Root fields of printed papers: a field of its own each, so that a list never renders a hundred of them."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import query
from api.scalars import decode_id
from api.schema.documents import PageSize, PdfDocument
from domain import document_ports as domain
from services import documents
from services.access import Permission


@strawberry.type
class DocumentsQuery:
    """Queries of printed papers."""

    @query(Permission.WAREHOUSE_WRITE)
    async def packing_slip(
        self,
        info: Info,
        fulfillment_order_id: strawberry.ID,
        language: str | None = None,
        page_size: PageSize = domain.PageSize.A4,  # type: ignore[valid-type]
    ) -> PdfDocument | None:
        """The packing slip of a fulfillment order, in its channel's language unless one is named."""
        part_id = decode_id("FulfillmentOrder", fulfillment_order_id, "fulfillmentOrderId")
        made = await documents.packing_slip(info.context.service, part_id, language, page_size)
        return PdfDocument.of(made)

    @query(Permission.WAREHOUSE_WRITE)
    async def address_label(
        self,
        info: Info,
        fulfillment_order_id: strawberry.ID,
        page_size: PageSize = domain.PageSize.LABEL_4X6,  # type: ignore[valid-type]
    ) -> PdfDocument | None:
        """An address label of a fulfillment order, for parcels whose label no carrier makes."""
        part_id = decode_id("FulfillmentOrder", fulfillment_order_id, "fulfillmentOrderId")
        return PdfDocument.of(await documents.address_label(info.context.service, part_id, page_size))

    @query(Permission.WAREHOUSE_WRITE)
    async def pick_list_document(
        self,
        info: Info,
        wave_id: strawberry.ID,
        page_size: PageSize = domain.PageSize.A4,  # type: ignore[valid-type]
    ) -> PdfDocument | None:
        """The pick list of a wave, in the order of the walk."""
        found = decode_id("Wave", wave_id, "waveId")
        return PdfDocument.of(await documents.pick_list_document(info.context.service, found, page_size))

    @query(Permission.WAREHOUSE_WRITE)
    async def manifest_document(
        self,
        info: Info,
        manifest_id: strawberry.ID,
        page_size: PageSize = domain.PageSize.A4,  # type: ignore[valid-type]
    ) -> PdfDocument | None:
        """The list of a manifest's parcels, to be signed when they are handed over."""
        found = decode_id("Manifest", manifest_id, "manifestId")
        return PdfDocument.of(await documents.manifest_document(info.context.service, found, page_size))
