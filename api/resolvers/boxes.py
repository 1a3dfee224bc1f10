"""Root fields of boxes."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.boxes import (
    BOX,
    BoxArchiveInput,
    BoxCreateInput,
    BoxPayload,
    BoxUpdateInput,
    ShippingBox,
)
from services import boxes
from services.access import Permission


@strawberry.type
class BoxesQuery:
    """Queries of boxes."""

    @query(Permission.SHIPPING_WRITE)
    async def boxes(self, info: Info) -> list[ShippingBox]:
        """The boxes in use, by name; at most 50."""
        return [ShippingBox.of(box) for box in await boxes.list_boxes(info.context.service)]


@strawberry.type
class BoxesMutation:
    """Mutations of boxes."""

    @mutation(BoxPayload, Permission.SHIPPING_WRITE)
    async def box_create(self, info: Info, input: BoxCreateInput) -> BoxPayload | None:  # noqa: A002
        """Add a box: from then on parcels are packed into it."""
        return BoxPayload(box=ShippingBox.of(await boxes.create(info.context.service, input.to_changes())))

    @mutation(BoxPayload, Permission.SHIPPING_WRITE)
    async def box_update(self, info: Info, input: BoxUpdateInput) -> BoxPayload | None:  # noqa: A002
        """Change a box."""
        box = await boxes.update(
            info.context.service, decode_id(BOX, input.id, "id"), input.to_changes(), input.expected_version
        )
        return BoxPayload(box=ShippingBox.of(box))

    @mutation(BoxPayload, Permission.SHIPPING_WRITE)
    async def box_archive(self, info: Info, input: BoxArchiveInput) -> BoxPayload | None:  # noqa: A002
        """Take a box out of use."""
        box = await boxes.archive(
            info.context.service, decode_id(BOX, input.id, "id"), input.expected_version
        )
        return BoxPayload(box=ShippingBox.of(box))
