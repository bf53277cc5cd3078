# SPDX-License-Identifier: Apache-2.0
"""cairn serve over TLS, with Python's ssl."""
import contextlib
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import time

import openai
import pytest
import websocket

from conftest import SECONDS, Cairn, one_sentence
from serving import Server

BODY = {"messages": [{"role": "user", "content": "Name three rivers."}], "max_tokens": 6, "seed": 7}


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def make_certificate(folder, name):
    """A key and its certificate, which vouches for itself."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
            certificate, "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
    return certificate, key


class SecureServer(Server):
    def __init__(self, cairn, certificate, key, *options, **more):
        super().__init__(cairn, "--tls-cert", str(certificate), "--tls-key", str(key), *options, **more)
        self.trusted = certificate

    def context(self):
        return ssl.create_default_context(cafile=self.trusted)

    def connect(self, context=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=context or self.context())

    def open(self):
        """A socket to it."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        return self.context().wrap_socket(plain, server_hostname="127.0.0.1")

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers


class Told(Cairn):
    """With more in its environment."""

    def __init__(self, home, **more):
        super().__init__(home)
        self.more = more

    def environment(self, extra=None):
        return super().environment(self.more | (extra or {}))


def read_all(connection):
    text = b""
    while piece := connection.recv(65536):
        text += piece
    return text.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def secure(smollm2, folder):
    server = SecureServer(smollm2, *make_certificate(folder, "first"), "--header-seconds", "2")
    assert server.said[0].strip().endswith(f"https://127.0.0.1:{server.port}")
    yield server
    server.stop()


def test_answers_are_those_of_a_server_without_tls_whole_and_streamed(secure, server):
    whole = secure.post("/v1/chat/completions", BODY)["choices"]
    assert whole == server.post("/v1/chat/completions", BODY)["choices"]
    events = secure.events("/v1/chat/completions", BODY | {"stream": True})
    said = "".join(data["choices"][0]["delta"].get("content", "") for _, data in events)
    assert said == whole[0]["message"]["content"]


def test_the_openai_client_speaks_to_it(secure, folder, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.trusted))
    client = openai.OpenAI(base_url=f"https://127.0.0.1:{secure.port}/v1", api_key="none", max_retries=0, timeout=SECONDS)
    answer = client.chat.completions.create(model="smollm2", **BODY)
    stream = client.chat.completions.create(model="smollm2", stream=True, **BODY)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == answer.choices[0].message.content


def test_a_web_socket_is_as_without_tls(secure):
    wanted = secure.post("/v1/chat/completions", BODY)["choices"][0]["message"]["content"]
    client = websocket.create_connection(f"wss://127.0.0.1:{secure.port}/v1/stream", timeout=SECONDS, suppress_origin=True,
                                         sslopt={"ca_certs": str(secure.trusted)})
    client.send(json.dumps({"open": BODY | {"stream": True}}))
    client.send(json.dumps({"finish": True}))
    said, reason = "", None
    while reason is None:
        choice = json.loads(client.recv())["choices"][0]
        said += choice["delta"].get("content", "")
        reason = choice["finish_reason"]
    assert said == wanted
    code, data = client.recv_data()
    assert code == websocket.ABNF.OPCODE_CLOSE and int.from_bytes(data[:2], "big") == 1000
    client.close()


def test_a_connection_is_kept_and_long_bodies_pass_both_ways(secure):
    connection = secure.connect()
    text = "river " * 100_000
    for _ in range(3):
        connection.request("POST", "/apply-template", json.dumps({"messages": [{"role": "user", "content": text}]}))
        response = connection.getresponse()
        assert response.status == 200 and text.strip() in json.loads(response.read())["prompt"]
    connection.request("GET", "/health", headers={"Connection": "close"})
    assert connection.getresponse().status == 200


def test_requests_behind_one_another_are_answered_in_their_order(secure):
    with secure.open() as connection:
        asked = [b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]
        connection.sendall(asked[0])
        connection.sendall(asked[1] + asked[2])
        text = read_all(connection)
    assert re.findall(r"HTTP/1\.1 (\d+)", text) == ["200", "404", "200"], text


def test_a_refusal_is_read_by_who_sends_on(secure):
    with secure.open() as connection:
        connection.sendall(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 500_000)
        assert read_all(connection).startswith("HTTP/1.1 413 ")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_1_2_and_1_3_are_spoken(secure, version):
    context = secure.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", secure.port)) as plain, \
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
        assert wrapped.version() == version.replace("_", ".")
        assert wrapped.selected_alpn_protocol() == "http/1.1"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_weak_ciphers_and_nonsense_are_not(secure):
    old, weak = secure.context(), secure.context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256")
    for context in (old, weak):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            secure.connect(context).connect()
    for nonsense in (b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"y" * 1000, b"\x16\x03\x01"):
        with socket.create_connection(("127.0.0.1", secure.port), timeout=SECONDS) as plain:
            plain.sendall(nonsense)
            plain.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP/" not in plain.recv(1000)
    assert secure.ask("GET", "/health")[0] == 200


def test_plain_http_is_told_to_use_https(secure):
    with socket.create_connection(("127.0.0.1", secure.port), timeout=SECONDS) as plain:
        plain.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123456789")
        text = read_all(plain)
    assert text.startswith("HTTP/1.1 400 ") and "https://" in text
    assert secure.ask("GET", "/health")[0] == 200


def test_a_handshake_has_the_time_of_headers(secure):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", secure.port), timeout=SECONDS) as silent:
        assert silent.recv(1000) == b""
    assert 1 < time.monotonic() - began < 30


def test_a_client_that_goes_cancels_its_answer(secure):
    gone = secure.metric("cairn_clients_gone_total")
    body = json.dumps(BODY | {"stream": True, "max_tokens": 900, "ignore_eos": True}).encode()
    with secure.open() as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" %
                           (len(body), body))
        assert connection.recv(100)
    until = time.monotonic() + 30
    while secure.metric("cairn_requests_running") > 0 or secure.metric("cairn_clients_gone_total") == gone:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_handshake_that_does_not_come_is_a_connection(smollm2, folder):
    """And makes room, as one does that waits for a request."""
    server = SecureServer(smollm2, *make_certificate(folder, "few"), "--max-connections", "2", "--header-seconds", "60")
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) for _ in range(2)]
    assert server.ask("GET", "/health")[0] == 200
    assert silent[0].recv(10) == b"", "the one that has been silent longest is closed"
    for connection in silent:
        connection.close()
    server.stop()


def test_a_new_certificate_is_read_on_sighup_and_a_wrong_one_is_not(smollm2, folder, tmp_path):
    certificate, key = make_certificate(folder, "before")
    settings = tmp_path / "serve.toml"
    settings.write_text(f'tls-cert = "{certificate}"\n')
    server = Server(Told(smollm2.home, CAIRN_SERVE_TLS_KEY=str(key)), "--config", str(settings))

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=SECONDS)

    first = shown()
    with ssl.create_default_context(cafile=certificate).wrap_socket(
            socket.create_connection(("127.0.0.1", server.port)), server_hostname="127.0.0.1") as kept:
        certificate.write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        assert "the old certificate stays" in server.process.stderr.readline() and shown() == first
        after, after_key = make_certificate(folder, "after")
        certificate.write_bytes(after.read_bytes())
        key.write_bytes(after_key.read_bytes())
        server.process.send_signal(signal.SIGHUP)
        assert "the certificate was read" in server.process.stderr.readline()
        assert shown() != first and shown().split() == after.read_text().split()
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 200 ")
    server.stop()


def test_our_own_clients_speak_to_it(secure, smollm2):
    url = f"https://127.0.0.1:{secure.port}"
    trust = {"SSL_CERT_FILE": str(secure.trusted)}
    assert smollm2("top", url, "--once", env=trust).returncode == 0
    refused = smollm2("top", url, "--once")
    assert refused.returncode == 1 and "TLS" in one_sentence(refused.stderr)
    refused = smollm2("top", url.replace("https", "http"), "--once")
    assert refused.returncode == 1 and "https://" in one_sentence(refused.stderr)


def test_what_is_wrong_with_the_files_is_said(smollm2, folder):
    certificate, key = make_certificate(folder, "good")
    _, other = make_certificate(folder, "other")
    hidden = folder / "hidden.key"
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", hidden)
    nonsense = folder / "nonsense"
    nonsense.write_text("nonsense")
    for cert, with_key, words in (
            (folder / "none", key, "none"), (certificate, folder / "none", "none"), (nonsense, key, "the certificate is none"),
            (certificate, nonsense, "the key is none"), (certificate, hidden, "encrypted"), (folder, key, "cannot be read"),
            (certificate, other, "does not belong to the certificate")):
        done = smollm2("serve", "smollm2", "--port", "0", "--tls-cert", cert, "--tls-key", with_key)
        assert done.returncode == 1 and words in one_sentence(done.stderr), done.stderr
    for wrong, word in (["--tls-cert", certificate], b"--tls-key"), (["--tls-key", key], b"--tls-cert"), \
            (["--tls-cert", certificate, "--tls-key", key, "--unix-socket", folder / "s"], b"--unix-socket"):
        done = smollm2("serve", "smollm2", "--port", "0", *wrong)
        assert done.returncode == 2 and word in done.stderr, done.stderr
