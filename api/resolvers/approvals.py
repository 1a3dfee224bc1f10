"""Root fields of rules of approval."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation, query
from api.scalars import decode_id
from api.schema.approvals import (
    ApprovalRule,
    ApprovalRuleCreateInput,
    ApprovalRuleDeleteInput,
    ApprovalRulePayload,
    ApprovalRuleUpdateInput,
)
from services import approvals
from services.access import Permission


@strawberry.type
class ApprovalsQuery:
    """Queries of rules of approval."""

    @query(Permission.APPROVALS_WRITE)
    async def approval_rules(self, info: Info, channel: str) -> list[ApprovalRule] | None:
        """The rules of a channel, by priority; at most 50."""
        found, rules = await approvals.list_rules(info.context.service, channel)
        return [ApprovalRule.of(rule, found) for rule in rules]


@strawberry.type
class ApprovalsMutation:
    """Mutations of rules of approval."""

    @mutation(ApprovalRulePayload, Permission.APPROVALS_WRITE)
    async def approval_rule_create(
        self,
        info: Info,
        input: ApprovalRuleCreateInput,  # noqa: A002
    ) -> ApprovalRulePayload | None:
        """Add a rule to a channel: checkouts that begin from now on heed it."""
        channel, rule = await approvals.create(
            info.context.service, input.channel, input.kind, input.to_changes()
        )
        return ApprovalRulePayload(approval_rule=ApprovalRule.of(rule, channel))

    @mutation(ApprovalRulePayload, Permission.APPROVALS_WRITE)
    async def approval_rule_update(
        self,
        info: Info,
        input: ApprovalRuleUpdateInput,  # noqa: A002
    ) -> ApprovalRulePayload | None:
        """Change a rule; what it has found of orders stays as it was found."""
        rule_id = decode_id("ApprovalRule", input.id, "id")
        channel, rule = await approvals.update(
            info.context.service, rule_id, input.to_changes(), input.expected_version
        )
        return ApprovalRulePayload(approval_rule=ApprovalRule.of(rule, channel))

    @mutation(ApprovalRulePayload, Permission.APPROVALS_WRITE)
    async def approval_rule_delete(
        self,
        info: Info,
        input: ApprovalRuleDeleteInput,  # noqa: A002
    ) -> ApprovalRulePayload | None:
        """Take a rule away; returns it as it was. Reviews keep what it has found."""
        rule_id = decode_id("ApprovalRule", input.id, "id")
        channel, rule = await approvals.delete(info.context.service, rule_id, input.expected_version)
        return ApprovalRulePayload(approval_rule=ApprovalRule.of(rule, channel))
