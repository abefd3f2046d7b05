# SPDX-License-Identifier: Apache-2.0
"""`bascule init`: asked on a terminal or told by options, it writes a file that `config check` takes as it is."""
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BASCULE_BUILD", Path(__file__).resolve().parents[2] / "build"))
BASCULE = BUILD / "src" / "bascule"
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def run(folder, *words, **more):
    return subprocess.run([BASCULE, *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, **more)


@pytest.mark.parametrize("strategy", ["blue-green", "canary", "rolling", "recreate", "shadow", "ab"])
def test_every_strategy_makes_a_file_without_problems_or_warnings(tmp_path, strategy):
    made = run(tmp_path, "init", "--strategy", strategy, "--name", "shop", "--command", "./app", "--port", "8081")
    assert made.returncode == 0 and strategy in made.stdout
    checked = run(tmp_path, "config", "check")
    assert checked.returncode == 0 and checked.stderr == ""
    text = (tmp_path / "bascule.yaml").read_text()
    assert f"strategy: {strategy}" in text and "127.0.0.1:8081" in text and "\n  shop:\n" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_answers_choose_the_strategy_and_say_why(tmp_path):
    made = run(tmp_path, "init", "--answers", "no-downtime,tight-budget", "--json")
    told = json.loads(made.stdout)
    assert told["strategy"] == "rolling" and told["service"] == "web" and "batches" in told["because"]
    assert f"# rolling: {told['because']}." in (tmp_path / "bascule.yaml").read_text()


def test_a_file_that_is_there_is_replaced_only_when_told_to(tmp_path):
    file = tmp_path / "bascule.yaml"
    file.write_text("mine\n")
    refused = run(tmp_path, "init", "--strategy", "canary")
    assert refused.returncode == 2 and "bascule.yaml is there already; --force replaces it" in refused.stderr
    assert file.read_text() == "mine\n"
    assert run(tmp_path, "init", "--strategy", "canary", "--force").returncode == 0
    assert "strategy: canary" in file.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["bascule.yaml"]


@pytest.mark.parametrize("words, said", [
    ([], "give --answers or --strategy, or run it on a terminal"),
    (["--answers", "no-downtme"], "did you mean no-downtime?"),
    (["--answers", "no-downtime", "--strategy", "canary"], "--answers and --strategy: give one of them"),
    (["--strategy", "canary", "--name", "My Shop"], "services.My Shop"),
    (["--strategy", "canary", "--port", "70000"], "--port is a port up to 65535, not 70000"),
    (["--strategy", "canray"], "did you mean canary?"),
])
def test_what_makes_no_file_is_a_mistake_and_writes_nothing(tmp_path, words, said):
    refused = run(tmp_path, "init", *words)
    assert refused.returncode == 2 and said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def on_terminal(folder, answers):
    """What a terminal showed, and the exit status; each answer is typed when a question stands there."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(BASCULE, [str(BASCULE), "init"], {**ENVIRONMENT, "TERM": "xterm"})
    shown, answers = "", list(answers)
    while True:
        try:
            data = os.read(master, 4096).decode()
        except OSError:  # the terminal is gone with its last process
            break
        shown += data
        if shown.endswith("] "):
            os.write(master, (answers.pop(0) + "\n").encode() if answers else b"\x04")
    _, status = os.waitpid(child, 0)
    os.close(master)
    return shown, os.waitstatus_to_exitcode(status)


def test_on_a_terminal_it_asks_until_it_knows(tmp_path):
    shown, status = on_terminal(tmp_path, ["maybe", *["n"] * 20])
    assert status == 0 and "Please answer y or n." in shown
    assert "instant way back? [y/N]" in shown
    assert "strategy: blue-green" in (tmp_path / "bascule.yaml").read_text()


def test_a_yes_ends_the_questions_and_what_is_proposed_is_taken(tmp_path):
    shown, status = on_terminal(tmp_path, ["y", "", ""])
    assert status == 0 and shown.count("[y/N]") == 1
    assert "strategy: recreate" in (tmp_path / "bascule.yaml").read_text()
    assert run(tmp_path, "config", "check").returncode == 0


def test_questions_that_are_not_answered_write_nothing(tmp_path):
    shown, status = on_terminal(tmp_path, ["n"])
    assert status == 1 and "nothing was written" in shown
    assert list(tmp_path.iterdir()) == []
