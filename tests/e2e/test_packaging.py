# SPDX-License-Identifier: Apache-2.0
"""What packages hold, seen in seconds: .deb files of the build that the other tests use, packed twice.
`make package-test` installs, uses and removes the real ones, which takes minutes.
"""
import os
import re
import subprocess

import pytest
from conftest import ROOT, SECONDS

BUILD = ROOT / "build/release"
OPTION = re.compile(r"--[a-z][\w-]+")


def run(*words, **more) -> str:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Name of each package to its file; two runs gave the same bytes."""
    settings = os.environ | {"CAIRN_PACKAGE_BUILD": str(BUILD), "DPKG_DEB_COMPRESSOR_LEVEL": "0"}
    folders = [tmp_path_factory.mktemp("packages") for _ in range(2)]
    for folder in folders:
        run(ROOT / "scripts/package", folder, "deb", env=settings)
    files = {path.name.split("_")[0]: path for path in folders[0].iterdir()}
    assert set(files) == {"cairn", "libcairn0", "libcairn-dev"}
    for path in files.values():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name
    return files


@pytest.fixture(scope="module")
def unpacked(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    for path in packed.values():
        run("dpkg-deb", "-x", path, folder)
    return folder


def field(package, name: str) -> str:
    return run("dpkg-deb", "-f", package, name).strip()


def test_packages_name_what_they_need(packed):
    version = re.search(r"cairn VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    for path in packed.values():
        assert field(path, "Version") == version
    for name, needed in (("cairn", "libc6 adduser libfmt9 libpcre2-8-0 libssl3 libedit2"),
                         ("libcairn0", "libc6 libstdc++6 libfmt9 libpcre2-8-0"),
                         ("libcairn-dev", "libcairn0 libfmt-dev libzip-dev")):
        found = re.findall(r"[\w.+-]+(?= |,|$)", field(packed[name], "Depends"))
        assert set(needed.split()) <= set(found), name
    assert field(packed["libcairn-dev"], "Depends").startswith(f"libcairn0 (= {version})")


def test_control_files_are_whole(packed, tmp_path):
    for name, path in packed.items():
        run("dpkg-deb", "-e", path, tmp_path / name)
        have = {file.name for file in (tmp_path / name).iterdir()}
        assert have - {"control", "md5sums"} == {
            "cairn": {"conffiles", "postinst", "postrm", "prerm"},
            "libcairn0": {"triggers", "shlibs"}, "libcairn-dev": set()}[name]
    for script in ("postinst", "postrm", "prerm"):
        run("sh", "-n", tmp_path / "cairn" / script)


def test_files_are_roots_and_none_is_anybodys_to_write(packed):
    for path in packed.values():
        for line in run("dpkg-deb", "-c", path).splitlines():
            mode, owner = line.split()[:2]
            assert owner == "root/root" and mode[0] in "-dl", line
            assert mode[0] == "l" or mode[1:] in ("rw-r--r--", "rwxr-xr-x"), line


def test_every_file_is_there_and_its_sum_is_right(packed, unpacked, tmp_path):
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if not path.is_dir()}
    for name in ("usr/bin/cairn", "usr/share/man/man1/cairn.1.gz", "etc/default/cairn",
                 "lib/systemd/system/cairn.service", "usr/share/doc/cairn/copyright",
                 "usr/share/bash-completion/completions/cairn",
                 "usr/share/zsh/vendor-completions/_cairn",
                 "usr/share/fish/vendor_completions.d/cairn.fish", "usr/include/cairn/cairn.hpp"):
        assert name in names, name
    for path in packed.values():
        run("dpkg-deb", "-e", path, tmp_path / path.name)
        run("md5sum", "-c", "--quiet", "--strict", tmp_path / path.name / "md5sums", cwd=unpacked)


def test_manual_page_has_every_command_and_is_well_formed(unpacked):
    page = unpacked / "usr/share/man/man1/cairn.1.gz"
    warned = subprocess.run(["man", "--warnings=w", "-l", page], capture_output=True, text=True,
                            timeout=SECONDS, env=os.environ | {"MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
    assert warned.returncode == 0 and not warned.stderr, warned.stderr
    for command in commands():
        assert re.search(rf"^ +cairn {command}\b", warned.stdout, re.MULTILINE), command


def commands() -> list[str]:
    """As `cairn --help` lists them."""
    names, listing = [], False
    for line in run(BUILD / "cairn", "--help").splitlines():
        if line.endswith(":"):
            listing = line not in ("Options:", "First steps:")
        elif listing and (match := re.match(r"  ([a-z]+) ", line)):
            names.append(match[1])
    assert len(names) > 15
    return names


def test_bash_completes_every_option_of_every_command(unpacked):
    completion = unpacked / "usr/share/bash-completion/completions/cairn"
    for command in commands():
        offered = run("bash", "-c", f'. "$0"; COMP_WORDS=(cairn {command} --); COMP_CWORD=2; _cairn; '
                      'echo "${COMPREPLY[@]}"', completion).split()
        text = run(BUILD / "cairn", command, "--help")
        expected = set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z][\w-]*)", text, re.MULTILINE))
        assert expected and set(offered) == expected, command


def test_service_is_started_with_options_that_exist(unpacked):
    text = (unpacked / "etc/default/cairn").read_text()
    known = set(OPTION.findall(run(BUILD / "cairn", "serve", "--help")))
    settings = re.findall(r'^#?CAIRN_SERVE="(.*)"$', text, re.MULTILINE)
    assert len(settings) == 3
    for setting in settings:
        assert set(OPTION.findall(setting)) <= known
    unit = (unpacked / "lib/systemd/system/cairn.service").read_text()
    assert "User=cairn" in unit and "ExecStart=/usr/bin/cairn serve $CAIRN_SERVE" in unit
