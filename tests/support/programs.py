# SPDX-License-Identifier: Apache-2.0
"""Where the programs are that only some tests need."""
import os
import shutil

import pytest


def program(name):
    """Where `name` is: BASCULE_NGINX and so on, or the PATH; the test is skipped without it."""
    found = os.environ.get("BASCULE_" + name.upper()) or shutil.which(
        name, path=os.environ["PATH"] + ":/usr/sbin:/usr/bin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found
