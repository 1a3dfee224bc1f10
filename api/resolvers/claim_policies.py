"""Root fields of the limits of claims."""

from uuid import UUID

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.claim_policies import (
    OLDEST,
    POLICY,
    ClaimPolicy,
    ClaimPolicyConnection,
    ClaimPolicyPayload,
    ClaimPolicyRemoveInput,
    ClaimPolicyRemovePayload,
    ClaimPolicySetInput,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import claim_policies
from services.access import Permission


@strawberry.type
class ClaimPoliciesQuery:
    """Queries of the limits of claims."""

    @query(Permission.RETURNS_READ)
    async def claim_policies(
        self,
        info: Info,
        channel: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ClaimPolicyConnection | None:
        """How far claims are granted by themselves; with a channel's slug only what holds there."""
        request = page_request(OLDEST, (UUID,), first, after)
        key = request.after[0] if request.after else None
        found = await claim_policies.policies(info.context.service, request.size, key, channel)
        return ClaimPolicyConnection.of(found, request)


@strawberry.type
class ClaimPoliciesMutation:
    """Mutations of the limits of claims."""

    @mutation(ClaimPolicyPayload, Permission.RETURNS_WRITE)
    async def claim_policy_set(self, info: Info, input: ClaimPolicySetInput) -> ClaimPolicyPayload | None:  # noqa: A002
        """Say how far claims of a kind, in a channel, or all of them are granted by themselves."""
        stored = await claim_policies.set_policy(
            info.context.service, input.channel, input.kind, input.to_changes(), input.expected_version
        )
        return ClaimPolicyPayload(policy=ClaimPolicy.of(stored))

    @mutation(ClaimPolicyRemovePayload, Permission.RETURNS_WRITE)
    async def claim_policy_remove(
        self,
        info: Info,
        input: ClaimPolicyRemoveInput,  # noqa: A002
    ) -> ClaimPolicyRemovePayload | None:
        """Forget a policy of claims."""
        await claim_policies.remove_policy(
            info.context.service, decode_id(POLICY, input.id, "id"), input.expected_version
        )
        return ClaimPolicyRemovePayload(removed_id=input.id)
