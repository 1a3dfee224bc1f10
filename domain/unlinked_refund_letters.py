"""What a letter says of a refund without an order: how much was given back, and by what."""

from collections.abc import Mapping

from domain.channels import Channel, ChannelSettings
from domain.kernel.money import Money
from domain.letters import Letter
from domain.notifications import Notification
from domain.return_letters import ReturnLetter, Tender
from domain.unlinked_refunds import UnlinkedRefund, UnlinkedRefundMethod

# By hand it may be cash: the customer knows.
_TENDERS: Mapping[UnlinkedRefundMethod | None, Tender] = {
    UnlinkedRefundMethod.STORE_CREDIT: Tender.STORE_CREDIT,
    UnlinkedRefundMethod.PROVIDER: Tender.ELSEWHERE,
}


def refund_letter(
    notification: Notification, found: UnlinkedRefund, channel: Channel, settings: ChannelSettings
) -> Letter:
    """Return what is written of a paid refund; there is no order to be followed."""
    paid = Money(found.paid_minor, found.currency)
    tender = _TENDERS.get(found.method)
    said = ReturnLetter(found.number, total=paid, tenders=((tender, paid),) if tender else ())
    return Letter(
        notification.kind,
        notification.locale,
        settings.time_zone,
        channel.name,
        found.number,
        found.created_at,
        returned=said,
    )
