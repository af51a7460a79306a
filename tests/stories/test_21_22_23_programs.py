"""Stories 21, 22 and 23: programs on other people's packages. They live in tests/integrations (`make integrations`).

What those packages are is installed in an environment of its own, so here stands only that each story has its programs.
"""
import ast
from pathlib import Path

import pytest

INTEGRATIONS = Path(__file__).resolve().parent.parent / "integrations"
PROGRAMS = {
    21: ("test_web_frameworks.py", {"starlette_app", "quart_app", "aiohttp_app"}),
    22: ("test_sqlalchemy.py", {"test_the_driver_is_ours", "test_objects_with_relations_are_written_and_read"}),
    23: ("test_tortoise.py", {"test_objects_are_created_found_changed_and_deleted"}),
}


@pytest.mark.parametrize("story", PROGRAMS)
def test_the_story_is_told_by_an_integration(story):
    name, expected = PROGRAMS[story]
    tree = ast.parse((INTEGRATIONS / name).read_text(encoding="utf-8"))
    assert expected <= {node.name for node in ast.walk(tree)
                        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
