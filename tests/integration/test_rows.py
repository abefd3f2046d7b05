# SPDX-License-Identifier: Apache-2.0
"""tests/rows.md names tests that exist."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "tests" / "rows.md").read_text()


def claims():
    """(row, file, test) of every test that the page names."""
    for section in PAGE.split("\n## ")[1:]:
        row, _, body = section.partition("\n")
        for entry in re.split(r"^- ", body, flags=re.M)[1:]:
            path, *names = re.findall(r"`([^`]+)`", entry)
            for name in names:
                yield row, path, name


def exists(path, name):
    """A function of that name is defined there."""
    file = ROOT / path
    begin = "def " if path.endswith(".py") else r"[\w\s\*]*\b"
    return file.is_file() and re.search(rf"^{begin}{re.escape(name)}\(", file.read_text(), re.M)


def test_every_test_that_a_row_names_exists():
    missing = [claim for claim in claims() if not exists(*claim[1:])]
    assert not missing


def test_a_row_names_a_test_once():
    named = list(claims())
    assert len(set(named)) == len(named)


def test_every_row_names_a_test_and_stands_there_once():
    rows = re.findall(r"^## (.*)$", PAGE, re.M)
    numbers = [row.split()[0] for row in rows]
    assert len(set(numbers)) == len(numbers)
    assert set(rows) == {row for row, _, _ in claims()}
