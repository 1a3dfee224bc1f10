"""Root fields of claims."""

from datetime import datetime

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import TOKEN, mutation, query
from api.scalars import decode_id
from api.schema.claim_changes import (
    CarrierChargePayload,
    ClaimApproveInput,
    ClaimArrivalDismissInput,
    ClaimCancelInput,
    ClaimChargeCarrierInput,
    ClaimCreateInput,
    ClaimDeclineInput,
    ClaimPayload,
    ClaimSettleCarrierInput,
)
from api.schema.claims import (
    CLAIM,
    KEY,
    NEWEST,
    CarrierCharge,
    CarrierClaims,
    Claim,
    ClaimConnection,
    ClaimStatus,
    ClaimWork,
)
from api.schema.orders import OrderRef
from domain.kernel.errors import NotFound
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import carrier_claims, claim_arrivals, claim_cancellations, claims
from services.access import Permission


@strawberry.type
class ClaimsQuery:
    """Queries of claims."""

    @query(TOKEN)
    async def order_claims(self, info: Info, ref: OrderRef) -> list[Claim] | None:
        """The claims of an order, oldest first, for whoever may see the order."""
        try:
            found = await claims.of_order(info.context.service, ref.to_domain("ref"))
        except NotFound:
            return None
        return [Claim.of(one) for one in found]

    @query(Permission.RETURNS_READ)
    async def claims(
        self,
        info: Info,
        status: ClaimStatus | None = None,  # type: ignore[valid-type]
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
        work: ClaimWork | None = None,  # type: ignore[valid-type]
    ) -> ClaimConnection | None:
        """Claims, newest first; with `work` those that need a person."""
        request = page_request(NEWEST, KEY, first, after)
        found = await claims.page(info.context.service, request.size, request.after, status, work)
        return ClaimConnection.of(found, request)

    @query(Permission.RETURNS_READ)
    async def carrier_claims(
        self,
        info: Info,
        carrier: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[CarrierClaims] | None:
        """What carriers were charged from `since` up to before `until`, by carrier and currency."""
        found = await carrier_claims.report(info.context.service, carrier, since, until)
        return [CarrierClaims.of(one) for one in found]


@strawberry.type
class ClaimsMutation:
    """Mutations of claims."""

    @mutation(ClaimPayload, TOKEN)
    async def claim_create(self, info: Info, input: ClaimCreateInput) -> ClaimPayload | None:  # noqa: A002
        """Claim units of a parcel that were lost, damaged, wrong or missing; it is judged at once."""
        made = await claims.create(
            info.context.service, input.ref.to_domain("ref"), input.to_wanted(), input.idempotency_key
        )
        return ClaimPayload(claim=Claim.of(made))

    @mutation(ClaimPayload, Permission.RETURNS_WRITE)
    async def claim_approve(self, info: Info, input: ClaimApproveInput) -> ClaimPayload | None:  # noqa: A002
        """Grant a claim that waits for staff: its units are sent again, or their money is given back."""
        approved = await claims.approve(
            info.context.service,
            decode_id(CLAIM, input.id, "id"),
            input.outcome,
            input.location_code,
            input.note,
            input.expected_version,
            input.idempotency_key,
        )
        return ClaimPayload(claim=Claim.of(approved))

    @mutation(ClaimPayload, Permission.RETURNS_WRITE)
    async def claim_decline(self, info: Info, input: ClaimDeclineInput) -> ClaimPayload | None:  # noqa: A002
        """Decline a claim that waits for staff."""
        declined = await claims.decline(
            info.context.service, decode_id(CLAIM, input.id, "id"), input.note, input.expected_version
        )
        return ClaimPayload(claim=Claim.of(declined))

    @mutation(ClaimPayload, TOKEN)
    async def claim_cancel(self, info: Info, input: ClaimCancelInput) -> ClaimPayload | None:  # noqa: A002
        """Withdraw a claim while nothing was sent or paid for it: its units may be claimed or returned."""
        canceled = await claim_cancellations.cancel(
            info.context.service,
            input.ref.to_domain("ref") if input.ref else None,
            decode_id(CLAIM, input.id, "id"),
            input.reason,
            input.expected_version,
        )
        return ClaimPayload(claim=Claim.of(canceled))

    @mutation(ClaimPayload, Permission.RETURNS_WRITE)
    async def claim_arrival_dismiss(
        self,
        info: Info,
        input: ClaimArrivalDismissInput,  # noqa: A002
    ) -> ClaimPayload | None:
        """Say that the arrival of what was claimed as lost has been seen to."""
        seen = await claim_arrivals.dismiss(
            info.context.service, decode_id(CLAIM, input.id, "id"), input.note, input.expected_version
        )
        return ClaimPayload(claim=Claim.of(seen))

    @mutation(CarrierChargePayload, Permission.LEDGER_WRITE)
    async def claim_charge_carrier(
        self,
        info: Info,
        input: ClaimChargeCarrierInput,  # noqa: A002
    ) -> CarrierChargePayload | None:
        """Charge the carrier of a granted claim's parcel with its loss, once."""
        made = await carrier_claims.charge(
            info.context.service,
            decode_id(CLAIM, input.id, "id"),
            input.amount.to_domain(),
            input.reference,
            input.idempotency_key,
        )
        return CarrierChargePayload(charge=CarrierCharge.of(made))

    @mutation(CarrierChargePayload, Permission.LEDGER_WRITE)
    async def claim_settle_carrier(
        self,
        info: Info,
        input: ClaimSettleCarrierInput,  # noqa: A002
    ) -> CarrierChargePayload | None:
        """Record what the carrier paid for a claim, once and for all."""
        settled = await carrier_claims.settle(
            info.context.service,
            decode_id(CLAIM, input.id, "id"),
            input.paid.to_domain(),
            input.idempotency_key,
        )
        return CarrierChargePayload(charge=CarrierCharge.of(settled))
