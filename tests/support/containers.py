# SPDX-License-Identifier: Apache-2.0
"""A daemon whose services are containers of a test's own Engine."""
import http.client
import threading
import time

from daemon import Daemon, wait_until


def shop(**more):
    """A service of the images that tests/docker/conftest.py makes. busybox does not hear SIGTERM as the first
    process, so it is killed soon."""
    return {"image": "shop:${VERSION}", "pull_policy": "never", "replicas": 2, "route": {"path": "/"},
            "stop_grace_period": "100ms", "stop_signal": "SIGKILL",
            "health": {"path": "/health", "interval": "200ms", "timeout": "5s", "deadline": "20s"},
            "deploy": {"bake": "0s", "standby": "10m", "drain": "5s"}, **more}


class ContainerDaemon(Daemon):
    def __init__(self, engine, services=None):
        super().__init__(services=services if services is not None else {"web": shop()})
        self.engine = engine
        self.state = self.folder / self.folder.name.replace("_", "-").lower()  # names containers and network

    @property
    def project(self):
        return self.state.name

    def environment(self):
        return {**super().environment(), "DOCKER_HOST": f"unix://{self.engine.socket}",
                "DOCKER_CONFIG": str(self.folder)}

    def containers(self, *more):
        return {name for name in self.engine.containers(*more) if name.startswith(f"{self.project}-")}

    def running(self):
        return self.containers("--filter", "status=running")

    def expected(self):
        """The containers that bascule says it has."""
        return {f"{self.project}-{id}" for id in self.instance_pids()}

    def settled_containers(self):
        """No orphan and no duplicate."""
        wait_until(lambda: self.running() == self.expected() == self.containers(),
                   "the Engine has what bascule has", 30)

    def healthy(self):
        return sum(instance["health"] == "healthy" for instance in self.slot()["instances"])

    def version(self):
        with_connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            with_connection.request("GET", "/version")
            answer = with_connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            with_connection.close()

    def close(self):
        super().close()
        if self.engine.process.poll() is None:
            names = self.containers()
            if names:
                self.engine.run("rm", "-f", *names)
            self.engine.run("network", "rm", self.project)


class Visitors:
    """Ask for the version all the time, and write down what was no 200."""

    def __init__(self, daemon, count=2):
        self.daemon, self.asked, self.failed, self.over = daemon, 0, [], False
        self.threads = [threading.Thread(target=self.visit) for _ in range(count)]

    def visit(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=20)
        while not self.over:
            try:
                connection.request("GET", "/version")
                answer = connection.getresponse()
                body = answer.read().decode()
                if answer.status != 200:
                    self.failed.append((answer.status, body[:200]))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            self.asked += 1
            time.sleep(0.002)
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.asked > 5, "requests are made")
        return self

    def __exit__(self, *_):
        self.over = True
        for thread in self.threads:
            thread.join()
