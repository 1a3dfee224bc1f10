"""Boxes as staff keep them."""

from typing import Any

import pytest

from persistence.database import Database
from services.access import Permission
from tests import factories

BOX = "id version name lengthMm widthMm heightMm ownWeightGrams maxWeightGrams"
SMALL = {"name": "Small", "lengthMm": 200, "widthMm": 150, "heightMm": 100}


def mutation(verb: str) -> str:
    return f"""
    mutation ($input: Box{verb}Input!) {{
      box{verb}(input: $input) {{ box {{ {BOX} }} userErrors {{ __typename path }} }}
    }}
    """


async def change(database: Database, verb: str, given: dict[str, Any]) -> dict[str, Any]:
    return dict((await factories.data_of(database, mutation(verb), {"input": given}))[f"box{verb}"])


async def boxes(database: Database) -> list[dict[str, Any]]:
    return list((await factories.data_of(database, f"{{ boxes {{ {BOX} }} }}"))["boxes"])


async def test_staff_add_change_and_archive_boxes(database: Database) -> None:
    box = (await change(database, "Create", {**SMALL, "ownWeightGrams": 80, "maxWeightGrams": 5_000}))["box"]
    assert {name: box[name] for name in SMALL} == SMALL
    changed = (await change(database, "Update", {"id": box["id"], "maxWeightGrams": None}))["box"]
    assert (changed["maxWeightGrams"], changed["ownWeightGrams"], changed["version"]) == (None, 80, 2)
    assert await boxes(database) == [changed]
    stale = await change(database, "Update", {"id": box["id"], "name": "S", "expectedVersion": 1})
    assert [error["__typename"] for error in stale["userErrors"]] == ["VersionConflictError"]
    assert (await change(database, "Archive", {"id": box["id"]}))["box"]["version"] == 3
    assert await boxes(database) == []
    again = await change(database, "Archive", {"id": box["id"]})
    assert [error["__typename"] for error in again["userErrors"]] == ["NotFoundError"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": " "}, ["name"]),
        ({"lengthMm": 0}, ["lengthMm"]),
        ({"widthMm": 10_001}, ["widthMm"]),
        ({"heightMm": -5}, ["heightMm"]),
        ({"ownWeightGrams": -1}, ["ownWeightGrams"]),
        ({"ownWeightGrams": 100, "maxWeightGrams": 100}, ["maxWeightGrams"]),
    ],
)
async def test_bad_input_names_its_field(database: Database, given: dict[str, Any], path: list[str]) -> None:
    answer = await change(database, "Create", {**SMALL, **given})
    assert [error["path"] for error in answer["userErrors"]] == [path]
    assert await boxes(database) == []


async def test_boxes_need_the_permission(database: Database) -> None:
    stranger = factories.make_app(Permission.CATALOG_WRITE)
    assert (await factories.execute(database, mutation("Create"), {"input": SMALL}, stranger)).errors
    assert (await factories.execute(database, "{ boxes { id } }", {}, stranger)).errors
