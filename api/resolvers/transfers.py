"""Root fields of transfers between locations."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.transfers import (
    KEY,
    NEWEST,
    TRANSFER,
    Transfer,
    TransferActionInput,
    TransferConnection,
    TransferCreateInput,
    TransferPayload,
    TransferReceiveInput,
    TransferShipInput,
    TransferStatus,
    TransferUpdateInput,
)
from domain import transfers as domain
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import transfers
from services.access import Permission


@strawberry.type
class TransfersQuery:
    """Queries of transfers."""

    @query(Permission.STOCK_READ)
    async def transfers(
        self,
        info: Info,
        location_code: str | None = None,
        status: TransferStatus | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> TransferConnection | None:
        """Transfers, newest first; to or from one location, or of one status."""
        request = page_request(NEWEST, KEY, first, after)
        found = await transfers.page(
            info.context.service, request.size, request.after, location_code=location_code, status=status
        )
        return TransferConnection.of(found, request)


@strawberry.type
class TransfersMutation:
    """Mutations of transfers."""

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_create(self, info: Info, input: TransferCreateInput) -> TransferPayload | None:  # noqa: A002
        """Make a draft of what is to go from one location to another."""
        made = await transfers.create(
            info.context.service,
            input.source_code,
            input.destination_code,
            input.to_changes(),
            input.idempotency_key,
        )
        return TransferPayload(transfer=Transfer.of(made))

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_update(self, info: Info, input: TransferUpdateInput) -> TransferPayload | None:  # noqa: A002
        """Change a draft."""
        transfer_id = decode_id(TRANSFER, input.id, "id")
        changed = await transfers.update(
            info.context.service, transfer_id, input.to_changes(), input.expected_version
        )
        return TransferPayload(transfer=Transfer.of(changed))

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_ready(self, info: Info, input: TransferActionInput) -> TransferPayload | None:  # noqa: A002
        """Say that a draft can be sent off as it is."""
        return await _moved(info, input, domain.TransferStatus.READY_TO_SHIP)

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_reopen(self, info: Info, input: TransferActionInput) -> TransferPayload | None:  # noqa: A002
        """Take a transfer that has not left back to a draft."""
        return await _moved(info, input, domain.TransferStatus.DRAFT)

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_cancel(self, info: Info, input: TransferActionInput) -> TransferPayload | None:  # noqa: A002
        """Cancel a transfer that has not left."""
        return await _moved(info, input, domain.TransferStatus.CANCELED)

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_ship(self, info: Info, input: TransferShipInput) -> TransferPayload | None:  # noqa: A002
        """Send a transfer off: its units are incoming at its destination."""
        shipped = await transfers.ship(
            info.context.service,
            decode_id(TRANSFER, input.id, "id"),
            input.to_quantities(),
            input.expected_version,
            input.idempotency_key,
        )
        return TransferPayload(transfer=Transfer.of(shipped))

    @mutation(TransferPayload, Permission.STOCK_WRITE)
    async def transfer_receive(self, info: Info, input: TransferReceiveInput) -> TransferPayload | None:  # noqa: A002
        """Book what arrived of a transfer; as often as something does."""
        changed = await transfers.receive(
            info.context.service,
            decode_id(TRANSFER, input.id, "id"),
            input.to_receipts(),
            close=input.close,
            expected_version=input.expected_version,
            key=input.idempotency_key,
        )
        return TransferPayload(transfer=Transfer.of(changed))


async def _moved(info: Info, wanted: TransferActionInput, status: domain.TransferStatus) -> TransferPayload:
    transfer_id = decode_id(TRANSFER, wanted.id, "id")
    moved = await transfers.move_to(info.context.service, transfer_id, status, wanted.expected_version)
    return TransferPayload(transfer=Transfer.of(moved))
