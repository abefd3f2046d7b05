# SPDX-License-Identifier: Apache-2.0
"""The tour of README.md does what it says: its file and its commands, as they stand there but for the ports."""
import os
import pathlib
import re
import subprocess

from daemon import PortRange, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("BASCULE_BUILD", ROOT / "build")).resolve() / "src"
MUST_FAIL = {"bascule deploy web v3": 1}


def blocks():
    """(language, text) of the fenced blocks of the tour, without those that build bascule."""
    tour = (ROOT / "README.md").read_text().split("## Five minutes")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```$", tour, re.S | re.M)
    return [(language, text) for language, text in found if "meson" not in text]


def script(port, ports):
    """Every line of the tour, and after it a line "@@ STATUS LINE"."""
    lines = ["set -m"]
    for language, text in blocks():
        if language == "yaml":
            lines.append(f"cat >bascule.yaml <<'END'\n{text}ports: {ports}\nEND")
            continue
        for line in text.splitlines():
            lines.append(line)
            lines.append(f"printf '@@ %s %s\\n' $? {quoted(line)}")
            if line.startswith("bascule serve"):
                lines.append("until bascule status >/dev/null 2>&1; do sleep 0.05; done")
    lines.append("wait")
    return "\n".join(lines).replace("8080", str(port))


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def test_the_tour_of_the_readme_does_what_it_says(tmp_path):
    ports = PortRange()
    environment = dict(os.environ, PATH=f"{PROGRAMS}:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-c", script(free_port(), ports)], cwd=tmp_path, env=environment, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    results = re.findall(r"^@@ (\d+) (.*)$", done.stdout, re.M)
    assert len(results) > 20, done.stdout
    for status, line in results:
        assert int(status) == MUST_FAIL.get(line, 0), f"{line}: status {status}\n{done.stdout}"
    assert re.search(r"^hello from v1\n@@ 0 curl", done.stdout, re.M), done.stdout
    ports.close()
    assert not (tmp_path / "shop/state/api.sock").exists(), "the daemon has stopped"
