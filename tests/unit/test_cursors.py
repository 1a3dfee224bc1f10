"""Cursors as clients keep and send them back."""

from uuid import UUID

import pytest

from realtime.cursors import Cursor, InvalidCursor

EPOCH = UUID("0192f3a0-0000-7000-8000-00000000002a")


def test_reads_back_what_it_wrote() -> None:
    cursor = Cursor(EPOCH, 2**63 - 1)

    assert Cursor.parse(str(cursor)) == cursor


def test_texts_sort_as_sequences_do() -> None:
    texts = [str(Cursor(EPOCH, sequence)) for sequence in (0, 1, 9, 10, 255, 256, 10**6, 2**40)]

    assert texts == sorted(texts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        str(Cursor(EPOCH, 5))[:-1],
        str(Cursor(EPOCH, 5)) + "0",
        str(Cursor(EPOCH, 5)).replace("f", "F"),
        str(Cursor(EPOCH, 5)) + "\n",
        "g" * 48,
        "\uff10" * 48,
        "\0" * 48,
        EPOCH.hex + "8000000000000000",
        "f" * 10_000,
    ],
)
def test_refuses_what_it_never_wrote(text: str) -> None:
    with pytest.raises(InvalidCursor) as caught:
        Cursor.parse(text)

    assert caught.value.code == "BAD_USER_INPUT"
