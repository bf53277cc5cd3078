# SPDX-License-Identifier: Apache-2.0
"""The package: its examples, its types, its documentation, and the plug-in of the tool llm."""
import ast
import inspect
import json
import os
import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import pytest
from conftest import QUESTION, ROOT, SECONDS, program

import cairn


def run(*words, **more) -> str:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def examples(page: str) -> list[str]:
    """Those of the package; tests/e2e/test_readme.py has those of a server's clients."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [example for example in found if "from openai" not in example]


@pytest.mark.parametrize("page,at", [(page, at) for page in ("README.md", "docs/python.md")
                                     for at in range(len(examples(page)))])
def test_examples_of_the_pages_run(model, page, at):
    heard = run(sys.executable, "-c", examples(page)[at])
    if at == 0:
        assert heard.rstrip("\n") == program("run", "smollm2", QUESTION).rstrip("\n")


def test_pages_have_examples():
    assert len(examples("README.md")) == 1 and len(examples("docs/python.md")) >= 4


def test_package_is_the_installed_one_with_its_types():
    folder = Path(str(resources.files(cairn)))
    assert "site-packages" in folder.parts
    assert (folder / "py.typed").is_file()
    stub = ast.parse((folder / "_cairn.pyi").read_text())
    classes = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}
    assert {"Model", "Engine", "Request", "Chat", "Session", "Options", "Embedder"} <= classes
    assert metadata.version("cairn-lm") == cairn.__version__
    assert cairn.__version__ in program("--version")


def test_everything_public_is_documented_and_typed():
    for name in cairn.__all__:
        thing = getattr(cairn, name)
        if name == "REASONS":
            continue
        assert thing.__doc__, name
        members = vars(thing).items() if inspect.isclass(thing) else [(name, thing)]
        for member, value in members:
            if not inspect.isfunction(value) or (member.startswith("_") and member != "__init__"):
                continue
            if not (inspect.isclass(thing) and issubclass(thing, (Exception, tuple, dict))):
                assert value.__doc__ or member == "__init__", f"{name}.{member}"
                assert "return" in value.__annotations__, f"{name}.{member}"
    for method in (cairn.Session.append, cairn.Model.embed):
        assert method.__doc__.count("shape (") >= 2


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    home = tmp_path_factory.mktemp("llm")
    tool = Path(sys.executable).parent / "llm"
    return lambda *words: run(tool, *words, env=os.environ | {"LLM_USER_PATH": str(home)})


def test_llm_lists_our_models(model, llm):
    assert "cairn/smollm2" in llm("models", "list")


def test_llm_answers_as_the_program_does(model, llm):
    assert llm("-m", "cairn/smollm2", QUESTION).rstrip("\n") == \
        program("run", "smollm2", QUESTION).rstrip("\n")
    assert llm("-m", "cairn/smollm2", "-s", "Be brief.", "-o", "max_tokens", 9, "-o", "seed", 4,
               "--no-stream", QUESTION).rstrip("\n") == \
        program("run", "smollm2", QUESTION, "--system", "Be brief.", "-n", 9, "--seed",
                4).rstrip("\n")


def test_llm_goes_on_with_a_conversation(model, llm):
    first = llm("-m", "cairn/smollm2", "-o", "max_tokens", 12, "Say hello.").rstrip("\n")
    second = llm("-c", "-o", "max_tokens", 12, "And now?").rstrip("\n")
    chat = model.chat()
    assert chat.ask("Say hello.", max_tokens=12).text.rstrip("\n") == first
    assert chat.ask("And now?", max_tokens=12).text.rstrip("\n") == second


def test_llm_refuses_an_option_that_makes_no_sense(llm):
    tool = Path(sys.executable).parent / "llm"
    done = subprocess.run([tool, "-m", "cairn/smollm2", "-o", "temperature", "-3", "hello"],
                          capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode != 0 and "temperature" in done.stderr


def test_llm_embeds(minilm, llm):
    assert "cairn/minilm" in llm("embed-models", "list")
    heard = json.loads(llm("embed", "-m", "cairn/minilm", "-c", "A man is eating food."))
    assert np.float32(heard).tobytes() == minilm.embed(["A man is eating food."])[0].tobytes()


TYPED = """
import cairn
import numpy as np
from numpy.typing import NDArray

model = cairn.Model("smollm2", context=512, embeddings="mean")
tokens: list[int] = model.tokenize("a text")
answer: cairn.Answer = model.generate(tokens, max_tokens=3, stop=["a", "b"])
texts: list[str] = [text for text in model.chat("Be brief.").stream("Hello", seed=1)]
many: list[cairn.Answer] = model.batch(["a", tokens, np.array(tokens)], temperature=0)
rows: NDArray[np.float32] = model.embed(texts, dimensions=8)
scores: NDArray[np.float64] = model.rerank("a", texts)
logits: NDArray[np.float32] = model.session().append(tokens, rows=2)
"""


@pytest.mark.parametrize("line,word", [
    ("", ""),
    ("number: int = model.tokenize('a')", "assignment"),
    ("model.generate('a', temprature=1)", "temprature"),
    ("model.generate('a', max_tokens='3')", "max_tokens"),
    ("model.embed([1])", "list-item"),
    ("answer.txt", "txt"),
])
def test_types_let_a_checker_see_what_is_wrong(tmp_path, line, word):
    # A name for each: mypy's cache takes a file of the same name, size and second for the same file.
    mine = tmp_path / f"mine_{word.replace('-', '_')}.py"
    mine.write_text(TYPED + line + "\n")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir",
                           str(Path(sys.prefix) / "mypy-cache"), mine.name],
                          capture_output=True, text=True, timeout=SECONDS, cwd=tmp_path)
    assert done.returncode == (1 if line else 0), done.stdout + done.stderr
    assert word in done.stdout and "Found 2 errors" not in done.stdout
