"""Bins come from a file: all of it or nothing, and what is wrong is named by line and column."""

from pathlib import Path
from typing import Any

import pytest

from domain.bins import Bin
from domain.catalog_import import ImportRefused
from domain.kernel.errors import AccessDenied
from persistence.database import Database
from services import bin_imports, bins
from services.access import ANONYMOUS
from tests.cart_flows import run_sql
from tests.commands import ordertide
from tests.factories import make_context, make_location


def row(location: str, code: str, zone: str = "A", position: object = 1) -> dict[str, Any]:
    return {"location": location, "code": code, "zone": zone, "position": position}


async def bins_of(database: Database, location: str) -> list[Bin]:
    return await bins.page(make_context(database), location, "", 50)


async def test_bins_are_created_and_changed_and_the_same_file_changes_nothing(database: Database) -> None:
    place = await make_location(database)
    await bins.save(make_context(database), place.code, "A-1", "A", 7)
    rows = [row(place.code, "A-1", position="1"), row(place.code, "A-2", zone=" B ", position=2)]
    seen: list[tuple[int, int]] = []
    context = make_context(database)

    tried = await bin_imports.run(context, enumerate(rows, 2), dry_run=True)
    assert (tried.created, tried.changed, tried.dry_run) == (1, 1, True)
    assert [one.position for one in await bins_of(database, place.code)] == [7]

    done = await bin_imports.run(context, enumerate(rows, 2), progress=lambda *told: seen.append(told))
    assert (done.read, done.created, done.changed) == (2, 1, 1)
    assert seen == [(2, 2)]
    found = await bins_of(database, place.code)
    assert [(one.code, one.zone, one.position, one.version) for one in found] == [
        ("A-1", "A", 1, 2),
        ("A-2", "B", 2, 1),
    ]
    again = await bin_imports.run(context, enumerate(rows, 2))
    assert (again.created, again.changed) == (0, 0)
    assert await bins_of(database, place.code) == found
    audited = await run_sql(database, "SELECT count(*) AS units FROM audit_entries WHERE action = 'BinSaved'")
    assert audited[0].units == 3


async def test_every_wrong_row_is_named_and_nothing_is_imported(database: Database) -> None:
    place = await make_location(database)
    rows = [
        row(place.code, "A-1"),
        row(place.code, "A-1"),
        row("NOWHERE", "A-2"),
        row("", "A-3"),
        row(place.code, "no good"),
        row(place.code, "A-4", zone=" "),
        row(place.code, "A-5", position="first"),
        row(place.code, "A-6", position=-1),
    ]
    with pytest.raises(ImportRefused) as refused:
        await bin_imports.run(make_context(database), enumerate(rows, 2))
    assert [(error.row, error.column) for error in refused.value.errors] == [
        (3, "code"),
        (4, "location"),
        (5, "location"),
        (6, "code"),
        (7, "zone"),
        (8, "position"),
        (9, "position"),
    ]
    assert await bins_of(database, place.code) == []
    with pytest.raises(AccessDenied):
        await bin_imports.run(make_context(database, ANONYMOUS), [])


async def test_an_operator_imports_bins_from_a_file(
    database: Database, fresh_database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "bins.csv"
    file.write_text("Location,Code,Zone,Position,Note\nNOWHERE,A-1,A,1,x\n\nNOWHERE,A-2,A,,\n")
    refused = await ordertide(fresh_database_url, "import", "bins", str(file))
    assert refused.returncode == 2
    assert f"{file}:2: location: no location in use has this code" in refused.stderr
    assert f"{file}:4: position: must be a whole number" in refused.stderr
    assert "2 rows are wrong, nothing was imported" in refused.stderr
