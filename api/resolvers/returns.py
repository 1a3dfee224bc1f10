"""Root fields of returns."""

from collections.abc import AsyncGenerator

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import TOKEN, mutation, query, subscription
from api.scalars import decode_id
from api.schema.orders import OrderRef
from api.schema.return_changes import (
    ReturnCancelInput,
    ReturnDecideInput,
    ReturnInspectInput,
    ReturnPayload,
    ReturnQuoteLineInput,
    ReturnReceiveInput,
    ReturnRefundInput,
    ReturnRejectInput,
    ReturnRequestInput,
    quoted_lines,
)
from api.schema.return_events import ReturnEvent
from api.schema.return_lists import ReturnConnection, ReturnFilter
from api.schema.returns import (
    KEY,
    NEWEST,
    RETURN,
    Return,
    ReturnEligibility,
)
from domain.kernel.errors import NotFound
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from domain.returns import return_told
from realtime.events import FeedEvent
from realtime.patience import patiently
from services import orders, return_lists, return_receipts, return_settlement, returns
from services.access import Permission


@strawberry.type
class ReturnsQuery:
    """Queries of returns."""

    @query(TOKEN)
    async def return_eligibility(
        self, info: Info, ref: OrderRef, lines: list[ReturnQuoteLineInput] | None = None
    ) -> ReturnEligibility | None:
        """What may be returned of an order and would come of it; for whoever may see it."""
        named, asked = ref.to_domain("ref"), quoted_lines(lines)
        try:
            found = await returns.eligibility(info.context.service, named, asked)
        except NotFound as error:
            if error.path[:1] == ("lines",):
                raise
            return None
        return ReturnEligibility.of(*found)

    @query(Permission.RETURNS_READ)
    async def returns(
        self,
        info: Info,
        filter: ReturnFilter | None = None,  # noqa: A002
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ReturnConnection | None:
        """Returns, newest first; each says what it waits for."""
        request = page_request(NEWEST, KEY, first, after)
        narrowed = filter or ReturnFilter()
        found = await return_lists.page(
            info.context.service,
            narrowed.to_domain(),
            narrowed.channel,
            narrowed.location_code,
            request.size,
            request.after,
        )
        return ReturnConnection.of(found, request)


@strawberry.type
class ReturnsMutation:
    """Mutations of returns."""

    @mutation(ReturnPayload, TOKEN)
    async def return_request(self, info: Info, input: ReturnRequestInput) -> ReturnPayload | None:  # noqa: A002
        """Ask to return units of an order; it is judged at once, by all records of it."""
        made = await returns.request(
            info.context.service,
            input.ref.to_domain("ref"),
            input.to_lines(),
            input.wish,
            input.email,
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(made))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_approve(self, info: Info, input: ReturnDecideInput) -> ReturnPayload | None:  # noqa: A002
        """Let a return that waits for staff be sent."""
        return await _decided(info, input, approve=True)

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_decline(self, info: Info, input: ReturnDecideInput) -> ReturnPayload | None:  # noqa: A002
        """Decline a return that waits for staff."""
        return await _decided(info, input, approve=False)

    @mutation(ReturnPayload, TOKEN)
    async def return_cancel(self, info: Info, input: ReturnCancelInput) -> ReturnPayload | None:  # noqa: A002
        """Give up a return of which nothing has come."""
        canceled = await returns.cancel(
            info.context.service,
            None if input.ref is None else input.ref.to_domain("ref"),
            decode_id(RETURN, input.id, "id"),
            input.note,
            input.expected_version,
        )
        return ReturnPayload(return_=Return.of(canceled))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_receive(self, info: Info, input: ReturnReceiveInput) -> ReturnPayload | None:  # noqa: A002
        """Count what arrived of a return, as often as something does."""
        received = await return_receipts.receive(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.location_code,
            input.to_units(),
            input.expected_version,
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(received))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_inspect(self, info: Info, input: ReturnInspectInput) -> ReturnPayload | None:  # noqa: A002
        """Say how units were found: what is good is on sale again; with the last its money is decided on."""
        seen = await return_receipts.inspect(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.to_looks(),
            input.expected_version,
            input.idempotency_key,
        )
        return ReturnPayload(return_=Return.of(seen))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_refund(self, info: Info, input: ReturnRefundInput) -> ReturnPayload | None:  # noqa: A002
        """Give back what a return brings where staff were asked; what a provider refused is asked again."""
        refunded = await return_settlement.refund(
            info.context.service,
            decode_id(RETURN, input.id, "id"),
            input.note,
            input.expected_version,
            input.idempotency_key,
            input.adjustment.to_domain() if input.adjustment else None,
        )
        return ReturnPayload(return_=Return.of(refunded))

    @mutation(ReturnPayload, Permission.RETURNS_WRITE)
    async def return_reject(self, info: Info, input: ReturnRejectInput) -> ReturnPayload | None:  # noqa: A002
        """Give nothing back for a return that was looked at."""
        rejected = await return_settlement.reject(
            info.context.service, decode_id(RETURN, input.id, "id"), input.note, input.expected_version
        )
        return ReturnPayload(return_=Return.of(rejected))


@strawberry.type
class ReturnsSubscription:
    """Subscriptions to returns."""

    @subscription(TOKEN)
    async def return_updated(
        self,
        info: Info,
        ref: OrderRef,
        id: strawberry.ID | None = None,  # noqa: A002
        after: str | None = None,
    ) -> AsyncGenerator[ReturnEvent]:
        """The returns of an order, or the one with this id, for whoever may see the order."""
        service = info.context.service
        named = ref.to_domain("ref")
        wanted = None if id is None else decode_id(RETURN, id, "id")
        order_id = (await orders.get(service, named)).id

        def tells(event: FeedEvent) -> bool:
            told = return_told(event.payload)
            return told is not None and wanted in {None, told}

        async with info.context.events(after, aggregate="order", aggregate_id=order_id, only=tells) as events:
            async for event in events:
                # The token may have been revoked since.
                await patiently(lambda: orders.get(service, named))
                yield ReturnEvent.of(event)


async def _decided(info: Info, given: ReturnDecideInput, *, approve: bool) -> ReturnPayload:
    decided = await returns.decide_on(
        info.context.service,
        decode_id(RETURN, given.id, "id"),
        approve=approve,
        note=given.note,
        expected_version=given.expected_version,
    )
    return ReturnPayload(return_=Return.of(decided))
