"""How far a shop lets claims be granted by themselves: worth, time, number, pictures; by kind and channel."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from domain.channels import Channel
from domain.claims import ClaimKind
from domain.kernel.changes import KEEP, Keep, kept
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Amount
from domain.return_policies import MAX_WINDOW_DAYS
from domain.return_policy_changes import amount_in

MAX_BY_ITSELF = 1000
"""Most claims of one buyer that a shop may let be granted by themselves."""


@dataclass(frozen=True, slots=True)
class ClaimPolicy:
    """The limits for what it covers: a kind, a channel, both, or (all None) every claim."""

    id: UUID | None = None
    channel_id: UUID | None = None
    kind: ClaimKind | None = None
    approve_most_minor: int | None = None
    """Up to this worth of all claims of an order, in minor units of its currency, nobody needs to look.

    None: up to what the return policies of its lines refund by themselves.
    """
    silent_days: int = 10
    """A parcel that nobody has scanned for so many days is taken for lost."""
    report_within_days: int = 14
    """What is wrong with a parcel is told within so many days of its arrival, or a person looks at it."""
    most_by_itself: int = 1
    """Claims of one buyer's orders that are granted by themselves; from the next on a person looks."""
    needs_photos: bool = True
    """Whether a person looks at what arrived otherwise than it should and is not shown in pictures."""
    version: int = 1

    @property
    def rank(self) -> tuple[bool, bool]:
        """How closely it fits: a kind's before that of every kind, then a channel's."""
        return (self.kind is not None, self.channel_id is not None)


SHOP_DEFAULT = ClaimPolicy()
"""Where a shop has said nothing."""


@dataclass(frozen=True, slots=True)
class ClaimPolicyChanges:
    """What shall become of a policy; what is KEEP stays, or has its default where the policy is new."""

    approve_most: Amount | Keep = KEEP
    silent_days: int | Keep = KEEP
    report_within_days: int | Keep = KEEP
    most_by_itself: int | Keep = KEEP
    needs_photos: bool | Keep = KEEP


def policy_for(policies: Iterable[ClaimPolicy], channel_id: UUID, kind: ClaimKind) -> ClaimPolicy:
    """Return the policy that fits a claim closest: it holds alone and as a whole."""
    fitting = [one for one in policies if one.channel_id in {None, channel_id} and one.kind in {None, kind}]
    return max(fitting, key=lambda one: one.rank, default=SHOP_DEFAULT)


def changed(policy: ClaimPolicy, changes: ClaimPolicyChanges, channel: Channel | None) -> ClaimPolicy:
    """Return a policy as it shall be; raises InvalidInput naming the field.

    Amounts are of one currency, so only a policy of a channel has one.
    """
    after = replace(
        policy,
        approve_most_minor=amount_in(channel, changes.approve_most, policy.approve_most_minor, "approveMost"),
        silent_days=kept(changes.silent_days, policy.silent_days),
        report_within_days=kept(changes.report_within_days, policy.report_within_days),
        most_by_itself=kept(changes.most_by_itself, policy.most_by_itself),
        needs_photos=kept(changes.needs_photos, policy.needs_photos),
    )
    for name, value, fewest, most in (
        ("silentDays", after.silent_days, 1, MAX_WINDOW_DAYS),
        ("reportWithinDays", after.report_within_days, 0, MAX_WINDOW_DAYS),
        ("mostByItself", after.most_by_itself, 0, MAX_BY_ITSELF),
    ):
        if not fewest <= value <= most:
            raise InvalidInput(f"must be between {fewest} and {most}", name)
    return after
