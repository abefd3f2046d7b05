# SPDX-License-Identifier: Apache-2.0
"""The pages: their links lead somewhere, and their commands are commands."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BASCULE_BUILD", ROOT / "build"))
PAGES = sorted(page for pattern in ("*.md", "docs/**/*.md", "examples/*/*.md", "tests/*.md")
               for page in ROOT.glob(pattern))


CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", CODE.sub("", page.read_text()))
    gone = [target for target in targets
            if "://" not in target and not (page.parent / target).exists()]
    assert not gone


def test_every_command_that_a_page_names_is_one():
    known = subprocess.run([BUILD / "src" / "bascule", "help"], capture_output=True, text=True,
                           timeout=30, check=True).stdout
    unknown = [(page.name, word) for page in PAGES for code in CODE.findall(page.read_text())
               for word in re.findall(r"(?:^ *|`)bascule ([a-z]+)", code, re.M)
               if not re.search(rf"^  {word}\b", known, re.M)]
    assert not unknown


def test_the_index_of_decisions_has_all_of_them():
    folder = ROOT / "docs" / "decisions"
    titles = [(page.read_text().splitlines()[0].lstrip("# "), page.name)
              for page in sorted(folder.glob("0*.md"))]
    index = re.findall(r"^- \[(.*)\]\((.*)\)$", (folder / "README.md").read_text(), re.M)
    assert index == titles
