#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Masks beside those of llguidance and xgrammar: times on the same texts, and whether they agree.

Texts are drawn under our masks from schemas of our own making (scripts/judge_forms.py) and cut into the
longest tokens; each engine makes the mask before every token. Times of the peers hold a call from
Python, about a microsecond. Their languages for JSON differ from ours in white space, order of members
and additional ones, so agreement is told for regular expressions and grammars, mask for mask, and for schemas as the
share of texts of ours that they take.

    .venv-structured/bin/python bench/structured/compare.py MODEL.gguf [--schemas N]
    (packages: llguidance, xgrammar, jsonschema, numpy, torch)
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import llguidance
import llguidance.numpy
import numpy
import xgrammar

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from judge_forms import Maker  # noqa: E402

REGEXES = [
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "2024-02-29"),
    (r"(red|green|blue)(, (red|green|blue)){0,5}", "red, blue, green"),
    (r"[a-z]+@[a-z]+\.(com|org|net)", "someone@example.org"),
    (r"\+[0-9]{2} [0-9]{6,9}", "+49 1234567"),
    (r"(ab|a*b){2,70}c?", "abaaabbbabc"),
    (r"[^,\n]{1,40}(,[^,\n]{1,40}){3}", "one,two,three,the number four"),
    (r"(yes|no|maybe)\.", "maybe."),
    (r"[A-Z][a-z]{2,20} [A-Z][a-z]{2,20}", "Grace Hopper"),
]

LARKS = [
    ('start: sum ("," sum)*\nsum: INT ("+" INT)~1..4\n%import common.INT\n', "1+22,3+4+5"),
    ('start: "<" tag ">" | "<" tag " " WORD ">"\ntag: "b" | "i" | "pre"\nWORD: /[a-z]+/\n', "<pre wide>"),
    ('start: value\n?value: "[" [value ("," value)*] "]" | INT | STRING\nSTRING: /"[^"]*"/\n'
     'INT: /[0-9]+/\n%ignore " "\n', '[1, ["two"], []]'),
    ('start: expr\nexpr: expr ("+"|"-") term | term\nterm: NAME | "(" expr ")"\nNAME: /[a-z][a-z0-9]*/\n', "a1+(b-c)"),
]


class Ours:
    def __init__(self, model, program):
        self.process = subprocess.Popen([str(program), str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Words:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokens, end):
        self.tokens = tokens
        self.eos_token_id = end
        self.bos_token_id = None
        self.special_token_ids = [i for i, token in enumerate(tokens) if token.startswith(b"\xff[")]
        self.byte_tokens = {token: i for i, token in enumerate(tokens) if len(token) == 1}

    def __call__(self, text):
        if isinstance(text, str):
            text = text.encode()
        return [self.byte_tokens[bytes([byte])] for byte in text]


def bits(words):
    """The ids that a mask of 32-bit words allows."""
    return numpy.flatnonzero(numpy.unpackbits(numpy.asarray(words, dtype="<u4").view(numpy.uint8), bitorder="little"))


def of_hex(text):
    words = numpy.array([int(text[i:i + 16], 16) for i in range(0, len(text), 16)], dtype="<u8")
    return bits(words.view("<u4"))


def quantiles(times):
    if not times:
        return "-"
    ordered = sorted(times)
    return f"p50 {statistics.median(ordered):.1f} µs, p90 {ordered[len(ordered) * 9 // 10]:.1f}, p99 {ordered[len(ordered) * 99 // 100]:.1f}, most {ordered[-1]:.0f}"


class LlGuidance:
    name = "llguidance"

    def __init__(self, tokens, end):
        special = [token or b"\xff[%d]" % i for i, token in enumerate(tokens)]
        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Words(special, end)))
        self.mask = llguidance.numpy.allocate_token_bitmask(1, self.tokenizer.vocab_size)

    def start(self, kind, text):
        make = {"schema": llguidance.LLMatcher.grammar_from_json_schema, "regex": llguidance.LLMatcher.grammar_from_regex,
                "grammar": llguidance.LLMatcher.grammar_from_lark}[kind]
        self.matcher = llguidance.LLMatcher(self.tokenizer, make(text))
        return not self.matcher.get_error()

    def fill(self):
        llguidance.numpy.fill_next_token_bitmask(self.matcher, self.mask, 0)
        return self.mask[0].view("<u4")

    def accept(self, token):
        return self.matcher.consume_token(token)


class XGrammar:
    name = "xgrammar"

    def __init__(self, tokens, end):
        info = xgrammar.TokenizerInfo([token for token in tokens], vocab_type=xgrammar.VocabType.RAW, stop_token_ids=[end])
        self.compiler = xgrammar.GrammarCompiler(info, cache_enabled=False)
        self.mask = xgrammar.allocate_token_bitmask(1, len(tokens))

    def start(self, kind, text):
        if kind == "grammar":  # it knows no Lark
            return False
        compiled = (self.compiler.compile_json_schema(text, strict_mode=True) if kind == "schema"
                    else self.compiler.compile_regex(text))
        self.matcher = xgrammar.GrammarMatcher(compiled)
        return True

    def fill(self):
        self.matcher.fill_next_token_bitmask(self.mask)
        return self.mask[0].numpy().view("<u4")

    def accept(self, token):
        return self.matcher.accept_token(token)


def follow(engine, kind, text, tokens):
    """Compile time, times of masks, masks; the text is taken."""
    before = time.perf_counter()
    try:
        if not engine.start(kind, text):
            return None
    except Exception:  # each engine has its own errors for what it does not take
        return None
    compiled = (time.perf_counter() - before) * 1e6
    times, masks = [], []
    for token in tokens:
        before = time.perf_counter()
        mask = engine.fill()
        times.append((time.perf_counter() - before) * 1e6)
        masks.append(bits(mask.copy()))
        if not engine.accept(token):
            return compiled, times, masks, False
    return compiled, times, masks, True


def agree(ours, peers, vocabulary, kind, name, forms):
    """How many masks are the same, token for token, but for the ends of answers."""
    same = {peer.name: [0, 0] for peer in peers}
    for form, text in forms:
        walk = ours.ask(kind=kind, text=form, walk=text)
        for peer in peers:
            result = follow(peer, kind, form, walk["tokens"])
            if result is None:
                continue
            for mine, theirs in zip(walk["allowed"], result[2]):
                a, b = of_hex(mine), theirs[theirs < len(vocabulary["tokens"])]
                same[peer.name][0] += numpy.array_equal(numpy.setdiff1d(a, vocabulary["ends"]),
                                                        numpy.setdiff1d(b, vocabulary["ends"]))
                same[peer.name][1] += 1
    for peer, (equal, of) in same.items():
        if of > 0:
            print(f"  {name}: {equal} of {of} masks are those of {peer}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--schemas", type=int, default=100)
    parser.add_argument("--judge", default=ROOT / "build/release/tests/tools/cairn_form_judge")
    options = parser.parse_args()
    ours = Ours(options.model, options.judge)
    vocabulary = ours.ask(vocabulary=True)
    tokens = [bytes.fromhex(token) for token in vocabulary["tokens"]]
    peers = [LlGuidance(tokens, vocabulary["ends"][0]), XGrammar(tokens, vocabulary["ends"][0])]
    times = {"cairn": [], "llguidance": [], "xgrammar": []}
    compiles = {"cairn": [], "llguidance": [], "xgrammar": []}
    maker = Maker(1)
    taken = {peer.name: 0 for peer in peers}
    refused = {peer.name: 0 for peer in peers}
    texts = 0
    for number in range(options.schemas):
        schema = json.dumps(maker.whole())
        drawn = ours.ask(kind="schema", text=schema, samples=1, seed=number)
        if not drawn.get("samples"):
            continue
        walk = ours.ask(kind="schema", text=schema, walk=drawn["samples"][0])
        texts += 1
        compiles["cairn"].append(walk["compile_us"])
        times["cairn"] += walk["mask_us"]
        for peer in peers:
            result = follow(peer, "schema", schema, walk["tokens"])
            if result is None:
                refused[peer.name] += 1
                continue
            compiles[peer.name].append(result[0])
            times[peer.name] += result[1]
            taken[peer.name] += result[3]
    print(f"{len(tokens)} tokens; {texts} schemas, one text of each")
    for name in times:
        print(f"  {name:11} compile {quantiles(compiles[name])}\n              masks ({len(times[name])}) {quantiles(times[name])}")
    for name in taken:
        print(f"  {name} refuses {refused[name]} of the schemas and takes {taken[name]} of {texts - refused[name]} texts")
    agree(ours, peers, vocabulary, "regex", "regular expressions", REGEXES)
    agree(ours, peers, vocabulary, "grammar", "grammars in Lark's notation", LARKS)


if __name__ == "__main__":
    main()
