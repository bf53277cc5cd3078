# SPDX-License-Identifier: Apache-2.0
"""The checks see what they are for: each on a made-up source with one fault."""
import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def load(name: str):
    sys.dont_write_bytecode = True  # a script without a suffix would leave its cache beside itself
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


rooms = load("check-rooms")
ROOMS = {"base": {"base"}, "kv": {"kv", "base"}}
HEAD = "// SPDX-License-Identifier: Apache-2.0\n"


def check(path: str, body: str) -> list[str]:
    return rooms.check_file(path, HEAD + body, ROOMS)


def test_rooms_are_read_from_the_build():
    found, problems = rooms.read_rooms("cairn_room(base LIBRARIES x)\ncairn_room(kv ROOMS base)\n"
                                       "function(cairn_room name)\n")
    assert found == ROOMS and problems == []


def test_room_declared_below_its_user_is_found():
    _, problems = rooms.read_rooms("cairn_room(kv ROOMS base)\ncairn_room(base)\n")
    assert problems == ["CMakeLists.txt: kv names base, which is not above it"]


@pytest.mark.parametrize("path,body,word", [
    ("src/base/x.cc", '#include "kv/tiles.h"\n', "base may not include from kv"),
    ("src/base/x.cc", '  #  include "kv/tiles.h"\n', "base may not include from kv"),
    ("src/base/x.cc", '#include "testing/clock.h"\n', "testing/ is for tests only"),
    ("src/attic/x.cc", "", "not declared"),
    ("src/base/x.h", "int f();\n", "threads"),
    ("src/base/x.cc", "// caf\u00e9\n", "not ASCII"),
    ("src/base/x.h", "// threads\nResult<int> F();\n", "F returns a Result"),
    ("src/base/x.h", "// threads\nstatic Result<std::vector<int>>\nF(int a);\n", "F returns"),
    ("src/base/x.h", "// threads\nclass C {\n public:\n  Result<void> F();\n};\n", "F returns"),
    ("src/base/x.cc", "\n" * 700, "note: "),
])
def test_fault_is_found(path, body, word):
    assert any(word in problem for problem in check(path, body))


@pytest.mark.parametrize("path,body", [
    ("src/kv/x.cc", '#include "base/error.h"\n#include "kv/tiles.h"\n#include <vector>\n'),
    ("src/base/x_test.cc", '#include "testing/clock.h"\n'),
    ("src/base/x.h", "// threads\n[[nodiscard]] static Result<int> F();\n"),
    ("src/base/x.h", "// threads\nusing F = std::function<Result<int>(int)>;\n"),
    ("src/base/x.h", "// threads\nvoid F(Result<int> (*callback)(), Result<int> r);\n"),
    ("src/base/x.h", "// threads, and not: Result<int> F();\n"),
    ("src/base/x-inl.h", "int f();\n"),
])
def test_sound_source_passes(path, body):
    assert check(path, body) == []


def test_missing_licence_is_found():
    assert "SPDX" in rooms.check_file("src/base/x.cc", "int x;\n", ROOMS)[0]


def test_leaking_weak_symbol_is_found():
    isa = load("check-isa-objects")
    listing = ("0000 W void std::sort<int*>(int*, int*)\n0000 T cairn::kernels::avx512::Table()\n"
               "0000 W cairn::kernels::avx512::Twice<4>(int)\n                 w __gmon_start__\n"
               "0000 V DW.ref.__gxx_personality_v0\n")
    assert isa.leaks(listing, "avx512") == ["void std::sort<int*>(int*, int*)"]
    assert len(isa.leaks(listing, "avx2")) == 2


def test_words_are_found_and_excused():
    words = load("check-words")
    path = "/ho" + "me/someone/x"
    assert words.problems_of("a.md", f"see {path}\n")
    assert not words.problems_of("a.md", f"see {path} check-words: allowed\n")
    assert words.problems_of("a.md", "http" + "://internal.host.net/simple\n")
    assert not words.problems_of("a.md", "https://arxiv.org/abs/1 and src/home/x\n")


def test_broken_links_are_found(tmp_path):
    links = load("check-links")
    (tmp_path / "b.md").write_text("# One head, two\n")
    text = "[a](b.md) [b](b.md#one-head-two) [c](c.md) [d](b.md#three) `src/none.h` [e](x:y)\n"
    found = links.problems_of("a.md", text, tmp_path)
    assert [p.split(": ")[1].split(" ")[0] for p in found] == ["c.md", "b.md", "`src/none.h`"]


def test_junit_counts_cases(tmp_path):
    file = tmp_path / "x.xml"
    file.write_text('<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/>'
                    '</testcase><testcase name="c"><skipped/></testcase>'
                    '<testcase name="d" status="notrun"/></testsuite></testsuites>')
    out = subprocess.run([sys.executable, SCRIPTS / "count-junit", file], capture_output=True,
                         text=True, check=True).stdout
    assert out.split() == ["1", "1", "2"]
