"""How the demo shop takes its money: VAT, a code, a rule for large orders, and when it captures.

Made once, when the channel has no tax rate: what is there already is left as it is.
"""

from decimal import Decimal

from app.demo_shop import shop_data
from domain.approvals import RuleKind
from domain.channels import CapturePolicy, ChannelChanges
from domain.discounts import DiscountKind
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Amount
from services import approvals, channels, discounts, taxes
from services.approvals import RuleChanges
from services.context import ServiceContext
from services.discounts import DiscountChanges
from services.taxes import RateDraft

CODE = "WELCOME10"
"""A discount that anybody may use."""

REVIEW_FROM = Decimal(1_000)
"""Orders of so many pounds or more wait for staff."""

_VAT_PERCENT = Decimal(20)


async def set_up(context: ServiceContext, channel_slug: str) -> bool:
    """Set prices, taxes and rules of the shop's channel; says whether there was anything to do."""
    channel, rates = await taxes.list_rates(context, channel_slug, None)
    if rates:
        return False
    # Prices are the file's, so that what shoppers pay is too: the tax is in them.
    changes = ChannelChanges(capture_policy=CapturePolicy.AT_PLACEMENT, prices_include_tax=True)
    await channels.update(context, channel.id, changes)
    welcome = DiscountChanges(name="Welcome", percent=Decimal(10), usage_limit_per_customer=1)
    try:
        await discounts.create(context, channel_slug, DiscountKind.PERCENTAGE, CODE, welcome)
    except InvalidInput as error:
        if error.path != ("code",):  # it is there: a start was cut short, or staff have deleted all rates
            raise
    if not (await approvals.list_rules(context, channel_slug))[1]:
        large = RuleChanges(amount_from=Amount(REVIEW_FROM, shop_data.CURRENCY))
        await approvals.create(context, channel_slug, RuleKind.AMOUNT_FROM, large)
    # Last, because it says that all of it is there.
    await taxes.set_rate(
        context, RateDraft(channel_slug, "GB", "VAT", _VAT_PERCENT, applies_to_shipping=True)
    )
    return True
