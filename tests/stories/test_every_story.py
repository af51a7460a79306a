"""Each of the 35 stories has its test: the numbers stand in the names of the files."""
import re
from pathlib import Path


def test_no_story_is_missing():
    names = [path.name for path in Path(__file__).resolve().parent.glob("test_[0-9]*.py")]
    numbers = {int(number) for name in names for number in re.findall(r"_(\d\d)(?=_)", name)}
    assert numbers == set(range(1, 36))
