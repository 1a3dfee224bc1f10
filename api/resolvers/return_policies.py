"""Root fields of the rules of returns."""

from datetime import datetime
from uuid import UUID

import strawberry

from api.context import Info
from api.pagination import page_request
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.return_policies import (
    FLAG,
    NEWEST,
    OLDEST,
    POLICY,
    FraudFlag,
    FraudFlagConnection,
    FraudFlagCreateInput,
    FraudFlagPayload,
    FraudFlagRemoveInput,
    FraudFlagRemovePayload,
    ReturnPolicy,
    ReturnPolicyConnection,
    ReturnPolicyPayload,
    ReturnPolicyRemoveInput,
    ReturnPolicyRemovePayload,
    ReturnPolicySetInput,
    ReturnRule,
    ReturnRuleSetInput,
    ReturnRuleSetPayload,
)
from domain.kernel.pages import DEFAULT_PAGE_SIZE
from services import return_policies
from services.access import Permission


@strawberry.type
class ReturnPoliciesQuery:
    """Queries of the rules of returns."""

    @query(Permission.RETURNS_READ)
    async def return_policies(
        self,
        info: Info,
        channel: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> ReturnPolicyConnection | None:
        """What may come back and on what terms; with a channel's slug only what holds there."""
        request = page_request(OLDEST, (UUID,), first, after)
        key = request.after[0] if request.after else None
        found = await return_policies.policies(info.context.service, request.size, key, channel)
        return ReturnPolicyConnection.of(found, request)

    @query(Permission.RETURNS_READ)
    async def return_rules(self, info: Info) -> list[ReturnRule] | None:
        """What follows from each check of a verdict."""
        return [ReturnRule.of(one) for one in await return_policies.rules(info.context.service)]

    @query(Permission.RETURNS_READ)
    async def fraud_flags(
        self,
        info: Info,
        email: str | None = None,
        first: int | None = DEFAULT_PAGE_SIZE,
        after: str | None = None,
    ) -> FraudFlagConnection | None:
        """Proven frauds, newest first; those of one address."""
        request = page_request(NEWEST, (datetime, UUID), first, after)
        found = await return_policies.flags(info.context.service, request.size, request.after, email)
        return FraudFlagConnection.of(found, request)


@strawberry.type
class ReturnPoliciesMutation:
    """Mutations of the rules of returns."""

    @mutation(ReturnPolicyPayload, Permission.RETURNS_WRITE)
    async def return_policy_set(self, info: Info, input: ReturnPolicySetInput) -> ReturnPolicyPayload | None:  # noqa: A002
        """Say what may come back of an item, a tag, a channel or everything, and on what terms."""
        stored = await return_policies.set_policy(
            info.context.service, input.to_scope(), input.to_changes(), input.expected_version
        )
        return ReturnPolicyPayload(policy=ReturnPolicy.of(stored))

    @mutation(ReturnPolicyRemovePayload, Permission.RETURNS_WRITE)
    async def return_policy_remove(
        self,
        info: Info,
        input: ReturnPolicyRemoveInput,  # noqa: A002
    ) -> ReturnPolicyRemovePayload | None:
        """Forget a policy."""
        await return_policies.remove_policy(
            info.context.service, decode_id(POLICY, input.id, "id"), input.expected_version
        )
        return ReturnPolicyRemovePayload(removed_id=input.id)

    @mutation(ReturnRuleSetPayload, Permission.RETURNS_WRITE)
    async def return_rule_set(self, info: Info, input: ReturnRuleSetInput) -> ReturnRuleSetPayload | None:  # noqa: A002
        """Say what shall follow from a check of verdicts, from now on."""
        found = await return_policies.set_rule(info.context.service, input.check, input.decision)
        (rule,) = (one for one in found if one.check is input.check)
        return ReturnRuleSetPayload(rule=ReturnRule.of(rule))

    @mutation(FraudFlagPayload, Permission.RETURNS_WRITE)
    async def fraud_flag_create(self, info: Info, input: FraudFlagCreateInput) -> FraudFlagPayload | None:  # noqa: A002
        """Note a fraud of a customer that is proven: staff look at their returns from now on."""
        made = await return_policies.flag_fraud(info.context.service, input.email, input.note)
        return FraudFlagPayload(fraud_flag=FraudFlag.of(made))

    @mutation(FraudFlagRemovePayload, Permission.RETURNS_WRITE)
    async def fraud_flag_remove(
        self,
        info: Info,
        input: FraudFlagRemoveInput,  # noqa: A002
    ) -> FraudFlagRemovePayload | None:
        """Take back what was noted as a fraud."""
        await return_policies.unflag_fraud(info.context.service, decode_id(FLAG, input.id, "id"))
        return FraudFlagRemovePayload(removed_id=input.id)
