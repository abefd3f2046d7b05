# SPDX-License-Identifier: Apache-2.0
"""tools/tidy finds what it is there for, and accepts what is right."""
import pathlib
import subprocess
import sys

import pytest

TIDY = pathlib.Path(__file__).resolve().parents[2] / "tools" / "tidy"
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def tidy(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run([sys.executable, TIDY, "--root", root, *files], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout.splitlines()


def test_what_is_right_is_accepted_in_silence(tmp_path):
    function = "int f(void)\n{\n" + "    g();\n" * 68 + "}\n"
    assert tidy(tmp_path, {
        "src/core/a.c": LICENCE + '#include "base/text.h"\n#include "core/a.h"\n' + function,
        "src/adapters/b.c": LICENCE + '#include <sqlite3.h>\n#include "proxy/counters.h"\n',
        "src/main.c": LICENCE + '#include "adapters/b.h"\n',
        "docs/page.md": "no licence line here\n",
    }) == (0, [])


@pytest.mark.parametrize("name, text, wanted", [
    ("src/base/a.c", '#include "core/spec.h"\n', "2: src/base may not include core/spec.h"),
    ("src/core/a.c", '#include "ports/event.h"\n', "2: src/core may not include ports/event.h"),
    ("src/engine/a.c", '#include "adapters/x.h"\n', "2: src/engine may not include adapters/x.h"),
    ("src/adapters/a.c", '#include "proxy/worker.h"\n', "2: src/adapters may not include proxy/worker.h"),
    ("src/proxy/a.c", '#include "core/spec.h"\n', "2: src/proxy may not include core/spec.h"),
    ("src/shim/a.c", '#include "core/spec.h"\n', "2: src/shim may not include core/spec.h"),
    ("src/new/a.c", "int a;\n", "1: folder src/new is not in the table of layers of tools/tidy"),
    ("src/core/a.c", '#include "spec.h"\n', '2: "spec.h" is included without its folder'),
    ("src/proxy/a.c", "#include <curl/curl.h>\n", "2: src/proxy may not use the library of <curl/curl.h>"),
    ("src/supervisor/a.c", "#include <jansson.h>\n",
     "2: src/supervisor may not use the library of <jansson.h>"),
    ("src/base/a.c", "int f(void)\n{\n" + "    g();\n" * 69 + "}\n",
     "3: the function has 71 lines; 70 are allowed"),
    ("src/base/a.c", "int a;\n" * 600, "601: the file has 601 lines; 600 are allowed"),
    ("src/base/a.c", "int " + "a" * 96 + ";\n", "2: the line has 101 columns; 100 are allowed"),
    ("src/base/a.c", "x = strcpy(a, b);\n", "2: strcpy is banned"),
    ("src/base/a.c", "typedef struct a b;\n", "2: a struct is named, not a typedef"),
    ("src/base/a.c", "/* FIX" + "ME later */\n", "2: a leftover: FIX" + "ME"),
])
def test_a_violation_is_told_with_its_line(tmp_path, name, text, wanted):
    assert tidy(tmp_path, {name: LICENCE + text}) == (1, [f"{name}:{wanted}"])


@pytest.mark.parametrize("name", ["src/base/a.c", "tests/unit/a.h", "tools/a.py"])
def test_a_missing_licence_line_is_told(tmp_path, name):
    assert tidy(tmp_path, {name: "int a;\n"}) == (
        1, [f"{name}:1: the licence line (SPDX-License-Identifier: Apache-2.0) is missing"])


def test_only_code_is_looked_at_for_banned_calls(tmp_path):
    text = LICENCE + '/* strcpy(a, b) is\n * not sprintf(c) */\nconst char *a = "system(x)";\nint my_gets(b);\n'
    assert tidy(tmp_path, {"src/base/a.c": text}) == (0, [])
