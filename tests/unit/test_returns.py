"""What is decided about returns by itself, without a database."""

from dataclasses import replace

import pytest

from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.return_receipts import Look, inspect, receive
from domain.returns import Disposition, Grade, Return, ReturnStatus, is_link
from tests.return_cases import LINE, NOW, honest, line_of


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://a.example/1.jpg",
        "https://",
        "https:///etc/passwd",
        "https://shop.example@evil.example/1.jpg",
        "https://shop.example\\@evil.example",
        "https://a.example/\u202egpj.exe",
    ],
)
def test_links_to_pictures_are_what_they_look_like(link: str) -> None:
    assert not is_link(link)
    assert is_link("https://a.example/@me/1.jpg?size=2#a")


def test_units_are_missing_or_here_and_looked_at_once() -> None:
    found = line_of(honest(), quantity=3).found
    found, (line,) = replace(found, status=ReturnStatus.APPROVED), found.lines

    def seen(units: int, disposition: Disposition, grade: Grade = Grade.AS_NEW) -> Return:
        return inspect(found, [Look(line.id, units, disposition, grade)], NOW)[0]

    def here(units: int) -> Return:
        return receive(found, {line.id: units}, LINE, NOW)[0]

    found = seen(1, Disposition.MISSING)
    assert found.version == 2
    with pytest.raises(InvalidInput):
        here(3)
    found = here(1)
    assert (found.status, found.version, found.received_at) == (ReturnStatus.PARTIALLY_RECEIVED, 3, None)
    found = seen(1, Disposition.RESTOCKED)
    for units, disposition in ((1, Disposition.RESTOCKED), (2, Disposition.MISSING)):
        with pytest.raises(InvalidInput):
            seen(units, disposition)
    found = here(1)
    assert (found.status, found.version, found.received_at) == (ReturnStatus.RECEIVED, 5, NOW)
    with pytest.raises(InvalidInput):
        seen(1, Disposition.RESTOCKED, Grade.NOT_OURS)
    found = seen(1, Disposition.PROCESSING_REQUIRED, Grade.NOT_OURS)
    assert (found.status, found.version) == (ReturnStatus.INSPECTED, 6)
    (line,) = found.lines
    assert (line.quantity_received, line.quantity_accepted, line.quantity_missing) == (2, 1, 1)
    kept = replace(found, status=ReturnStatus.APPROVED, keeps_items=True)
    with pytest.raises(IllegalTransition):
        receive(kept, {line.id: 1}, LINE, NOW)
    with pytest.raises(IllegalTransition):
        inspect(kept, [], NOW)
