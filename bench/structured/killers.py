#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Forms of answers that are made to hurt, sent to a server: each must be a 400, soon and with little memory.

For each: the time of the request (the fastest of three, as another program may run beside), and how much
the server's memory grew at its highest.

    bench/structured/killers.py [MODEL] [--cairn build/release/cairn]
Exit code 1 where one is not refused, takes more than 200 ms or more than 64 MiB.
"""
import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_MS, MOST_MIB = 200, 64
GROUPS, CHAIN, NESTED = 60_000, 5_000, 3_000


def chain(rule, last):
    return "".join(rule(i) for i in range(CHAIN)) + last


def nested_schema():
    return '{"items":' * NESTED + "true" + "}" * NESTED


def doubling():
    rules = {f"r{i}": {"allOf": [{"$ref": f"#/$defs/r{i + 1}"}] * 2} for i in range(45)}
    return {"$ref": "#/$defs/r0", "$defs": rules | {"r45": {"type": "null"}}}


def killers():
    """Name, and the members of a body."""
    refs = {f"r{i}": {"items": {"$ref": f"#/$defs/r{i + 1}"}} for i in range(CHAIN)}
    yield "60,000 groups inside one another", {"guided_regex": "(" * GROUPS + "a" + ")" * GROUPS}
    yield "60,000 groups one after the other", {"guided_regex": "(a)" * GROUPS}
    yield "60,000 groups in a grammar", {"grammar": "root ::= " + "(" * GROUPS + '"a"' + ")" * GROUPS}
    yield "60,000 groups in a grammar of Lark's", {"grammar": "start: " + "(" * GROUPS + '"a"' + ")" * GROUPS}
    yield "a chain of 5,000 rules", {"grammar": "root ::= r0\n" + chain(
        lambda i: f'r{i} ::= "a" r{i + 1} "b"\n', f'r{CHAIN} ::= "c"\n')}
    yield "a chain of 5,000 terminals of Lark's", {"grammar": chain(
        lambda i: f'A{i}: "a" A{i + 1} "b"\n', f'A{CHAIN}: "c"\nstart: A0\n')}
    yield "a chain of 5,000 references", {"guided_json": json.dumps(
        {"$ref": "#/$defs/r0", "$defs": refs | {f"r{CHAIN}": {"type": "null"}}})}
    yield "3,000 arrays inside one another", {"guided_json": nested_schema()}
    yield "3,000 arrays in an enum", {"guided_json": '{"enum": [' + "[" * NESTED + "]" * NESTED + "]}"}
    yield "3,000 arrays in the body itself", {"guided_json": "@nested"}
    yield "a giant count of characters", {"guided_regex": "a{1000000000}"}
    yield "a giant count of items", {"guided_json": {"minItems": 4_000_000_000}}
    yield "left recursion through rules", {"grammar": 'root ::= a\na ::= b "x" | "y"\nb ::= a | "z"\n'}
    yield "left recursion behind what may be empty", {"grammar": 'root ::= "a"? root "b" | "c"'}
    yield "a million listed values", {"guided_json": {"enum": list(range(1_000_000))}}
    yield "a million choices", {"guided_choice": [str(i) for i in range(1_000_000)]}
    yield "references that double, 45 times", {"guided_json": doubling()}
    yield "a reference to itself with more beside it", {"guided_json": {"type": "object", "properties": {
        "a": {"$ref": "#", "minProperties": 1}, "b": {"$ref": "#", "maxProperties": 9}}}}
    yield "classes that fall into many ranges", {"guided_regex": "[^\\x01\\x03\u00e9\\u4e00-\\u9fff]" * 20_000}


class Server:
    def __init__(self, program, model):
        self.process = subprocess.Popen([program, "serve", model, "--port", "0", "--context", "512",
                                         "--kv-memory", "64M"], stderr=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+)$", self.process.stderr.readline().strip()).group(1))
        assert "ready" in self.process.stderr.readline()

    def memory(self, name):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE).group(1)) / 1024

    def ask(self, body):
        """Status, message, milliseconds, and MiB at the highest above what was there before."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        before = self.memory("VmRSS")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        begin = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        text = response.read()
        taken = (time.perf_counter() - begin) * 1e3
        return response.status, json.loads(text).get("error", {}).get("message", ""), taken, self.memory("VmHWM") - before

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2")
    parser.add_argument("--cairn", default=str(ROOT / "build/release/cairn"))
    options = parser.parse_args()
    server = Server(options.cairn, options.model)
    server.ask(json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "guided_regex": "a"}))
    bad = False
    print("| form | body | status | time | memory | message |\n|---|---|---|---|---|---|")
    for name, members in killers():
        body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1} | members)
        body = body.replace('"@nested"', nested_schema()).encode()
        asked = [server.ask(body) for _ in range(3)]
        status, message = asked[0][:2]
        taken, memory = min(a[2] for a in asked), max(a[3] for a in asked)
        wrong = status != 400 or taken > MOST_MS or memory > MOST_MIB
        bad = bad or wrong
        short = message if len(message) <= 90 else message[:87] + "..."
        print(f"| {name}{' (!)' if wrong else ''} | {len(body) / 1024:.0f} KiB | {status} | {taken:.1f} ms "
              f"| {max(memory, 0):.1f} MiB | {short.replace('|', chr(92) + '|')} |")
    server.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
