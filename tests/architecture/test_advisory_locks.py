"""Advisory locks of different purposes have different numbers: one database has one space of them."""

import re
from collections import Counter

from tests.architecture.source import sources

_NUMBER = re.compile(r"\b7_?021_?946_?(\d{3})\b")


def test_no_two_purposes_share_a_number() -> None:
    found = Counter(match for source in sources() for match in _NUMBER.findall(source.text))

    assert len(found) >= 3
    assert [number for number, times in found.items() if times > 1] == []
