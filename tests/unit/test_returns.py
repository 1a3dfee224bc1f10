"""What is decided about returns by itself, without a database."""

import pytest

from domain.returns import is_link


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
