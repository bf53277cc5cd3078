# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python package share (scripts/python-test runs them in a new environment)."""
import os
import subprocess
from pathlib import Path

import pytest

import cairn

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CAIRN", ROOT / "build/release/cairn"))
SECONDS = 300  # no command of these tests may take longer, on a busy machine too
QUESTION = "Name three rivers of Europe."


@pytest.fixture(scope="session")
def model():
    try:
        return cairn.Model("smollm2", context=1024)
    except cairn.NotFound as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def minilm():
    try:
        return cairn.Model("minilm")
    except cairn.NotFound as missing:
        pytest.skip(str(missing))


def program(*words, stdin: str = "") -> str:
    """Standard output of the command `cairn`, which the package must agree with."""
    return program_bytes(*words, stdin=stdin).decode()


def program_bytes(*words, stdin: str = "") -> bytes:
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, timeout=SECONDS,
                          input=stdin.encode())
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
