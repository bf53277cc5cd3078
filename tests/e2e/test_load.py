# SPDX-License-Identifier: Apache-2.0
"""tests/load/load.py with few clients: it says the same of many (docs/reliability.md)."""
import subprocess
import sys

import pytest

from conftest import PROGRAM, ROOT, SECONDS


@pytest.mark.parametrize("scenario", ["overload", "slow", "vanish", "soak", "sweep", "keys", "kills"])
def test_promises_hold_under_load(smollm2, scenario):
    done = subprocess.run([sys.executable, ROOT / "tests/load/load.py", scenario, "--scale", "0.02"],
                          capture_output=True, text=True, timeout=SECONDS,
                          env=smollm2.environment() | {"CAIRN": str(PROGRAM)})
    assert done.returncode == 0 and done.stdout.startswith(f"{scenario}: "), done.stdout + done.stderr
