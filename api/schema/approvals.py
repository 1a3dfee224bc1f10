"""GraphQL types of rules of approval."""

import strawberry

from api.errors import UserError
from api.scalars import encode_id
from api.schema.channels import Channel
from api.schema.values import Money, MoneyInput, given, given_domain
from domain import approvals as domain
from domain.channels import Channel as DomainChannel
from services.approvals import RuleChanges

ApprovalRuleKind = strawberry.enum(
    domain.RuleKind, name="ApprovalRuleKind", description="What a rule of approval looks at."
)
ApprovalRuleAction = strawberry.enum(
    domain.RuleAction, name="ApprovalRuleAction", description="What becomes of an order that a rule finds."
)
ApprovalIdentity = strawberry.enum(
    domain.Identity,
    name="ApprovalIdentity",
    description="By what two orders count as the same shopper's.",
)


@strawberry.type(
    description="Which orders of a channel wait for a person, or are turned down. Of the parameters it has "
    "those of its kind, the others are null."
)
class ApprovalRule:
    """One rule of a channel."""

    id: strawberry.ID
    version: int
    channel: Channel
    kind: ApprovalRuleKind  # type: ignore[valid-type]
    action: ApprovalRuleAction  # type: ignore[valid-type]
    priority: int = strawberry.field(description="The order in which reasons are told, lowest first.")
    active: bool
    amount_from: Money | None = strawberry.field(description="AMOUNT_FROM, FIRST_ORDER: this total or more.")
    countries: list[str] | None = strawberry.field(description="SHIPPING_COUNTRY: any of these.")
    orders_from: int | None = strawberry.field(description="VELOCITY: so many other orders, or more.")
    within_minutes: int | None = strawberry.field(description="VELOCITY: within so long.")
    counted_by: list[ApprovalIdentity] | None = strawberry.field(  # type: ignore[valid-type]
        description="VELOCITY: by any of these, each counted by itself; null: by all."
    )
    score_from: int | None = strawberry.field(
        description="PROVIDER_RISK: a score of this or more, 0 to 100; null: when the provider wishes it."
    )

    @classmethod
    def of(cls, rule: domain.ApprovalRule, channel: DomainChannel) -> "ApprovalRule":
        """Return the GraphQL form of a channel's rule."""
        amount = rule.amount_from_minor
        counted = rule.counted_by
        return cls(
            id=encode_id("ApprovalRule", rule.id),
            version=rule.version,
            channel=Channel.of(channel),
            kind=rule.kind,
            action=rule.action,
            priority=rule.priority,
            active=rule.active,
            amount_from=None if amount is None else Money.of_minor(amount, channel.currency),
            countries=None if rule.countries is None else sorted(rule.countries),
            orders_from=rule.orders_from,
            within_minutes=rule.within_minutes,
            counted_by=None if counted is None else [domain.Identity(one) for one in sorted(counted)],
            score_from=rule.score_from,
        )


@strawberry.input(description="Which parameters a rule needs follows from its kind.")
class ApprovalRuleCreateInput:
    """A new rule of a channel."""

    channel: str
    kind: ApprovalRuleKind  # type: ignore[valid-type]
    action: ApprovalRuleAction  # type: ignore[valid-type]
    priority: int = 0
    active: bool = True
    amount_from: MoneyInput | None = None
    countries: list[str] | None = None
    orders_from: int | None = None
    within_minutes: int | None = None
    counted_by: list[ApprovalIdentity] | None = None  # type: ignore[valid-type]
    score_from: int | None = None

    def to_changes(self) -> RuleChanges:
        """Return the fields of the new rule, still to be checked."""
        return RuleChanges(
            action=self.action,
            priority=self.priority,
            active=self.active,
            amount_from=self.amount_from.to_domain() if self.amount_from else None,
            countries=self.countries,
            orders_from=self.orders_from,
            within_minutes=self.within_minutes,
            counted_by=self.counted_by,
            score_from=self.score_from,
        )


@strawberry.input(description="What is left out stays as it is; the kind never changes.")
class ApprovalRuleUpdateInput:
    """Changes of a rule."""

    id: strawberry.ID
    action: strawberry.Maybe[ApprovalRuleAction]  # type: ignore[valid-type]
    priority: strawberry.Maybe[int]
    active: strawberry.Maybe[bool]
    amount_from: strawberry.Maybe[MoneyInput]
    countries: strawberry.Maybe[list[str]]
    orders_from: strawberry.Maybe[int]
    within_minutes: strawberry.Maybe[int]
    counted_by: strawberry.Maybe[list[ApprovalIdentity] | None]  # type: ignore[valid-type]
    score_from: strawberry.Maybe[int | None]
    expected_version: int | None = None

    def to_changes(self) -> RuleChanges:
        """Return what shall change, still to be checked."""
        return RuleChanges(
            action=given(self.action),
            priority=given(self.priority),
            active=given(self.active),
            amount_from=given_domain(self.amount_from),
            countries=given(self.countries),
            orders_from=given(self.orders_from),
            within_minutes=given(self.within_minutes),
            counted_by=given(self.counted_by),
            score_from=given(self.score_from),
        )


@strawberry.input
class ApprovalRuleDeleteInput:
    """A rule to take away."""

    id: strawberry.ID
    expected_version: int | None = None


@strawberry.type
class ApprovalRulePayload:
    """A rule, or why there is none."""

    approval_rule: ApprovalRule | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)
