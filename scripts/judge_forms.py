#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Schemas of our own making, and what the masks let out of them, judged by the package jsonschema.

For each schema some texts are drawn token by token under its masks: every one must parse and fit.
Then they are changed in small ways: what the grammar still takes must fit too. How many changed texts
fit the schema and are not taken is counted: members in another order, numbers written otherwise, and
the like (docs/structured-output.md says what is left out).

    judge_forms.py MODEL.gguf [--schemas N] [--seed S] [--judge build/release/tests/tools/cairn_form_judge]

Exit code 1 where a text does not fit, or too many are not finished.
"""
import argparse
import copy
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parents[1]
WORDS = ["name", "id", "tags", "kind", "größe", "a b", "x-y", "value", "next", "q\"uote", "line\nend", "", "😀"]
PATTERNS = ["^[a-z]+$", "^[A-Z]{2}-[0-9]{3}$", "ab", "^(red|green|blue)$", "^[0-9]{1,3}(\\.[0-9]{1,2})?$", "^x|y$",
            "^.{2,5}$", "^[^\\\\\"]*$"]
FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "ipv6", "hostname", "email"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def maybe(self, chance):
        return self.r.random() < chance

    def schema(self, depth):
        makers = [self.string, self.integer, self.number, self.listed, self.plain]
        if depth > 0:
            makers += [self.object, self.object, self.object, self.array, self.array, self.any_of, self.one_of, self.all_of]
        return self.r.choice(makers)(depth)

    def plain(self, _):
        return self.r.choice([{"type": "boolean"}, {"type": "null"}, True, {}, {"type": ["string", "null"]},
                              {"type": "object"}, {"type": "array"}])

    def string(self, _):
        kind = self.r.randrange(4)
        if kind == 0:
            return {"type": "string", "pattern": self.r.choice(PATTERNS)}
        if kind == 1:
            return {"type": "string", "format": self.r.choice(FORMATS)}
        out = {"type": "string"}
        least = self.r.randrange(4)
        if self.maybe(0.5):
            out["minLength"] = least
        if self.maybe(0.7):
            out["maxLength"] = least + self.r.choice([0, 1, 5, 30, 200])
        return out

    def bounds(self, out, values):
        low, high = sorted(values)
        if self.maybe(0.7):
            out[self.r.choice(["minimum", "exclusiveMinimum"])] = low
        if self.maybe(0.7):
            out[self.r.choice(["maximum", "exclusiveMaximum"])] = round(high + 2, 3)
        return out

    def integer(self, _):
        out = self.bounds({"type": "integer"}, [self.r.randrange(-2000, 2000) for _ in range(2)])
        if self.maybe(0.2):
            return {"type": "integer", "multipleOf": self.r.choice([2, 5, 7, 10, 60])}
        return out

    def number(self, _):
        return self.bounds({"type": "number"}, [round(self.r.uniform(-50, 50), self.r.randrange(4)) for _ in range(2)])

    def listed(self, _):
        values = ["red", "green", 1, 2.5, None, True, [1, "a"], {"k": "v"}, "größe", "tab\t", -7]
        picked = self.r.sample(values, self.r.randrange(1, 6))
        return {"const": picked[0]} if self.maybe(0.3) else {"enum": picked}

    def array(self, depth):
        out = {"type": "array"}
        least = self.r.randrange(3)
        if self.maybe(0.6):
            out["minItems"] = least
        out["maxItems"] = least + self.r.randrange(1, 6)
        if self.maybe(0.3):
            out["prefixItems"] = [self.schema(depth - 1) for _ in range(self.r.randrange(1, 4))]
        if self.maybe(0.8):
            out["items"] = self.schema(depth - 1)
        return out

    def object(self, depth):
        names = self.r.sample(WORDS, self.r.randrange(0, 6))
        out = {"type": "object", "properties": {name: self.schema(depth - 1) for name in names}}
        out["required"] = [name for name in names if self.maybe(0.5)]
        if self.maybe(0.2):
            out["additionalProperties"] = self.schema(depth - 1)
        elif self.maybe(0.5):
            out["additionalProperties"] = False
        if self.maybe(0.1) and names and out.get("additionalProperties") is False:
            out["minProperties"] = self.r.randrange(0, len(names) + 1)
            out["maxProperties"] = max(len(out["required"]), out["minProperties"], 1)
        if self.maybe(0.05):
            return {"type": "object", "patternProperties": {"^[a-z]{1,4}$": self.schema(depth - 1)},
                    "additionalProperties": False}
        return out

    def any_of(self, depth):
        return {"anyOf": [self.schema(depth - 1) for _ in range(self.r.randrange(1, 4))]}

    def one_of(self, depth):
        if self.maybe(0.5):
            return {"oneOf": [{"type": "string"}, {"type": "integer", "minimum": 3}, self.array(depth)]}
        ways = []
        for kind in self.r.sample(["cat", "dog", "bird"], 2):
            way = self.object(depth)
            way.pop("patternProperties", None)
            way["properties"] = {"kind": {"const": kind}} | {k: v for k, v in way.get("properties", {}).items() if k != "kind"}
            way["required"] = ["kind"] + [n for n in way.get("required", []) if n != "kind"]
            way.pop("maxProperties", None)
            way.pop("minProperties", None)
            ways.append(way)
        return {"oneOf": ways}

    def all_of(self, depth):
        if self.maybe(0.3):
            return {"allOf": [self.integer(0), {"maximum": 5000}]}
        base = self.object(depth)
        if "properties" not in base:
            return base
        more = {"properties": {"extra": self.schema(depth - 1)}, "required": self.r.choice([["extra"], []])}
        if base.get("additionalProperties") is False:
            base.pop("additionalProperties")
        base.pop("maxProperties", None)
        if self.maybe(0.5):
            return {"allOf": [base, more]}
        return base | {"anyOf": [more, {"properties": {"other": {"type": "null"}}}]}

    def whole(self):
        schema = self.object(3) if self.maybe(0.8) else self.schema(3)
        if self.maybe(0.15):
            node = {"type": "object", "properties": {"v": self.schema(1), "next": {"anyOf": [
                {"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["next"]}
            schema = {"$defs": {"node": node}, "type": "object", "properties": {"list": {"$ref": "#/$defs/node"},
                      "rest": schema if isinstance(schema, dict) else {}}, "required": ["list"]}
        return schema


def changed(value, r):
    """The same value with one small change somewhere."""
    value = copy.deepcopy(value)
    if isinstance(value, dict) and value and r.random() < 0.8:
        key = r.choice(list(value))
        kind = r.randrange(4)
        if kind == 0:
            del value[key]
        elif kind == 1:
            value["other" + key] = value[key]
        elif kind == 2:
            return dict(reversed(list(value.items())))
        else:
            value[key] = changed(value[key], r)
        return value
    if isinstance(value, list) and value and r.random() < 0.8:
        at = r.randrange(len(value))
        kind = r.randrange(3)
        if kind == 0:
            del value[at]
        elif kind == 1:
            value.append(value[at])
        else:
            value[at] = changed(value[at], r)
        return value
    if isinstance(value, bool) or value is None:
        return r.choice([True, False, None, 0, ""])
    if isinstance(value, (int, float)):
        return r.choice([value + 1, value - 1, -value, value * 1000, value / 2, int(value), str(value)])
    if isinstance(value, str):
        return r.choice([value + "x", value[1:], value.upper(), value * 3, 3, None])
    return r.choice([None, 1, [], {}, "x"])


def judge(model, program, schemas, seed, say=print):
    """(schemas taken, refused by reason, texts, unfinished, changed texts that fit and are not taken, wrong ones)."""
    maker = Maker(seed)
    r = random.Random(seed)
    process = subprocess.Popen([str(program), str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(**request):
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    counts = {"taken": 0, "refused": 0, "texts": 0, "unfinished": 0, "changed": 0, "left out": 0, "wrong": 0}
    reasons = {}
    for number in range(schemas):
        schema = maker.whole()
        text = json.dumps(schema, ensure_ascii=r.random() < 0.5)
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        answer = ask(kind="schema", text=text, samples=4, seed=number)
        if "error" in answer:
            counts["refused"] += 1
            reason = re.sub(r"^schema, at [^:]*: ", "", answer["error"])
            reasons[reason] = reasons.get(reason, 0) + 1
            continue
        counts["taken"] += 1
        counts["unfinished"] += answer["unfinished"]
        others = []
        for sample in answer["samples"]:
            counts["texts"] += 1
            try:
                value = json.loads(sample)
                validator.validate(value)
            except (ValueError, jsonschema.ValidationError) as wrong:
                counts["wrong"] += 1
                say(f"WRONG: {sample}\n  of {text}\n  {str(wrong).splitlines()[0]}")
                continue
            others += [changed(value, r) for _ in range(4)]
        texts = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in others]
        for value, other, takes in zip(others, texts, ask(kind="schema", text=text, check=texts).get("checks", [])):
            fits = validator.is_valid(value)
            counts["changed"] += 1
            if takes and not fits:
                counts["wrong"] += 1
                say(f"WRONG: takes {other}\n  of {text}")
            counts["left out"] += fits and not takes
    process.stdin.close()
    process.wait()
    return counts, reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--schemas", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge", default=ROOT / "build/release/tests/tools/cairn_form_judge")
    options = parser.parse_args()
    counts, reasons = judge(options.model, options.judge, options.schemas, options.seed)
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:12]:
        print(f"  refused {count}: {reason}")
    sys.exit(counts["wrong"] > 0 or counts["unfinished"] * 10 > counts["texts"])


if __name__ == "__main__":
    main()
