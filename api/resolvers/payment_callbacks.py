"""Root fields of payment callbacks."""

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.payment_callbacks import (
    KEY,
    OLDEST,
    PaymentCallback,
    PaymentCallbackConnection,
    PaymentCallbackPayload,
    PaymentCallbackResolveInput,
    PaymentCallbackState,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import payment_callbacks
from services.access import Permission


@strawberry.type
class PaymentCallbacksQuery:
    """Queries of payment callbacks."""

    @query(Permission.PAYMENTS_READ)
    async def payment_callbacks(
        self,
        info: Info,
        state: PaymentCallbackState | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> PaymentCallbackConnection | None:
        """What payment providers told by themselves, oldest first; state SET_ASIDE waits for a person."""
        request = page_request(OLDEST, KEY, first, after)
        found = await payment_callbacks.page(info.context.service, state, request.size, request.after)
        return PaymentCallbackConnection.of(found, request)


@strawberry.type
class PaymentCallbacksMutation:
    """Mutations of payment callbacks."""

    @mutation(PaymentCallbackPayload, Permission.PAYMENTS_WRITE)
    async def payment_callback_resolve(
        self,
        info: Info,
        input: PaymentCallbackResolveInput,  # noqa: A002
    ) -> PaymentCallbackPayload | None:
        """Take a callback off the list of those set aside, saying what was done; no payment changes."""
        callback = await payment_callbacks.resolve(
            info.context.service,
            decode_id("PaymentCallback", input.id, "id"),
            input.note,
            input.idempotency_key,
        )
        return PaymentCallbackPayload(payment_callback=PaymentCallback.of(callback))
