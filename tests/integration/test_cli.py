# SPDX-License-Identifier: Apache-2.0
"""The command line without a daemon: mistakes, help, completion, configuration, who may not."""
import grp
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BASCULE_BUILD", Path(__file__).resolve().parents[2] / "build"))
BASCULE = BUILD / "src" / "bascule"

COMMANDS = ["deploy", "check", "switch", "rollback", "retry", "promote", "pause", "resume", "approve", "reject", "abort", "wait", "plan", "status", "history", "events", "logs",
            "why", "monitor", "report", "convert", "serve", "apply", "traffic", "lock", "unlock", "cleanup", "upgrade", "config", "init", "load", "version", "help", "completion"]
CLIENTS = [["deploy", "web", "v1"], ["check", "web"], ["switch", "web"], ["rollback", "web"], ["abort", "web"],
           ["wait", "r1"], ["plan", "web", "v1"], ["status"], ["history", "web"], ["events"], ["logs", "web"],
           ["why", "web"], ["monitor", "web"], ["apply"], ["traffic", "web", "hold"], ["promote", "web"], ["retry", "web"],
           ["pause", "web"], ["resume", "web"], ["approve", "web"], ["reject", "web"], ["report", "web"], ["convert", "web", "--user", "u", "--goal", "g"], ["lock", "web", "incident 42"],
           ["unlock", "web"], ["cleanup", "web"], ["upgrade"]]

CONFIG = """\
services:
  web:
    command: [python3, app.py]
    route: { path: / }
    health: { path: /health }
"""


def run(*words, env=None, binary=BASCULE, **more):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", **(env or {})}
    return subprocess.run([binary, *map(str, words)], env=environment, capture_output=True, text=True, timeout=30,
                          **more)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    by_option, by_command = run(command, "--help"), run("help", command)
    assert by_option.returncode == by_command.returncode == 0
    assert by_option.stdout == by_command.stdout
    assert f"bascule {command}" in by_option.stdout and "Examples:" in by_option.stdout


def test_help_without_a_command_lists_them_all():
    page = run("help")
    assert page.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in page.stdout


@pytest.mark.parametrize("words, said", [
    ([], "a command is missing"),
    (["deplyo", "web", "v1"], "did you mean deploy?"),
    (["deploy", "web"], "VERSION is missing"),
    (["deploy", "web", "v1", "--stag"], "did you mean --stage?"),
    (["status", "--stage"], "--stage does not go with status"),
    (["traffic", "web", "holt"], "did you mean hold?"),
    (["wait", "r1", "--timeout", "soon"], "--timeout"),
    (["help", "deplyo"], "did you mean deploy?"),
])
def test_a_wrong_line_is_explained_on_standard_error_with_status_2(words, said):
    wrong = run(*words)
    assert wrong.returncode == 2
    assert said in wrong.stderr
    assert wrong.stdout == ""


@pytest.mark.parametrize("words", CLIENTS, ids=lambda words: words[0])
def test_without_a_daemon_every_client_says_how_to_start_one_with_status_4(words, tmp_path):
    alone = run(*words, "--state", tmp_path)
    assert alone.returncode == 4
    assert f"no daemon answers at {tmp_path}/api.sock" in alone.stderr
    assert "bascule serve" in alone.stderr
    assert alone.stdout == ""


def test_a_socket_that_a_killed_daemon_left_is_given_two_seconds_and_no_more(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "api.sock"))
    began = time.monotonic()
    alone = run("status", env={"BASCULE_STATE": str(tmp_path)})
    assert alone.returncode == 4
    assert "no daemon answers" in alone.stderr
    assert 1.5 < time.monotonic() - began < 20


def test_a_state_directory_too_deep_for_a_socket_is_a_mistake_of_the_user(tmp_path):
    deep = run("status", "--state", tmp_path / ("x" * 120))
    assert deep.returncode == 2
    assert "107 bytes" in deep.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("mode, said", [(0o660, "Join the group"), (0o600, "another account")])
def test_who_may_not_use_the_socket_is_told_which_group_to_join(mode, said, tmp_path):
    group = grp.getgrnam("adm")
    folder = Path("/tmp") / f"bascule-test-{os.getpid()}-{mode:o}"
    folder.mkdir(mode=0o755)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "api.sock"))
            server.listen()
            os.chown(folder / "api.sock", 0, group.gr_gid)
            os.chmod(folder / "api.sock", mode)
            binary = shutil.copy(BASCULE, folder)  # the build folder may be closed to others
            refused = run("status", "--state", folder, binary=binary, user=65534, group=65534, extra_groups=[])
        assert refused.returncode == 4
        assert said in refused.stderr
        assert ("usermod -aG adm" in refused.stderr) == (mode == 0o660)
    finally:
        shutil.rmtree(folder)


def test_config_check_prints_every_problem_with_file_line_and_key(tmp_path):
    file = tmp_path / "bascule.yaml"
    file.write_text("services:\n  web:\n    comand: [a]\n    helth: {}\n")
    human = run("config", "check", "--config", file)
    assert human.returncode == 2
    assert f"{file}:3: services.web.comand: " in human.stderr and "did you mean" in human.stderr
    assert f"{file}:4: services.web.helth: " in human.stderr and "did you mean" in human.stderr
    machine = run("--json", "config", "check", env={"BASCULE_CONFIG": str(file)})
    assert machine.returncode == 2
    answer = json.loads(machine.stdout)
    assert answer["valid"] is False
    assert {problem["line"] for problem in answer["problems"]} >= {3, 4}


def test_config_check_reads_bascule_yaml_of_this_folder_by_default(tmp_path):
    assert run("config", "check", cwd=tmp_path).returncode == 2
    (tmp_path / "bascule.yaml").write_text(CONFIG)
    good = run("config", "check", cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "1 service" in good.stdout
    assert json.loads(run("config", "check", "--json", cwd=tmp_path).stdout) == {"valid": True, "problems": [], "warnings": []}


def test_config_reference_and_schema_need_no_file(tmp_path):
    assert "services" in run("config", "reference", cwd=tmp_path).stdout
    assert json.loads(run("config", "schema", cwd=tmp_path).stdout)["type"] == "object"


def test_serve_starts_nothing_with_a_wrong_configuration(tmp_path):
    file = tmp_path / "bascule.yaml"
    file.write_text("services: { web: { comand: [a], helth: 1 } }\n")
    refused = run("serve", "--config", file, "--state", tmp_path / "state")
    assert refused.returncode == 2
    assert "comand" in refused.stderr and "helth" in refused.stderr
    assert not (tmp_path / "state").exists()


def test_serve_names_the_program_that_is_missing(tmp_path):
    (tmp_path / "bascule.yaml").write_text(CONFIG)
    refused = run("serve", cwd=tmp_path, env={"BASCULE_LIBEXEC": str(tmp_path)})
    assert refused.returncode != 0
    assert f"{tmp_path}/bascule-supervisor" in refused.stderr


def test_serve_passes_whole_paths_to_the_supervisor(tmp_path):
    (tmp_path / "bascule.yaml").write_text(CONFIG)
    for name in ["bascule-supervisor", "bascule-proxy", "bascule-shim"]:
        program = tmp_path / name
        program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
        program.chmod(0o755)
    served = run("serve", "--state", "state", cwd=tmp_path, env={"BASCULE_LIBEXEC": str(tmp_path)})
    assert served.stdout.splitlines() == ["--state", f"{tmp_path}/state", "--config", f"{tmp_path}/bascule.yaml",
                                          "--libexec", str(tmp_path), "--controller", str(BASCULE.resolve())]


def test_version_needs_no_daemon(tmp_path):
    human = run("version", "--state", tmp_path)
    assert human.returncode == 0 and human.stdout.startswith("bascule ")
    assert human.stdout == run("--version", "--state", tmp_path).stdout
    assert json.loads(run("version", "--json", "--state", tmp_path).stdout)["daemon"] is None


def complete(line, tmp_path):
    """What bash offers for `line`, by the script that the program prints."""
    script = f"""
        source <({BASCULE} completion bash)
        COMP_LINE=$1 COMP_POINT=${{#1}} COMP_WORDS=($1) COMPREPLY=()
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))
        compopt() {{ echo "compopt $*"; }}
        _bascule
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {"PATH": f"{BASCULE.parent}:{os.environ['PATH']}", "BASCULE_STATE": str(tmp_path)}
    return subprocess.run(["bash", "-c", script, "bash", line], env=environment, capture_output=True, text=True,
                          timeout=30, check=True).stdout.split("\n")[:-1]


def test_bash_completes_commands_options_and_choices(tmp_path):
    assert complete("bascule ", tmp_path) == commands_in_order()
    assert complete("bascule ro", tmp_path) == ["rollback"]
    assert complete("bascule deploy web v1 --sta", tmp_path) == ["--state", "--stage"]
    assert complete("bascule traffic web ", tmp_path) == ["serve", "hold", "maintenance", "stop"]
    assert complete("bascule logs web --slot g", tmp_path) == ["green"]
    assert "compopt -o default" in complete("bascule apply -f ", tmp_path)


def commands_in_order():
    listed = run("__complete", "").stdout.splitlines()
    names = [line.split("\t")[0] for line in listed]
    assert sorted(names) == sorted(COMMANDS)
    return names


def test_completion_is_quiet_without_a_daemon(tmp_path):
    asked = run("__complete", "deploy", "", env={"BASCULE_STATE": str(tmp_path)})
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_scripts_are_valid(shell):
    printed = run("completion", shell)
    assert printed.returncode == 0
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=printed.stdout, text=True, check=True, timeout=30)


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
@pytest.mark.parametrize("words, name", [(("help", "--man"), "bascule"),
                                         (("config", "reference", "--man"), "bascule.yaml")])
def test_the_manual_pages_have_no_mistake(words, name):
    page = run(*words).stdout
    assert f".SH NAME\n{name} \\- " in page
    made = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True,
                          timeout=30, check=True)
    assert made.stderr == ""


def test_no_colours_and_no_terminal_codes_when_piped(tmp_path):
    for words in [["help"], ["help", "deploy"], ["version"], ["status"]]:
        answer = run(*words, "--state", tmp_path, env={"TERM": "xterm-256color"})
        assert "\033" not in answer.stdout + answer.stderr


def test_an_output_that_cannot_be_written_is_not_a_success():
    with open("/dev/full", "w") as full:
        answer = subprocess.run([BASCULE, "help"], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert answer.returncode == 1
