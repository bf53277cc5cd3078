#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/templates.json and jinja_snippets.json with Jinja2 3.1.

The environment is the one that chat templates meet in the ecosystem: immutable sandbox,
trim_blocks, lstrip_blocks, loop controls, tojson without HTML escapes, raise_exception,
strftime_now (here a fixed time) and generation blocks. Needs: pip install jinja2.
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(line)

    def _pass(self, caller):
        return caller()


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(source, variables):
    try:
        text = environment().from_string(source).render(**variables)
        text.encode("utf-8")
        return text
    except Exception:  # whatever goes wrong there is an error here
        return "ERROR"


def conversation(case, add):
    return dict({"messages": case["messages"], "tools": case.get("tools"),
                 "add_generation_prompt": add, "bos_token": "<s>", "eos_token": "</s>"},
                **case.get("extra", {}))


def make_templates():
    cases = {p.name: json.loads(p.read_text()) for p in sorted((TESTS / "templates/cases").glob("*.json"))}
    golden = {}
    for path in sorted((TESTS / "templates").glob("*.jinja")):
        source = path.read_text()
        golden[path.name] = {name: [render(source, conversation(case, add)) for add in (False, True)]
                             for name, case in cases.items()}
    out = TESTS / "golden/templates.json"
    out.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
    errors = sum(r == "ERROR" for c in golden.values() for rs in c.values() for r in rs)
    total = sum(len(rs) for c in golden.values() for rs in c.values())
    print(f"{len(golden)} templates, {len(cases)} cases, {total} outputs, {errors} of them errors")


def make_snippets():
    data = json.loads((TESTS / "templates/snippets.json").read_text())
    variables = dict(data["context"], bos_token="<s>", eos_token="</s>", tools=None,
                     add_generation_prompt=False)
    rows = [[s, render(s, variables)] for s in data["snippets"]]
    rows = [r for r in rows if " at 0x" not in r[1]]  # addresses of Python objects
    out = TESTS / "golden/jinja_snippets.json"
    out.write_text(json.dumps({"context": data["context"], "snippets": rows}, ensure_ascii=False,
                              indent=0))
    print(f"{len(rows)} snippets, {sum(r == 'ERROR' for _, r in rows)} of them errors")


if __name__ == "__main__":
    make_templates()
    make_snippets()
