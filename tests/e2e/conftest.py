# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the program, its models, and a home that each test owns.

CAIRN names another program than build/release/cairn. Tests that need a model skip with the reason
when it is not in the model folder; `make test` pulls both before.
"""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CAIRN", ROOT / "build/release/cairn"))
SECONDS = 300  # no command of these tests may take longer, on a busy machine too


def model_folder() -> Path:
    if os.environ.get("CAIRN_HOME"):
        return Path(os.environ["CAIRN_HOME"])
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "cairn"


class Cairn:
    """Runs the program; environment variables and standard input by name."""

    def __init__(self, home: Path):
        self.home = home

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CAIRN_", "HF_"))}
        none = str(self.home / "none")  # models of other programs on this machine are not the tests'
        others = dict.fromkeys(("OLLAMA_MODELS", "LLAMA_CACHE", "HF_HUB_CACHE"), none)
        return clean | others | {"CAIRN_HOME": str(self.home), "COLUMNS": "100"} | (extra or {})

    def __call__(self, *arguments, stdin: bytes = b"", env=None, **more):
        return subprocess.run([str(PROGRAM), *map(str, arguments)], input=stdin,
                              capture_output=True, timeout=SECONDS,
                              env=self.environment(env), **more)


def need(model: str) -> None:
    if not (model_folder() / f"{model}.gguf").is_file():
        pytest.skip(f"{model} is not in the model folder (cairn pull {model})")


@pytest.fixture
def cairn(tmp_path):
    """With an empty model folder of the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    return Cairn(home)


@pytest.fixture(scope="session")
def smollm2():
    need("smollm2")
    return Cairn(model_folder())


@pytest.fixture(scope="session")
def gemma3():
    need("gemma3")
    return Cairn(model_folder())


@pytest.fixture(scope="session")
def server(smollm2):
    """A server without keys that the tests of a run share; it must end well."""
    from serving import Server
    running = Server(smollm2)
    yield running
    running.stop()


def one_sentence(stderr: bytes) -> str:
    """Standard error as the one line it must be; fails on a stack, a signal's words or silence."""
    text = stderr.decode("utf-8")
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, f"expected one line on standard error, got: {text!r}"
    assert 10 < len(lines[0]) < 1000, text  # a list of all architectures
    for word in ("terminate called", "what():", "Traceback", "Sanitizer", "Aborted", "std::"):
        assert word not in text
    return lines[0]
