# SPDX-License-Identifier: Apache-2.0
"""`bascule load` against real servers: what it sends, what it counts, what it finds."""
import collections
import json
import os
import pty
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from certificates import Authority
from dataplane import SANITIZED
from origins import FastOrigin, Origin, SecureOrigin, answering
from programs import program

BUILD = Path(os.environ.get("BASCULE_BUILD", Path(__file__).resolve().parents[2] / "build"))
BASCULE = BUILD / "src" / "bascule"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "load"


class Asked:
    """Remembers what came; answers what `answer(connection, body)` says."""

    def __init__(self, answer=None):
        self.lock, self.requests, self.respond = threading.Lock(), [], answer
        self.at_once, self.most = 0, 0

    def __call__(self, connection):
        while connection.read_head():
            body = connection.read_body()
            with self.lock:
                self.requests.append((connection.head.decode(), body.decode()))
                self.at_once += 1
                self.most = max(self.most, self.at_once)
            if self.respond:
                self.respond(connection, body)
            else:
                connection.answer(b"ok")
            with self.lock:
                self.at_once -= 1

    def lines(self):
        return [head.split("\r\n")[0] for head, _ in self.requests]


def scenario(folder, text):
    file = folder / "scenario.yaml"
    file.write_text(text)
    return file


def load(file, *words, **more):
    return subprocess.run([BASCULE, "load", file, *map(str, words)], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "http_proxy": "http://127.0.0.1:1"},
                          **more)


def figures(file, *words, status=0):
    done = load(file, "--json", *words)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_weights_random_parameters_and_bodies_arrive(tmp_path):
    asked = Asked()
    file = scenario(tmp_path, """\
users: 4
think_time: 0
duration: 1s
headers: { X-Of: all, X-Over: all }
requests:
  - path: /items/${random:1-5}?sort=${choice:up,down}
    weight: 3
  - name: buy
    method: POST
    path: /buy
    headers: { X-Over: one }
    json:
      id: ${random:7-7}
      who: user-${user}
""")
    with Origin(asked) as origin:
        found = figures(file, "--url", f"http://{origin.address}")
    assert found["passed"] and found["errors"] == 0 and found["model"] == "users"
    assert found["requests"] == len(asked.requests) > 40
    assert found["statuses"] == {"200": found["requests"]}
    by_name = {one["name"]: one["requests"] for one in found["by_request"]}
    assert by_name["buy"] == sum(line.startswith("POST /buy ") for line in asked.lines())
    assert 0.15 < by_name["buy"] / found["requests"] < 0.35
    paths = {line.split()[1] for line in asked.lines() if line.startswith("GET")}
    assert paths <= {f"/items/{number}?sort={way}" for number in range(1, 6) for way in ("up", "down")}
    assert len(paths) == 10
    bought = [(head, json.loads(body)) for head, body in asked.requests if head.startswith("POST")]
    assert {body["id"] for _, body in bought} == {7}
    assert {body["who"] for _, body in bought} <= {f"user-{number}" for number in range(1, 5)}
    assert all("Content-Type: application/json" in head and "X-Over: one" in head and "X-Of: all" in head
               for head, _ in bought)


def logging_in(connection, body):
    if connection.path == "/login":
        user = json.loads(body)["name"]
        connection.answer(json.dumps({"data": {"token": f"t-{user}"}}).encode(),
                          fields=(f"Set-Cookie: sid=c-{user}; Path=/", f"X-Csrf: x-{user}"))
    else:
        connection.answer()


LOGIN = """\
users: 3
think_time: 0
duration: 500ms
login:
  path: /login
  json: { name: "u${user}" }
  keep: { token: "json:data.token", csrf: "header:X-Csrf" }
requests:
  - path: /${csrf}
    headers: { Authorization: "Bearer ${token}" }
"""


def test_users_log_in_first_and_keep_what_is_theirs(tmp_path):
    asked = Asked(logging_in)
    with Origin(asked) as origin:
        found = figures(scenario(tmp_path, LOGIN), "--url", f"http://{origin.address}")
    assert found["logins"] == 3 and found["requests"] == len(asked.requests) - 3
    assert sorted(line.split()[1] for line in asked.lines()[:3]) == ["/login"] * 3
    for head, _ in asked.requests[3:]:
        user = head.split("/x-")[1].split()[0]
        assert f"Authorization: Bearer t-{user}" in head and f"Cookie: sid=c-{user}" in head


@pytest.mark.parametrize("answer, said", [
    ({"status": "401 Unauthorized"}, "the answer was 401"),
    ({"body": b'{"data":{}}'}, "its answer has no JSON field data.token"),
    ({"body": b"not json"}, "its answer has no JSON field data.token"),
])
def test_a_user_who_cannot_log_in_fails_the_test_and_says_why(tmp_path, answer, said):
    asked = Asked(lambda connection, _: connection.answer(**answer))
    with Origin(asked) as origin:
        done = load(scenario(tmp_path, LOGIN), "--url", f"http://{origin.address}")
    assert done.returncode == 1
    assert "can't log in (POST http://" in done.stderr and said in done.stderr
    assert len(asked.requests) <= 3


def test_users_think_between_requests_and_never_ask_two_at_once(tmp_path):
    asked = Asked()
    file = scenario(tmp_path, "users: 5\nthink_time: 100ms-300ms\nduration: 2s\nrequests:\n  - path: /\n")
    with Origin(asked) as origin:
        found = figures(file, "--url", f"http://{origin.address}")
    # Each of the five asks at once, then every 200 ms on average.
    assert 5 * 5 < found["requests"] < 5 * 20
    assert asked.most <= 5


def test_a_constant_rate_is_kept_and_a_stall_is_not_hidden(tmp_path):
    """The service stalls for a second: with one connection a closed test would see one slow request."""
    stalled = threading.Event()

    def answer(connection, _):
        if len(asked.requests) > 30 and not stalled.is_set():
            stalled.set()
            time.sleep(1)
        connection.answer()

    asked = Asked(answer)
    file = scenario(tmp_path, """\
rate: 50/s
max_users: 1
duration: 3s
requests: [{ path: / }]
thresholds: { p90: < 400ms, p50: < 900ms }
""")
    with Origin(asked) as origin:
        done = load(file, "--url", f"http://{origin.address}", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and not found["passed"]
    assert found["requests"] == 150 and found["errors"] == 0
    # Fifty were due in that second; they waited for half of it, on average.
    assert found["delayed"] > 25
    assert found["latency"]["p90_us"] > 400_000 and found["latency"]["p50_us"] < 900_000
    assert [one["met"] for one in found["thresholds"]] == [True, False]
    assert "p90 < 400 ms: " in done.stderr and "% above" in done.stderr and "p50" not in done.stderr


def test_requests_that_could_never_be_sent_are_errors(tmp_path):
    def answer(connection, _):
        time.sleep(0.7)
        connection.answer()

    file = scenario(tmp_path, "rate: 100/s\nmax_users: 2\nduration: 1s\nrequests: [{ path: / }]\n")
    with Origin(Asked(answer)) as origin:
        found = figures(file, "--url", f"http://{origin.address}")
    assert found["requests"] == 100 and 90 <= found["errors"] <= 98
    assert found["failures"] == [{"text": "not sent: every user still waited for an answer",
                                  "count": found["errors"]}]


def test_stages_ramp_users_up_and_down(tmp_path):
    asked = Asked(lambda connection, _: (time.sleep(0.05), connection.answer()))
    file = scenario(tmp_path, """\
users: 1
think_time: 0
stages:
  - { duration: 500ms, target: 1 }
  - { duration: 0s, target: 12 }
  - { duration: 700ms, target: 12 }
  - { duration: 300ms, target: 0 }
requests: [{ path: / }]
""")
    with Origin(asked) as origin:
        found = figures(file, "--url", f"http://{origin.address}")
    assert 8 <= asked.most <= 12
    assert found["duration_ms"] == 1500 and found["errors"] == 0


def test_every_kind_of_failure_is_told(tmp_path):
    def answer(connection, _):
        {"/bad": lambda: connection.answer(b"no", status="503 Service Unavailable"),
         "/reset": connection.reset,
         "/garbage": lambda: (connection.send(b"rubbish\r\n\r\n"), connection.reset()),
         "/slow": lambda: time.sleep(2.5)}[connection.path]()

    file = scenario(tmp_path, """\
rate: 20/s
timeout: 1s
duration: 1s
requests: [{ path: /bad }, { path: /reset }, { path: /garbage }, { path: /slow }]
thresholds: { errors: < 1% }
""")
    with Origin(Asked(answer)) as origin:
        found = figures(file, "--url", f"http://{origin.address}", status=1)
    assert found["error_rate"] == 1
    told = collections.Counter({one["text"]: one["count"] for one in found["failures"]})
    assert told.total() == 20
    assert {"another status than expected", "connection broken", "no complete answer in time",
            "answer is not HTTP"} >= set(told)
    assert told["no complete answer in time"] == next(
        one["requests"] for one in found["by_request"] if one["name"] == "GET /slow")


def test_a_status_that_is_expected_is_no_error(tmp_path):
    file = scenario(tmp_path, "users: 1\nthink_time: 0\nduration: 200ms\nrequests: [{ path: /, expect: 404 }]\n")
    with Origin(Asked(lambda connection, _: connection.answer(status="404 Not Found"))) as origin:
        assert figures(file, "--url", f"http://{origin.address}")["errors"] == 0


def test_nobody_there_is_a_failure_without_any_threshold(tmp_path):
    file = scenario(tmp_path, "users: 1\nthink_time: 100ms\nduration: 300ms\nrequests: [{ path: / }]\n")
    done = load(file, "--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "no request was answered as expected" in done.stderr
    assert "no connection" in done.stdout


def test_a_socket_in_the_file_system_can_be_asked(tmp_path):
    path = str(tmp_path / "app.sock")
    file = scenario(tmp_path, "users: 1\nthink_time: 0\nduration: 200ms\nrequests: [{ path: / }]\n")
    with Origin(answering(b"ok"), path=path):
        assert figures(file, "--url", f"unix:{path}")["errors"] == 0


def test_a_certificate_is_verified_unless_told_otherwise(tmp_path):
    certificate = Authority(tmp_path).sign("localhost")
    text = "users: 1\nthink_time: 50ms\nduration: 300ms\nrequests: [{ path: / }]\n"
    with SecureOrigin(certificate, answering(b"ok")) as origin:
        url = f"https://{origin.address}"
        refused = figures(scenario(tmp_path, text), "--url", url, status=1)
        assert refused["failures"][0]["text"] == "TLS failed"
        origin.failures.clear()
        assert figures(scenario(tmp_path, text + "tls_verify: false\n"), "--url", url)["errors"] == 0


def test_a_file_with_mistakes_is_refused_with_status_2_and_all_of_them(tmp_path):
    file = scenario(tmp_path, "users: 5\nrat: 5\nrequests:\n  - path: /${tokn}\n")
    done = load(file)
    assert done.returncode == 2 and done.stdout == ""
    assert f"{file}:2: rat: unknown key 'rat'; did you mean rate?" in done.stderr
    assert f"{file}:4: requests[0].path: ${{tokn}} is not known" in done.stderr


@pytest.mark.parametrize("words, said", [
    ([], "the scenario has no url: give --url"),
    (["--url", "nowhere"], "--url: expected a URL such as"),
    (["--url", "http://127.0.0.1:1", "--rate", "10"], "--rate is a rate up to 100000/s such as 100/s, not 10"),
    (["--url", "http://127.0.0.1:1", "--rate", "1/s", "--users", "2"], "--users and --rate: give one of them"),
    (["--url", "http://127.0.0.1:1", "--duration", "soon"], "--duration: 'soon' is not a duration"),
])
def test_a_wrong_line_is_refused_with_status_2(tmp_path, words, said):
    done = load(scenario(tmp_path, "users: 1\nrequests: [{ path: / }]\n"), *words)
    assert done.returncode == 2 and said in done.stderr


def test_a_missing_file_is_named(tmp_path):
    done = load(tmp_path / "none.yaml")
    assert done.returncode == 2
    assert f"{tmp_path}/none.yaml: No such file or directory" in done.stderr


def test_interrupted_it_prints_what_it_has_and_fails(tmp_path):
    file = scenario(tmp_path, "users: 2\nthink_time: 10ms\nduration: 1h\nrequests: [{ path: / }]\n")
    asked = Asked()
    with Origin(asked) as origin:
        process = subprocess.Popen([BASCULE, "load", file, "--url", f"http://{origin.address}", "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 20
        while len(asked.requests) < 10 and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    found = json.loads(out)
    assert process.returncode == 1 and "stopped before its end" in err
    assert found["stopped"] and not found["passed"]
    assert found["requests"] >= 8 and found["errors"] == 0


def test_on_a_terminal_a_line_lives_and_the_tables_stay(tmp_path):
    file = scenario(tmp_path, """\
users: 2
think_time: 10ms
duration: 1s
requests: [{ path: / }]
thresholds: { p95: < 5s }
""")
    with FastOrigin("v1") as origin:
        child, master = pty.fork()
        if child == 0:
            os.environ.update(TERM="xterm", LANG="C.UTF-8")
            os.execv(BASCULE, [str(BASCULE), "load", str(file), "--url", f"http://{origin.address}"])
        shown = b""
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the terminal is gone with its last process
                break
            if not data:
                break
            shown += data
        _, status = os.waitpid(child, 0)
        os.close(master)
    text = shown.decode()
    assert os.waitstatus_to_exitcode(status) == 0
    assert "users 2" in text and "under way" in text
    assert "\x1b[?25h" in text  # the cursor is back
    assert "REQUEST" in text and "p95 < 5.00 s" in text


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has memory of its own")
def test_the_memory_of_a_long_test_does_not_grow(tmp_path):
    """Ten times the requests, the same memory."""
    text = "users: 20\nthink_time: 0\nduration: {}\nrequests: [{{ path: '/${{random:1-100000}}' }}]\n"
    peaks = []
    with FastOrigin("v1") as origin:
        for duration in ("300ms", "3s"):
            file = scenario(tmp_path, text.format(duration))
            process = subprocess.Popen([BASCULE, "load", file, "--url", f"http://{origin.address}", "-q"])
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            peaks.append(used.ru_maxrss)
    assert peaks[1] < peaks[0] + 4096  # KiB


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has memory of its own")
def test_nothing_is_left_behind_for_each_request(tmp_path):
    """What grows by a few bytes a request is not seen in a short test, but valgrind sees that nobody lets go of it."""
    file = scenario(tmp_path, LOGIN)
    with Origin(Asked(logging_in)) as origin:
        done = subprocess.run([program("valgrind"), "-q", "--leak-check=full", "--show-leak-kinds=definite,possible",
                               "--errors-for-leak-kinds=definite,possible", "--error-exitcode=9",
                               BASCULE, "load", file, "--url", f"http://{origin.address}", "--json"],
                              capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["errors"] == 0


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.name)
def test_the_examples_run(file):
    def answer(connection, _):
        connection.answer(b'{"token":"secret"}')

    with Origin(Asked(answer)) as origin:
        words = ["--rate", "100/s"] if file.name == "rate.yaml" else []
        done = load(file, "--url", f"http://{origin.address}", "--duration", "1s", "--json", *words)
    found = json.loads(done.stdout)
    assert found["requests"] > 0 and found["errors"] == 0, done.stderr
