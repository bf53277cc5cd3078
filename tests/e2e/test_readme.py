# SPDX-License-Identifier: Apache-2.0
"""The examples of README's section about the server are run as they stand there, against a server of the test."""
import re
import subprocess
import sys

import pytest

from conftest import PROGRAM, ROOT, SECONDS

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = TEXT.split("## A server for the tools you have\n")[1].split("\n## ")[0]


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def here(example: str, server) -> str:
    """With the port of the test's server; `top` is told its address."""
    address = f"127.0.0.1:{server.port}"
    return example.replace("127.0.0.1:8080", address).replace("top --once", f"top http://{address} --once")


def run(command: list[str], cairn) -> str:
    # As installed: `cairn` is found in a folder of PATH.
    environment = cairn.environment()
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number,expected", [
    (1, '"finish_reason"'), (2, "cairn_requests_running")])
def test_commands(smollm2, server, number, expected):
    assert expected in run(["sh", "-e", "-c", here(examples("sh")[number], server)], smollm2)


def test_an_answer_that_fits_a_schema(smollm2, server):
    (example,) = examples("python")
    assert re.search(r", \d+ km\n$", run([sys.executable, "-c", here(example, server)], smollm2))


def test_no_example_is_left_out():
    start, *rest = examples("sh")
    assert start.startswith("cairn serve smollm2 ")  # the other tests' server
    assert len(rest) == 2 and SECTION.count("```") == 8
