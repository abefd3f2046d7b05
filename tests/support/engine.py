# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine of a test's own: dockerd on a socket below a temporary folder, with images made from busybox.
Nothing of the machine's own Engine is touched, and nothing is left: no container, process, bridge or mount."""
import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

BUSYBOX = shutil.which("busybox")
APPLETS = ("sh", "httpd", "nc", "cat", "echo", "ls", "env", "id", "sleep", "dd", "tail", "test", "kill", "head", "awk")


def why_not():
    """Why no Engine can run here; empty: it can."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    for program in ("dockerd", "containerd", "runc"):
        if not shutil.which(program):
            return f"{program} is not installed (scripts/bootstrap full)"
    if not BUSYBOX:
        return "busybox is not installed (scripts/bootstrap full)"
    return ""


class Engine:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bsc-engine-"))
        self.socket = self.folder / "docker.sock"
        self.log = self.folder / "dockerd.log"
        self.pool = f"10.{random.randint(200, 250)}.{random.randint(0, 255)}.0/24"
        self.process = self.containerd = None

    def spawn_containerd(self):
        """Of its own, as Debian has it: it outlives a dockerd that is killed."""
        config = self.folder / "containerd.toml"
        config.write_text(f'version = 2\nroot = "{self.folder}/containerd"\nstate = "{self.folder}/run"\n'
                          f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                          f'[grpc]\naddress = "{self.folder}/containerd.sock"\n')
        with open(self.folder / "containerd.log", "ab") as log:
            self.containerd = subprocess.Popen(["containerd", "--config", config], stdout=log, stderr=log,
                                               start_new_session=True)

    def spawn(self, *more):
        if not self.containerd:
            self.spawn_containerd()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--host", f"unix://{self.socket}", "--data-root", self.folder / "data",
                 "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid",
                 "--containerd", self.folder / "containerd.sock", "--bridge=none",
                 "--iptables=false", "--ip6tables=false", "--ip-masq=false",
                 "--default-address-pool", f"base={self.pool},size=27", *more],
                stdout=log, stderr=log, start_new_session=True)

    def start(self, *more):
        self.spawn(*more)
        return self.wait()

    def wait(self):
        until = time.monotonic() + 60
        while self.run("version").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < until, self.log.read_text()[-4000:]
            time.sleep(0.1)
        return self

    def run(self, *words, **more):
        """Docker's own client."""
        return subprocess.run(["docker", *map(str, words)], capture_output=True,
                              env={**os.environ, "DOCKER_HOST": f"unix://{self.socket}",
                                   "DOCKER_CONFIG": str(self.folder)}, timeout=120, **more)

    def docker(self, *words, **more):
        done = self.run(*words, **more)
        assert done.returncode == 0, f"docker {' '.join(map(str, words))}: {done.stderr.decode()}"
        return done.stdout.decode()

    def image(self, name, *changes, **files):
        """An image of busybox and `files` in its root."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(os.path.realpath(BUSYBOX), "bin/busybox")
            for applet in APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(folder)
            for path, text in files.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(text.encode()), 0o755
                archive.addfile(entry, io.BytesIO(text.encode()))
        self.docker("import", *(word for change in changes for word in ("--change", change)), "-", name,
                    input=packed.getvalue())

    def containers(self, *more):
        """Names of all, also of those that ended."""
        return set(self.docker("ps", "-a", "--format", "{{.Names}}", *more).split())

    def kill(self):
        """As a crash: containers go on, or not, as dockerd was told."""
        self.process.kill()
        self.process.wait()

    def processes(self):
        mark = os.fsencode(self.folder)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in (entry / "cmdline").read_bytes():
                        yield int(entry.name)

    def close(self):
        if self.process and self.process.poll() is not None:
            self.start()
        names = self.containers()
        if names:
            self.run("rm", "-f", *names)
        self.run("network", "prune", "-f")
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.containerd.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.containerd.wait(30)
        for pid in list(self.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
