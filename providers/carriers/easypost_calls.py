"""Asking EasyPost: what it refuses, and what it never said."""

from typing import Final

import structlog
from easypost.errors.api.api_error import ApiError
from easypost.errors.api.bad_request_error import BadRequestError
from easypost.errors.api.forbidden_error import ForbiddenError
from easypost.errors.api.invalid_request_error import InvalidRequestError
from easypost.errors.api.not_found_error import NotFoundError
from easypost.errors.api.payment_error import PaymentError
from easypost.errors.api.unauthorized_error import UnauthorizedError
from easypost.errors.general.easypost_error import EasyPostError

from domain.carrier_ports import CarrierRefused, CarrierUnavailable

# It said no, but to what it may have begun or cannot say: the label may be bought all the same.
_UNDECIDED: Final = frozenset(
    {
        "SHIPMENT.PURCHASE.IN_PROGRESS",
        "SHIPMENT.POSTAGE.TIMED_OUT",
        "SHIPMENT.POSTAGE.NO_RESPONSE",
    }
)
_NOT_FOUND: Final = "NOT_FOUND"
_LONGEST_MESSAGE: Final = 500

_log = structlog.get_logger(__name__)


def raised(error: EasyPostError) -> CarrierRefused | CarrierUnavailable:
    """Return what to raise for an error of the library."""
    # The error itself repeats bodies, which hold what is nobody's business.
    kind = type(error).__name__
    if not isinstance(error, ApiError):
        _log.info("easypost_did_not_answer", kind=kind)
        return CarrierUnavailable()
    code = error.code or ""
    if isinstance(error, UnauthorizedError | ForbiddenError):
        _log.error("easypost_does_not_take_our_key", kind=kind, code=code)
        return CarrierUnavailable()
    if isinstance(error, NotFoundError):
        return CarrierRefused(_NOT_FOUND, "EasyPost does not know it")
    is_refusal = isinstance(error, BadRequestError | InvalidRequestError | PaymentError)
    if not is_refusal or code in _UNDECIDED:
        _log.info("easypost_did_not_decide", kind=kind, code=code, status=error.http_status)
        return CarrierUnavailable()
    _log.warning("easypost_refused", kind=kind, code=code)
    return CarrierRefused(code or kind, str(error.message or "")[:_LONGEST_MESSAGE] or "EasyPost refused it")


def is_code(refused: CarrierRefused, code: str) -> bool:
    """Say whether a refusal is this one."""
    return refused.code == code
