# SPDX-License-Identifier: Apache-2.0
"""The systemd files are what systemd understands."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BASCULE_BUILD", ROOT / "build"))


def analyze(tmp_path, *extra):
    unit = (BUILD / "systemd" / "bascule.service").read_text()
    lines = ["ExecStart=/bin/true" if line.startswith("ExecStart=") else line
             for line in unit.splitlines()]  # the program need not be installed
    assert "ExecStart=/bin/true" in lines
    (tmp_path / "bascule.service").write_text("\n".join(lines) + "\n")
    (tmp_path / "bascule.socket").write_text((ROOT / "systemd" / "bascule.socket").read_text())
    drop_in = tmp_path / "bascule.service.d"
    drop_in.mkdir()
    for name in extra:
        (drop_in / name).write_text((ROOT / "systemd" / name).read_text())
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "bascule.service",
                          tmp_path / "bascule.socket"], capture_output=True, text=True, timeout=60)
    return run.returncode, [line for line in run.stderr.splitlines() if "bascule" in line]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("extra", [(), ("bascule-keep.conf",)])
def test_the_units_verify(tmp_path, extra):
    assert analyze(tmp_path, *extra) == (0, [])


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="no systemd-sysusers")
def test_the_group_is_made(tmp_path):
    (tmp_path / "etc").mkdir()
    run = subprocess.run(["systemd-sysusers", f"--root={tmp_path}",
                          ROOT / "systemd" / "bascule.sysusers.conf"],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "etc" / "group").read_text().startswith("bascule:")
