# SPDX-License-Identifier: Apache-2.0
"""The helpers in tests/support are importable by name."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
