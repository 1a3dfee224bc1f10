"""Where parcels arrive: the calendar of a place that is only known by its address.

Weekends and public holidays come from the `holidays` library, time zones from what Babel knows of
territories.
"""

from functools import lru_cache

import holidays as public_holidays
from babel.core import get_global

from domain.addresses import Address, region_key
from domain.calendars import MONDAY_TO_FRIDAY, WorkCalendar, holidays_code

_EVERY_DAY = frozenset(range(1, 8))

# Countries with several zones: the one most people live in, unless the region says better.
_MAIN_ZONES = {
    "AQ": "Antarctica/McMurdo", "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo", "CA": "America/Toronto", "CD": "Africa/Kinshasa", "CL": "America/Santiago",
    "CN": "Asia/Shanghai", "CY": "Asia/Nicosia", "DE": "Europe/Berlin", "EC": "America/Guayaquil",
    "ES": "Europe/Madrid", "FM": "Pacific/Pohnpei", "GL": "America/Nuuk", "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa", "KZ": "Asia/Almaty", "MH": "Pacific/Majuro", "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby", "PS": "Asia/Gaza", "PT": "Europe/Lisbon", "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv", "UM": "Pacific/Wake", "US": "America/New_York", "UZ": "Asia/Tashkent",
}  # fmt: skip
# By region as addresses have it, where its zone is not the main one; of two zones the western one, whose day
# ends later.
_REGION_ZONES = {
    "US": {
        "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
        "America/Denver": "CO ID MT NM UT WY",
        "America/Phoenix": "AZ",
        "America/Los_Angeles": "CA NV OR WA",
        "America/Anchorage": "AK",
        "Pacific/Honolulu": "HI",
        "America/Puerto_Rico": "PR VI",
        "Pacific/Guam": "GU MP",
        "Pacific/Pago_Pago": "AS",
    },
    "CA": {
        "America/Vancouver": "BC YT",
        "America/Edmonton": "AB NT",
        "America/Regina": "SK",
        "America/Winnipeg": "MB NU",
        "America/Halifax": "NB NS PE",
        "America/St_Johns": "NL",
    },
    "AU": {
        "Australia/Perth": "WA",
        "Australia/Adelaide": "SA",
        "Australia/Darwin": "NT",
        "Australia/Brisbane": "QLD",
    },
    "BR": {
        "America/Manaus": "AM MS MT RO RR",
        "America/Rio_Branco": "AC",
    },
}


@lru_cache(maxsize=4096)
def _calendar(country: str, region: str | None) -> WorkCalendar:
    return WorkCalendar(_zone(country, region), _working_days(country), holidays_code(country, region))


def calendar_of(address: Address) -> WorkCalendar:
    """Return the days on which parcels are brought to an address, in its time zone.

    Its country's working week and public holidays, those of its region where the library knows them.
    """
    region = region_key(address.country, address.region) if address.region else None
    # What is free text is no key of anything, and would fill the cache.
    known = region is not None and len(region) <= 3
    return _calendar(address.country, region.upper() if region and known else None)


def _zone(country: str, region: str | None) -> str:
    for zone, regions in _REGION_ZONES.get(country, {}).items():
        if region in regions.split():
            return zone
    zones: list[str] = get_global("territory_zones").get(country, [])
    return _MAIN_ZONES.get(country) or (zones[0] if zones else "UTC")


def _working_days(country: str) -> frozenset[int]:
    try:
        weekend = public_holidays.country_holidays(country).weekend
    except NotImplementedError:
        return MONDAY_TO_FRIDAY
    # The library counts from Monday 0; where it knows of no weekend, it has none.
    return _EVERY_DAY - {day + 1 for day in weekend}
