# SPDX-License-Identifier: Apache-2.0
"""How programs built with sanitizers are told where their reports go: part of an environment that a test makes."""
import os

OPTIONS = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
