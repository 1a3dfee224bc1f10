"""Root fields of what an exchange costs beyond what comes back for it."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import TOKEN, mutation, query
from api.scalars import decode_id
from api.schema.exchange_payments import ReturnExchange, ReturnExchangePayInput, ReturnExchangePayPayload
from api.schema.orders import Order, OrderRef
from api.schema.payments import Payment
from api.schema.returns import RETURN
from domain.kernel.errors import NotFound
from domain.payment_means import means_in
from services import exchange_payments


@strawberry.type
class ExchangePaymentsQuery:
    """Queries of what exchanges cost."""

    @query(TOKEN)
    async def return_exchange(
        self,
        info: Info,
        ref: OrderRef,
        id: strawberry.ID,  # noqa: A002
    ) -> ReturnExchange | None:
        """What is reserved instead of what comes back, and what of it is to be paid; null: nothing is."""
        named, return_id = ref.to_domain("ref"), decode_id(RETURN, id, "id")
        try:
            found = await exchange_payments.due(info.context.service, named, return_id)
        except NotFound:
            return None
        return None if found is None else ReturnExchange.of(found)


@strawberry.type
class ExchangePaymentsMutation:
    """Mutations of what exchanges cost."""

    @mutation(ReturnExchangePayPayload, TOKEN)
    async def return_exchange_pay(
        self,
        info: Info,
        input: ReturnExchangePayInput,  # noqa: A002
    ) -> ReturnExchangePayPayload | None:
        """Pay what an exchange costs beyond what comes back for it; paid in full, it may leave."""
        made = await exchange_payments.pay(
            info.context.service,
            input.ref.to_domain("ref"),
            decode_id(RETURN, input.id, "id"),
            input.payment.provider,
            input.payment.method,
            input.idempotency_key,
            means_in(input.payment.token, input.payment.return_url, input.payment.reference),
        )
        return ReturnExchangePayPayload(
            order=Order.of(made.order), payment=Payment.of(made.payment, made.action)
        )
