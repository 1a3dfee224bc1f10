"""A sample of real returns, replayed as all of them are by `bench/replay_online_retail.py`."""

from pathlib import Path

from bench._retail_data import load, read
from bench.replay_online_retail import play
from persistence.database import Database

SAMPLE = Path(__file__).parents[1] / "data" / "online_retail_returns.csv"


async def test_real_returns_equal_the_file_to_the_unit_and_the_penny(database: Database) -> None:
    books = load(read(SAMPLE))
    matched = sum(piece.units for note in books.notes for piece in note.matched)

    found = await play(database, books, tasks=4)

    assert not any(found["wrong"].values()), found["wrong"]
    assert (found["units"], found["returned_units"]) == (books.expected.total(), matched)
    assert 0 < found["unlinked_units"] == found["units"] - matched
    assert found["returned_minor"] + found["unlinked_minor"] == int(books.worth * 100)
