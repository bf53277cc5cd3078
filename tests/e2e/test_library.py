# SPDX-License-Identifier: Apache-2.0
"""The library as other programs meet it: installed into a folder of its own, found by CMake and by
pkg-config, the programs of examples/ built with it and run; and the check of its binary interface,
which must see what is planted.
"""
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SECONDS, model_folder, need

BUILD = ROOT / "build/release"
HEADER = ROOT / "include/cairn/cairn.h"
LISTED = ROOT / "include/cairn/abi.txt"
QUESTION = "Name three rivers of Europe."


def run(*words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=SECONDS,
                          **more)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(**extra) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")}
    return clean | {"CAIRN_HOME": str(model_folder())} | extra


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with everything installed, moved once since: nothing may remember the first place."""
    first = tmp_path_factory.mktemp("installed") / "first"
    run("cmake", "--install", BUILD, "--prefix", first)
    return first.rename(first.with_name("moved"))


@pytest.fixture(scope="module")
def by_cmake(installed, tmp_path_factory):
    """The examples built against the shared and the static library: kind to folder."""
    built = {}
    for kind in ("cairn", "static"):
        built[kind] = tmp_path_factory.mktemp(kind)
        run("cmake", "-G", "Ninja", "-S", ROOT / "examples", "-B", built[kind],
            f"-DCMAKE_PREFIX_PATH={installed}", f"-DCAIRN=cairn::{kind}")
        run("cmake", "--build", built[kind])
    return built


def pkg_config(installed: Path, *words) -> list[str]:
    (files,) = installed.rglob("pkgconfig")
    return run("pkg-config", *words, env=environment(PKG_CONFIG_PATH=str(files))).split()


def test_every_part_is_installed(installed):
    names = {str(path.relative_to(installed)) for path in installed.rglob("*")}
    for name in ("bin/cairn", "include/cairn/cairn.h", "include/cairn/cairn.hpp", "lib/libcairn.a",
                 "lib/libcairn.so", "lib/libcairn.so.0", "lib/pkgconfig/cairn.pc",
                 "lib/cmake/cairn/cairn-config.cmake"):
        assert name in names
    assert "include/cairn/abi.txt" not in names


@pytest.mark.parametrize("kind", ["cairn", "static"])
def test_chat_example_answers_as_the_program_does(by_cmake, smollm2, kind):
    expected = smollm2("run", "smollm2", QUESTION).stdout.decode()
    again = "And of Africa?"
    heard = run(by_cmake[kind] / "chat", "smollm2", input=f"{QUESTION}\n{again}\n", env=environment())
    assert heard.startswith(expected.rstrip("\n"))
    assert len(heard) > len(expected) + 10


def test_chat_example_says_what_is_wrong(by_cmake, tmp_path):
    done = subprocess.run([by_cmake["cairn"] / "chat", tmp_path / "none.gguf"], capture_output=True,
                          text=True, timeout=SECONDS, input="")
    assert done.returncode == 1
    assert done.stderr.startswith("chat: ") and "none.gguf" in done.stderr


def test_many_example_serves_32_sequences(by_cmake, smollm2):
    questions = [f"What is {i} plus {i}?" for i in range(40)]
    done = subprocess.run([by_cmake["static"] / "many", "smollm2", "8"], capture_output=True,
                          text=True, timeout=SECONDS, input="\n".join(questions) + "\n",
                          env=environment())
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split("\n---\n")[:-1]
    assert len(answers) == 40 and done.stderr.startswith("40 answers, ")
    for at in (0, 31, 39):
        alone = smollm2("run", "smollm2", questions[at], "-n", "8").stdout.decode()
        assert answers[at] == alone.rstrip("\n")


@pytest.mark.parametrize("kind", ["cairn", "static"])
def test_embed_example_gives_the_programs_bytes(by_cmake, tmp_path, kind):
    need("minilm")
    texts = (ROOT / "tests/golden/embeddings/texts.txt").read_text(encoding="utf-8").split("\n")[:40]
    given = "\n".join(texts) + "\n"
    run(BUILD / "cairn", "embed", "minilm", "--out", tmp_path / "rows.npy", input=given,
        env=environment())
    heard = run(by_cmake[kind] / "embed", "minilm", input=given, env=environment())
    rows = np.array([line.split() for line in heard.splitlines()]).astype(np.float32)
    assert rows.tobytes() == np.load(tmp_path / "rows.npy").tobytes()


def test_examples_are_short():
    """docs/library.md promises about 30 lines: counted are those of code."""
    for name in ("chat.c", "many.cc", "embed.cc"):
        text = (ROOT / "examples" / name).read_text()
        lines = [l for l in text.splitlines() if l.strip() and not l.startswith(("//", "/*", "#"))]
        assert len(lines) <= 36, f"{name}: {len(lines)}"


def test_static_program_needs_no_libcairn(by_cmake):
    assert "libcairn" in run("readelf", "-d", by_cmake["cairn"] / "chat")
    assert "libcairn" not in run("readelf", "-d", by_cmake["static"] / "chat")


@pytest.mark.parametrize("module", ["cairn", "cairn-static"])
def test_pkg_config_is_enough_for_a_compiler(installed, tmp_path, module):
    need("smollm2")
    flags = pkg_config(installed, "--cflags", "--libs", module)
    program = tmp_path / "chat"
    run("gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", ROOT / "examples/chat.c",
        "-o", program, *flags)
    folder = str(installed / "lib") if module == "cairn" else "/nowhere"
    heard = run(program, "smollm2", input=QUESTION + "\n", env=environment(LD_LIBRARY_PATH=folder))
    assert len(heard) > 20


def test_versions_agree(installed, tmp_path):
    version = pkg_config(installed, "--modversion", "cairn")[0]
    assert version in smollm_version()
    source = tmp_path / "v.c"
    source.write_text("#include <cairn/cairn.h>\n#include <stdio.h>\n"
                      "int main(void) { printf(\"%s %s\", CAIRN_VERSION, cairn_version()); }\n")
    run("gcc", source, "-o", tmp_path / "v", *pkg_config(installed, "--cflags", "--libs", "cairn"))
    shown = run(tmp_path / "v", env=environment(LD_LIBRARY_PATH=str(installed / "lib")))
    assert shown == f"{version} {version}"


def smollm_version() -> str:
    return run(BUILD / "cairn", "--version")


def test_headers_compile_alone_as_cpp17_with_all_warnings(installed, tmp_path):
    source = tmp_path / "alone.cc"
    source.write_text("#include <cairn/cairn.hpp>\nint main() { return cairn::Done{}, 0; }\n")
    for standard in ("c++17", "c++23"):
        run("g++", f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
            "-fsyntax-only", f"-I{installed}/include", source)


def check_abi(build: Path = BUILD, header: Path = HEADER, listed: Path = LISTED):
    return subprocess.run([ROOT / "scripts/check-abi", build, header, listed], capture_output=True,
                          text=True, timeout=SECONDS)


def test_binary_interface_is_what_is_listed():
    done = check_abi()
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("old,new,word", [
    ("size_t count, int32_t special,", "size_t count, int64_t special,", "cairn_detokenize"),
    ("  float top_p; ", "  float top_q; ", "cairn_generate_options"),
    ("CAIRN_LIMIT = 5", "CAIRN_LIMIT = 6", "CAIRN_LIMIT"),
    ("CAIRN_API void cairn_chat_free(cairn_chat* chat);", "", "cairn_chat_free"),
    ("typedef int32_t cairn_status;", "typedef int64_t cairn_status;", "cairn_status"),
])
def test_planted_difference_in_the_header_is_found(tmp_path, old, new, word):
    text = HEADER.read_text()
    assert text.count(old) == 1
    header = tmp_path / "cairn.h"
    header.write_text(text.replace(old, new))
    done = check_abi(header=header)
    assert done.returncode == 1 and word in done.stdout


def test_planted_difference_in_the_libraries_is_found(tmp_path):
    (tmp_path / "lib").mkdir()
    source = tmp_path / "more.c"
    source.write_text("int cairn_version(void) { return 1; }\nint stray(void) { return 2; }\n")
    script = tmp_path / "map"
    script.write_text("CAIRN_0 { global: cairn_version; stray; local: *; };\n")
    run("gcc", "-shared", "-fPIC", f"-Wl,--version-script={script}", source, "-o",
        tmp_path / "lib/libcairn.so")
    shutil.copy(BUILD / "lib/libcairn.a", tmp_path / "lib")
    done = check_abi(build=tmp_path)
    assert done.returncode == 1
    assert "libcairn.so: missing: cairn_chat_free@CAIRN_0" in done.stdout
    assert "libcairn.so: not in the list: stray@CAIRN_0" in done.stdout
    shutil.copy(BUILD / "lib/libcairn.so", tmp_path / "lib")
    run("gcc", "-c", source, "-o", tmp_path / "more.o")
    run("ar", "rs", tmp_path / "lib/libcairn.a", tmp_path / "more.o")
    done = check_abi(build=tmp_path)
    assert done.returncode == 1 and "libcairn.a: not in the list: stray" in done.stdout
