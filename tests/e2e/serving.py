# SPDX-License-Identifier: Apache-2.0
"""A server of its own for tests, and short ways to ask it."""
import http.client
import json
import re
import signal
import subprocess

import openai

from conftest import PROGRAM, SECONDS


class Server:
    def __init__(self, cairn, *options, port=0, context=1024):
        self.process = subprocess.Popen(
            [str(PROGRAM), "serve", "smollm2", "--port", str(port), "--context", str(context), "--kv-memory", "128M",
             *options], stderr=subprocess.PIPE, env=cairn.environment(), text=True)
        self.said = [self.process.stderr.readline(), self.process.stderr.readline()]
        assert "ready" in self.said[1], self.said
        self.port = int(re.search(r":(\d+)$", self.said[0].strip()).group(1))

    def client(self, key="none", **more):
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0,
                             timeout=SECONDS, **more)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace"), response.headers

    def post(self, path, body, headers=None):
        """The body of an answer that must be a 200."""
        status, text, _ = self.ask("POST", path, body, headers)
        assert status == 200, text
        return json.loads(text)

    def events(self, path, body):
        """Server-sent events as (name, data); the name is None where there is none."""
        status, text, headers = self.ask("POST", path, body)
        assert status == 200 and headers["Content-Type"].startswith("text/event-stream"), text
        found = []
        for event in text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in event.splitlines() if line)
            if "data" in lines and lines["data"] != "[DONE]":
                found.append((lines.get("event"), json.loads(lines["data"])))
        return found

    def lines(self, path, body):
        """JSON lines."""
        status, text, headers = self.ask("POST", path, body)
        assert status == 200 and headers["Content-Type"] == "application/x-ndjson", text
        return [json.loads(line) for line in text.splitlines()]

    def metric(self, name):
        text = self.ask("GET", "/metrics")[1]
        return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE).group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate(timeout=SECONDS)[1]
        assert self.process.returncode == 0, rest
        return rest
