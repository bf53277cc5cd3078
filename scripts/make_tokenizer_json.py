#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/tokenizer_json/: tokenizer.json files of the kinds that folders have, with ids.

  make_tokenizer_json.py

bytes: 500 tokens of byte-level BPE with Llama 3's pattern and added tokens, begun by a template; pieces: 700
tokens of `sentencepiece`'s BPE with byte fall-back, as transformers turns such a model into a tokenizer.json
(every pair that makes a piece is a merge); ranked: 600 tokens of BPE over characters that `tokenizers` trains
itself, with one merge for each piece. For each, texts with the ids that `tokenizers` gives (cases.json).
pre_tokenizers.json: steps of scripts/pre_tokenizers.py as `tokenizers` saves them.
"""
import io
import json
import os

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from make_border_vocabulary import byte_characters
from pre_tokenizers import PRE
from tokenizer_texts import texts

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../tests/golden/tokenizer_json")
MARK = "\u2581"
KNOWN = ["gpt-2", "smollm", "llama-bpe", "qwen2", "tekken", "gpt-4o", "qwen35", "deepseek-v3", "deepseek-coder",
         "bailingmoe", "ufakzeka", "minicpm5", "superbpe"]


def corpus():
    with open(os.path.join(HERE, "../tests/data/persuasion.txt"), encoding="utf-8") as f:
        return f.read()[:30000].split("\n")


def byte_level():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence(
        PRE["llama-bpe"]() + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=496, initial_alphabet=list(byte_characters().values()), show_progress=False))
    t.add_special_tokens([AddedToken(x, special=True) for x in ("<|begin_of_text|>", "<|eot_id|>")])
    t.add_tokens([AddedToken("<tool_call>", special=False, normalized=False), AddedToken("<|fim_prefix|>")])
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[
            ("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))])])
    return t, {"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"},
               "chat_template": [{"name": "default", "template": "{{ x }}"}, {"name": "rag", "template": "{{ y }}"}]}


def pieces():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, model_type="bpe", byte_fallback=True, vocab_size=700,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.999, minloglevel=2)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = {sp.id_to_piece(i): i for i in range(len(sp))}
    merges = []
    for i in range(len(sp)):
        piece = sp.id_to_piece(i)
        if sp.is_byte(i) or sp.is_control(i) or sp.is_unknown(i):
            continue
        cuts = [(piece[:k], piece[k:]) for k in range(1, len(piece))]
        cuts = [c for c in cuts if c[0] in vocab and c[1] in vocab]
        merges += [(sp.get_score(i), c) for c in sorted(cuts, key=lambda c: (vocab[c[0]], vocab[c[1]]))]
    merges = [c for _, c in sorted(merges, key=lambda m: -m[0])]
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    t.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(content=" ", left=1)])
    t.add_special_tokens([AddedToken(x, special=True) for x in ("<unk>", "<s>", "</s>")])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocab["<s>"])])
    return t, {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "add_bos_token": True, "add_eos_token": False}


def ranked():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Replace(" ", MARK)
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=340, show_progress=False))
    trained = json.loads(t.to_str())["model"]
    tokens = ["<unk>", "<eos>"] + [f"<0x{b:02X}>" for b in range(256)]
    tokens += sorted(trained["vocab"], key=trained["vocab"].get)
    t = Tokenizer(models.BPE(vocab={x: i for i, x in enumerate(tokens)}, merges=[tuple(m) for m in trained["merges"]],
                             byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    t.normalizer = normalizers.Replace(" ", MARK)
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_special_tokens([AddedToken(x, special=True) for x in ("<unk>", "<eos>")])
    return t, {"eos_token": "<eos>"}


def save(name, tokenizer, config, some):
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    cases = [{"text": x, "ids": tokenizer.encode(x, add_special_tokens=False).ids} for x in some]
    for file, what in (("tokenizer_config.json", config), ("cases.json", {
            "made_by": "scripts/make_tokenizer_json.py", "texts": cases,
            "framed": tokenizer.encode("Anne").ids})):
        with open(os.path.join(folder, file), "w") as f:
            json.dump(what, f, separators=(",", ":"))
            f.write("\n")
    print(name, tokenizer.get_vocab_size(), "tokens")


def main():
    prose = [line for line in corpus() if len(line) > 20][::40][:60]
    hard = [x for x in texts(400, 5) if "\0" not in x]
    # Here special tokens are never read from a text, there always. A mark that a text has itself, and
    # what a space is put before where a text begins with one, differ between the libraries too.
    special = ("<unk>", "<s>", "</s>", "<eos>")
    plain = [x for x in hard if x and x.strip(" ") == x and not any(s in x for s in (MARK, *special))]
    save("bytes", *byte_level(), prose + hard[:100])
    save("pieces", *pieces(), prose + plain[:100])
    save("ranked", *ranked(), prose + plain[:100])
    steps = {}
    for name in KNOWN:
        steps[name] = json.loads(pre_tokenizers.Sequence(
            PRE[name]() + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]).__getstate__())
    # As they are most often written.
    steps["gpt-2 in one"] = json.loads(pre_tokenizers.ByteLevel(add_prefix_space=False).__getstate__())
    steps["llama-bpe inverted"] = json.loads(pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(json.loads(PRE["llama-bpe"]()[0].__getstate__())["pattern"]["Regex"]), "removed",
                             invert=True), pre_tokenizers.ByteLevel(False, use_regex=False)]).__getstate__())
    with open(os.path.join(OUT, "pre_tokenizers.json"), "w") as f:
        json.dump(steps, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
