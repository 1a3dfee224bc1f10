"""What a channel says of the messages to its customers: checked as it comes from outside."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput
from domain.notifications import NotificationKind

MAX_URL_LENGTH = 1000
"""Longest storefront URL, in characters."""

_PLACEHOLDER = re.compile(r"{[^{}]*}")
_PLACEHOLDERS = frozenset({"{number}", "{token}"})
# What URLs are written with (RFC 3986), and our placeholders' braces.
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%{}]+")
_ZONES = frozenset(available_timezones())


def check_storefront_url(url: str | None) -> str | None:
    """Return where customers follow an order; raises InvalidInput naming storefrontUrl.

    It is an http or https URL in which {number} and {token} stand for the order's.
    """
    if url is None:
        return None
    url = url.strip()
    if len(url) > MAX_URL_LENGTH:
        raise InvalidInput(f"must be at most {MAX_URL_LENGTH} characters", "storefrontUrl")
    try:
        parsed = urlsplit(url)
        named = parsed.scheme in {"http", "https"} and parsed.hostname and not parsed.username
    except ValueError:
        named = False
    placeholders = set(_PLACEHOLDER.findall(url))
    rest = _PLACEHOLDER.sub("", url)
    if not named or not _URL.fullmatch(url) or "{" in rest or "}" in rest:
        raise InvalidInput("write it as https://host/path?order={token}", "storefrontUrl")
    if not placeholders <= _PLACEHOLDERS:
        raise InvalidInput("only {number} and {token} are filled in", "storefrontUrl")
    return url


def check_reply_to(email: str | None) -> str | None:
    """Return the address that answers go to; raises InvalidInput naming replyTo."""
    return None if email is None else check_email(email, "replyTo")


def check_time_zone(zone: str) -> str:
    """Return an IANA time zone; raises InvalidInput naming timeZone."""
    if zone not in _ZONES:
        raise InvalidInput("is not a time zone such as Europe/Berlin", "timeZone")
    return zone


def check_muted(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds of notifications that are not sent, each once, in the order they are declared."""
    muted = set(kinds)
    return tuple(kind.value for kind in NotificationKind if kind.value in muted)
