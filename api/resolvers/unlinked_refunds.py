"""Root fields of refunds without an order."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.unlinked_refund_changes import (
    UnlinkedRefundCreateInput,
    UnlinkedRefundDecideInput,
    UnlinkedRefundInspectInput,
    UnlinkedRefundLinkInput,
    UnlinkedRefundPayInput,
    UnlinkedRefundPayload,
    UnlinkedRefundPolicyPayload,
    UnlinkedRefundPolicySetInput,
    UnlinkedRefundReceiveInput,
)
from api.schema.unlinked_refund_reports import UnlinkedRefundReportRow
from api.schema.unlinked_refunds import (
    KEY,
    NEWEST,
    REFUND,
    UnlinkedRefund,
    UnlinkedRefundConnection,
    UnlinkedRefundPolicy,
    UnlinkedRefundStatus,
)
from domain import unlinked_refunds as domain
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import (
    unlinked_refund_links,
    unlinked_refund_payments,
    unlinked_refund_reports,
    unlinked_refunds,
)
from services.access import Permission

From = Annotated[datetime, strawberry.argument(name="from")]


@strawberry.type
class UnlinkedRefundsQuery:
    """Queries of refunds without an order."""

    @query(frozenset({Permission.REFUNDS_UNLINKED, Permission.REFUNDS_APPROVE}))
    async def unlinked_refunds(
        self,
        info: Info,
        status: UnlinkedRefundStatus | None = None,  # type: ignore[valid-type]
        channel: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> UnlinkedRefundConnection | None:
        """Refunds without an order, newest first; of one status, or of one channel (its slug).

        Who may only approve sees those that wait for it, and those that they have decided.
        """
        request = page_request(NEWEST, KEY, first, after)
        found = await unlinked_refunds.page(
            info.context.service, request.size, request.after, status, channel
        )
        return UnlinkedRefundConnection.of(found, request)

    @query(Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_providers(self, info: Info) -> list[str] | None:
        """The payment providers that give money to a card or account that they have no payment of."""
        return unlinked_refund_payments.providers(info.context.service)

    @query(frozenset({Permission.REFUNDS_UNLINKED, Permission.CHANNELS_WRITE}))
    async def unlinked_refund_policies(self, info: Info) -> list[UnlinkedRefundPolicy] | None:
        """The limits of all channels that have some; in the others a second person looks at each refund."""
        found = await unlinked_refunds.policies(info.context.service)
        return [UnlinkedRefundPolicy.of(one) for one in found]

    @query(Permission.REFUNDS_UNLINKED)
    async def unlinked_refunds_report(
        self, info: Info, from_: From, to: datetime, channel: str | None = None
    ) -> list[UnlinkedRefundReportRow] | None:
        """What refunds asked for from a moment up to before another amount to; at most 366 days, in UTC."""
        found = await unlinked_refund_reports.report(info.context.service, from_, to, channel)
        return [UnlinkedRefundReportRow.of(row) for row in found]


@strawberry.type
class UnlinkedRefundsMutation:
    """Mutations of refunds without an order."""

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_create(
        self,
        info: Info,
        input: UnlinkedRefundCreateInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Ask for money for goods whose sale is not in the books; a second person may have to approve."""
        made = await unlinked_refunds.create(info.context.service, input.to_wanted(), input.idempotency_key)
        return UnlinkedRefundPayload(unlinked_refund=UnlinkedRefund.of(made))

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_APPROVE)
    async def unlinked_refund_approve(
        self,
        info: Info,
        input: UnlinkedRefundDecideInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Approve a refund that somebody else has asked for."""
        return await _decided(info, input, domain.UnlinkedRefundStatus.APPROVED)

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_APPROVE)
    async def unlinked_refund_decline(
        self,
        info: Info,
        input: UnlinkedRefundDecideInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Decline a refund that waits for approval."""
        return await _decided(info, input, domain.UnlinkedRefundStatus.DECLINED)

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_cancel(
        self,
        info: Info,
        input: UnlinkedRefundDecideInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Give up a refund of whose goods nothing has come."""
        return await _decided(info, input, domain.UnlinkedRefundStatus.CANCELED)

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_receive(
        self,
        info: Info,
        input: UnlinkedRefundReceiveInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Count goods that came in, as often as some do: they are in quality control."""
        received = await unlinked_refunds.receive(
            info.context.service,
            decode_id(REFUND, input.id, "id"),
            input.location_code,
            input.to_units(),
            input.expected_version,
            input.idempotency_key,
        )
        return UnlinkedRefundPayload(unlinked_refund=UnlinkedRefund.of(received))

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_inspect(
        self,
        info: Info,
        input: UnlinkedRefundInspectInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Say how goods were found: what is good is on sale again."""
        seen = await unlinked_refunds.inspect(
            info.context.service,
            decode_id(REFUND, input.id, "id"),
            input.to_looks(),
            input.expected_version,
            input.idempotency_key,
        )
        return UnlinkedRefundPayload(unlinked_refund=UnlinkedRefund.of(seen))

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_pay(
        self,
        info: Info,
        input: UnlinkedRefundPayInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Give the money out, once all goods are looked at: as store credit, by hand, or by a provider.

        A provider that does not answer at once leaves it PAYING: its answer is found out by itself.
        """
        paid = await unlinked_refund_payments.pay(
            info.context.service,
            decode_id(REFUND, input.id, "id"),
            input.method,
            input.payment_reference,
            input.expected_version,
            input.idempotency_key,
            provider=input.provider,
            destination=input.destination,
        )
        return UnlinkedRefundPayload(unlinked_refund=UnlinkedRefund.of(paid))

    @mutation(UnlinkedRefundPayload, Permission.REFUNDS_UNLINKED)
    async def unlinked_refund_link(
        self,
        info: Info,
        input: UnlinkedRefundLinkInput,  # noqa: A002
    ) -> UnlinkedRefundPayload | None:
        """Link a paid refund to an order that was found after all: its units come back in no return.

        Needs `orders.read` too: the order has to be one that the actor may see.
        """
        linked = await unlinked_refund_links.link(
            info.context.service,
            decode_id(REFUND, input.id, "id"),
            input.ref.to_domain("ref"),
            input.expected_version,
            input.idempotency_key,
        )
        return UnlinkedRefundPayload(unlinked_refund=UnlinkedRefund.of(linked))

    @mutation(UnlinkedRefundPolicyPayload, Permission.CHANNELS_WRITE)
    async def unlinked_refund_policy_set(
        self,
        info: Info,
        input: UnlinkedRefundPolicySetInput,  # noqa: A002
    ) -> UnlinkedRefundPolicyPayload | None:
        """Set the limits of a channel's refunds without an order."""
        policy = await unlinked_refunds.set_policy(
            info.context.service,
            input.channel,
            input.four_eyes_above.to_domain(),
            None if input.most is None else input.most.to_domain(),
            None if input.most_per_day is None else input.most_per_day.to_domain(),
            None if input.alone_per_day is None else input.alone_per_day.to_domain(),
        )
        return UnlinkedRefundPolicyPayload(policy=UnlinkedRefundPolicy.of(policy))


async def _decided(
    info: Info, given: UnlinkedRefundDecideInput, wanted: domain.UnlinkedRefundStatus
) -> UnlinkedRefundPayload:
    decided = await unlinked_refunds.decide_on(
        info.context.service,
        decode_id(REFUND, given.id, "id"),
        wanted,
        given.note,
        given.expected_version,
    )
    return UnlinkedRefundPayload(unlinked_refund=UnlinkedRefund.of(decided))
