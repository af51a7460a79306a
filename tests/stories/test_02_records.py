"""Story 2: rows by name and by position, as dicts, as pydantic models, as JSON."""
import json

from pydantic import BaseModel

FIND = "SELECT id, name AS title, status FROM users WHERE id >= $1 AND status = $2 ORDER BY id"


class Post(BaseModel):
    id: int
    title: str
    status: str


async def test_rows_are_read_by_name_and_by_position(users):
    rows = await users.fetch(FIND, 1, "published")
    assert [row["title"] for row in rows] == ["Ann", "Bob"]
    assert [row[0] for row in rows] == [1, 2]
    assert [tuple(row) for row in rows] == [(1, "Ann", "published"), (2, "Bob", "published")]
    assert list(rows[0].keys()) == ["id", "title", "status"]


async def test_a_row_becomes_a_dict_a_pydantic_model_and_json(users):
    rows = await users.fetch(FIND, 1, "published")
    expected = {"id": 1, "title": "Ann", "status": "published"}
    assert dict(rows[0]) == expected
    assert Post.model_validate(dict(rows[0]), from_attributes=False) == Post(**expected)
    assert Post(**rows[0]) == Post(**expected)
    assert json.loads(json.dumps([dict(row) for row in rows]))[0] == expected


async def test_no_row_is_an_empty_list(users):
    assert await users.fetch(FIND, 100, "published") == []
