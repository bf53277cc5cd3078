# SPDX-License-Identifier: Apache-2.0
"""`cairn pull hf:...` from a server on this machine that does everything wrong (docs/hub.md).

No real hub is asked: these tests run without a network.
"""
import json
import random
import signal
import ssl
import subprocess
import time

import pytest
from conftest import PROGRAM, one_sentence
from hub_server import COMMIT, Hub, gguf, part, send

SIZE = 1_300_000  # values: 5 pieces of a MiB
FILE = gguf(SIZE)


@pytest.fixture
def hub():
    hub = Hub({"m-Q4_K_M.gguf": FILE})
    yield hub
    hub.close()


@pytest.fixture
def cdn():
    cdn = Hub({"m-Q4_K_M.gguf": FILE})
    yield cdn
    cdn.close()


def pull(cairn, hub, *options, name="hf:o/r", **env):
    return cairn("pull", name, *options, env={"HF_ENDPOINT": hub.address} | env)


def pulled(cairn, done, data=FILE, name="m-Q4_K_M.gguf"):
    assert done.returncode == 0, done.stderr
    path = cairn.home / name
    assert done.stdout.decode() == f"{path}\n"
    assert path.read_bytes() == data
    assert sorted(p.name for p in cairn.home.iterdir()) == [".lock", name], "something is left"


def failed(cairn, done, kept=False) -> str:
    """The error; nothing may look like a model, and only what is worth going on with is left."""
    assert done.returncode == 1, done
    left = [p.name for p in cairn.home.iterdir() if p.name != ".lock"]
    assert left == ([".pull-m-Q4_K_M.gguf"] if kept else []), left
    listed = cairn("list", "--json")
    assert json.loads(listed.stdout)["models"] == []
    return one_sentence(done.stderr)


def test_pieces_come_by_several_connections_and_the_token_goes_to_the_hub_alone(cairn, hub, cdn):
    hub.elsewhere = cdn.address
    pulled(cairn, pull(cairn, hub, HF_TOKEN="secret"))
    assert {token for _, _, token in hub.asked} == {"Bearer secret"}
    assert {token for _, _, token in cdn.asked} == {None}
    assert len(set(cdn.ranges())) == 5
    pulled(cairn, pull(cairn, hub))
    assert len(cdn.asked) == 5, "fetched although it is here"


def test_cut_at_any_byte_goes_on_where_it_was_cut(cairn, hub):
    dice = random.Random(7)
    cuts = iter([0, 1, 100] + [dice.randrange(400_000) for _ in range(12)])
    got = []

    def trouble(handler, name, first, last):
        with hub.lock:
            cut = next(cuts, None)
            got.append(first)
        if cut is None:
            return False
        body, headers = part(FILE, first, last)
        send(handler, 206, body, headers, cut=min(cut, len(body) - 1))
        return True

    hub.trouble = trouble
    pulled(cairn, pull(cairn, hub))
    assert any(first % (1 << 20) for first in got), "pieces began anew"


def test_a_server_without_ranges_sends_all_of_it(cairn, hub):
    cuts = iter([700_000, None])

    def trouble(handler, name, first, last):
        if "Range" in handler.headers:
            send(handler, 200, FILE)
        else:
            send(handler, 200, FILE, cut=next(cuts))
        return True

    hub.trouble = trouble
    pulled(cairn, pull(cairn, hub))


def test_wrong_sizes_are_refused(cairn, hub):
    hub.trouble = lambda handler, name, first, last: not send(
        handler, 206, FILE[first:last + 1], {"Content-Range": f"bytes {first}-{last}/{len(FILE) + 1}"})
    assert f"{len(FILE) + 1} bytes" in failed(cairn, pull(cairn, hub))
    hub.trouble = None
    hub.sizes["m-Q4_K_M.gguf"] -= 1
    assert "expected" in failed(cairn, pull(cairn, hub))
    hub.sizes["m-Q4_K_M.gguf"] = 1 << 62
    assert "free" in failed(cairn, pull(cairn, hub))
    hub.sizes["m-Q4_K_M.gguf"] = 0
    assert "0 bytes" in failed(cairn, pull(cairn, hub))


def test_more_or_less_than_was_asked_for_is_not_believed(cairn, hub):
    def less(handler, name, first, last):  # whole by its own account, and too short
        body, headers = part(FILE, first, last)
        send(handler, 206, body[:-1], headers)
        return True

    hub.trouble = less
    done = pull(cairn, hub, "--retries", "1")
    # Each attempt gets nearer: the last byte of a piece is never sent.
    assert "less" in failed(cairn, done, kept=True)

    def other(handler, name, first, last):
        body, headers = part(FILE, first + 1, last)
        send(handler, 206, body, headers)
        return True

    hub.trouble = other
    assert "another range" in failed(cairn, pull(cairn, hub, "--retries", "0"), kept=True)

    def more(handler, name, first, last):
        body, headers = part(FILE, first, last)
        send(handler, 206, body + b"x", headers)
        return True

    hub.trouble = more
    pulled(cairn, pull(cairn, hub))  # what was asked for is there; the digest has judged it


def test_a_wrong_digest_keeps_nothing(cairn, hub):
    changed = bytearray(FILE)
    changed[len(FILE) // 2] ^= 1
    hub.files["m-Q4_K_M.gguf"] = bytes(changed)
    assert "SHA-256" in failed(cairn, pull(cairn, hub))
    hub.files["m-Q4_K_M.gguf"] = b"not a model" * 100_000
    hub.digests = {"m-Q4_K_M.gguf": ""}
    hub.sizes = {"m-Q4_K_M.gguf": 1_100_000}
    assert "GGUF" in failed(cairn, pull(cairn, hub))


def test_redirects(cairn, hub, cdn):
    hub.elsewhere = hub.address + f"/o/r/resolve/{COMMIT}/m-Q4_K_M.gguf?again="
    assert "circles" in failed(cairn, pull(cairn, hub), kept=True)
    hub.elsewhere = "ftp://example.org"
    assert "no address" in failed(cairn, pull(cairn, hub), kept=True)
    hub.elsewhere = "http://127.0.0.1:1"
    assert "127.0.0.1:1" in failed(cairn, pull(cairn, hub, "--retries", "0"), kept=True)


def test_a_server_that_is_busy_is_asked_again(cairn, hub):
    states = iter([429, 503, 500, 502])
    at = []

    def trouble(handler, name, first, last):
        with hub.lock:
            at.append(time.monotonic())
            state = next(states, None)
        if state is None:
            return False
        send(handler, state, b"busy", {"Retry-After": "1"} if state == 429 else None)
        return True

    hub.trouble = trouble
    pulled(cairn, pull(cairn, hub))
    assert at[-1] - at[0] >= 1


def test_a_server_that_stays_busy_is_an_error(cairn, hub):
    hub.trouble = lambda handler, *_: not send(handler, 500, b"")
    assert "500" in failed(cairn, pull(cairn, hub, "--retries", "2"), kept=True)
    hub.trouble = lambda handler, *_: not send(handler, 429, b"", {"Retry-After": "86400"})
    assert "86400 seconds" in failed(cairn, pull(cairn, hub), kept=True)
    hub.list_trouble = lambda handler: not send(handler, 500, b"")
    assert "500" in failed(cairn, pull(cairn, hub, "--retries", "1"), kept=True)


@pytest.mark.parametrize("status, word", ((401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "no such")))
def test_what_may_not_be_read_says_what_to_do(cairn, hub, status, word):
    hub.list_trouble = lambda handler: not send(handler, status, b"")
    assert word in failed(cairn, pull(cairn, hub))


def test_a_silent_server_is_left(cairn, hub):
    quiet = iter([True])

    def trouble(handler, name, first, last):
        if not next(quiet, None):
            return False
        body, headers = part(FILE, first, last)
        send(handler, 206, body, headers, cut=1000)
        handler.close_connection = False
        time.sleep(3)
        handler.close_connection = True
        return True

    hub.trouble = trouble
    pulled(cairn, pull(cairn, hub, "--silence", "1"))


def test_answers_that_are_no_http_or_no_list_are_errors(cairn, hub):
    hub.list_trouble = lambda handler: bool(handler.wfile.write(b"\x00\x01 what\r\n\r\n"))
    failed(cairn, pull(cairn, hub, "--retries", "0"))
    hub.list_trouble = lambda handler: not send(handler, 200, b"<html>")
    assert "no list" in failed(cairn, pull(cairn, hub))
    hub.list_trouble = lambda handler: not send(handler, 200, b"x" * 40_000_000)
    assert "more than" in failed(cairn, pull(cairn, hub))


def test_a_killed_pull_goes_on_with_the_pieces_that_are_there(cairn, hub):
    def slow(handler, name, first, last):
        if first < 2 << 20:
            return False
        body, headers = part(FILE, first, last)
        send(handler, 206, body, headers, cut=500)
        handler.close_connection = False
        time.sleep(20)
        return True

    hub.trouble = slow
    one = subprocess.Popen([str(PROGRAM), "pull", "hf:o/r"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL,
                           env=cairn.environment({"HF_ENDPOINT": hub.address}))
    pieces = cairn.home / ".pull-m-Q4_K_M.gguf" / "pieces"
    for _ in range(300):
        if pieces.exists() and len(pieces.read_text().splitlines()) == 3:
            break
        time.sleep(0.1)
    one.send_signal(signal.SIGKILL)
    one.wait()
    assert [p.name for p in cairn.home.iterdir() if not p.name.startswith(".")] == []
    assert json.loads(cairn("list", "--json").stdout)["models"] == []
    hub.trouble = None
    hub.asked.clear()
    pulled(cairn, pull(cairn, hub))
    assert len(hub.ranges()) == 3, hub.ranges()


def test_another_file_of_that_name_is_not_replaced(cairn, hub):
    (cairn.home / "m-Q4_K_M.gguf").write_bytes(gguf(8))
    done = pull(cairn, hub)
    assert done.returncode == 1 and "cairn rm" in one_sentence(done.stderr)
    assert (cairn.home / "m-Q4_K_M.gguf").read_bytes() == gguf(8)


def test_names_that_lead_out_of_the_folder_are_refused(cairn, hub):
    hub.files = {"x/..gguf": FILE, "README.md": b""}
    hub.sizes = {name: len(data) for name, data in hub.files.items()}
    hub.digests = dict.fromkeys(hub.files, "")
    done = pull(cairn, hub)
    assert done.returncode == 1
    assert "cannot be the name" in one_sentence(done.stderr)


def test_parts_of_a_split_file_and_files_of_several(cairn, hub):
    parts = {f"m-Q8_0-0000{i}-of-00002.gguf": gguf(100, i) for i in (1, 2)}
    hub.files |= parts
    hub.sizes = {name: len(data) for name, data in hub.files.items()}
    hub.digests = dict.fromkeys(hub.files, "")
    done = pull(cairn, hub, name="hf:o/r:Q8_0")
    assert done.returncode == 0, done.stderr
    assert b"no SHA-256" in done.stderr
    assert all((cairn.home / name).read_bytes() == data for name, data in parts.items())
    done = pull(cairn, hub, name="hf:o/r:Q2_K")
    assert "m-Q4_K_M.gguf" in one_sentence(done.stderr)


def test_tls_is_trusted_by_certificate_and_name(cairn, tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                           "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                           "-keyout", key, "-out", certificate], capture_output=True)
    if made.returncode != 0:
        pytest.skip("openssl cannot make a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    hub = Hub({"m-Q4_K_M.gguf": FILE}, tls=context)
    try:
        hub.address = f"https://localhost:{hub.port}"
        assert "TLS" in failed(cairn, pull(cairn, hub, "--retries", "0"))
        hub.address = f"https://127.0.0.1:{hub.port}"
        trusted = {"SSL_CERT_FILE": str(certificate)}
        assert "TLS" in failed(cairn, pull(cairn, hub, "--retries", "0", **trusted))
        hub.address = f"https://localhost:{hub.port}"
        pulled(cairn, pull(cairn, hub, **trusted))
    finally:
        hub.close()


def test_models_of_other_programs_are_listed_and_run_by_name(cairn, tmp_path):
    blob = "sha256-" + "a" * 64
    manifest = tmp_path / "ollama/manifests/registry.ollama.ai/library/tiny/1b"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": [{
        "mediaType": "application/vnd.ollama.image.model", "digest": blob.replace("-", ":")}]}))
    (tmp_path / "ollama/blobs").mkdir()
    (tmp_path / "ollama/blobs" / blob).write_bytes(gguf(8))
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama/o_r_m.gguf").write_bytes(gguf(8))
    snapshot = tmp_path / f"hub/models--o--r/snapshots/{COMMIT}"
    snapshot.mkdir(parents=True)
    (snapshot / "m.gguf").write_bytes(gguf(8))
    env = {"OLLAMA_MODELS": str(tmp_path / "ollama"), "LLAMA_CACHE": str(tmp_path / "llama"),
           "HF_HUB_CACHE": str(tmp_path / "hub")}
    listed = json.loads(cairn("list", "--json", env=env).stdout)["models"]
    names = [model["name"] for model in listed]
    assert names == ["hf:o/r:m.gguf", "llama.cpp:o_r_m.gguf", "ollama:tiny:1b"]
    assert list(cairn.home.iterdir()) == [], "something was copied"
    for name in names:
        done = cairn("show", name, env=env)
        assert b"no model" not in done.stderr, done.stderr
    unknown = cairn("show", "ollama:other", env=env)
    assert "cairn list" in one_sentence(unknown.stderr)
