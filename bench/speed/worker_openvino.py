# SPDX-License-Identifier: Apache-2.0
"""OpenVINO GenAI on the same GGUF file, with its own choice of KV (8-bit). Fresh tokens every time,
so that no prefix is reused; prefill is its time to the first token, decode the time per token after
it."""
import numpy as np
import openvino
import openvino_genai as genai

from .rows import Task
from .timing import median_seconds, random_tokens

VOCABULARY = 40000  # smaller than that of the models it is given


class Worker:
    def __init__(self, path: str, threads: int):
        self.pipeline = genai.LLMPipeline(path, "CPU", ATTENTION_BACKEND="SDPA",
                                          INFERENCE_NUM_THREADS=threads)
        self.seed = 0

    def generate(self, prompt: int, answer: int):
        self.seed += 1
        ids = np.array([random_tokens(prompt, VOCABULARY, self.seed)], dtype=np.int64)
        inputs = genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
        settings = genai.GenerationConfig(max_new_tokens=answer, ignore_eos=True)
        return self.pipeline.generate(inputs, settings).perf_metrics

    def first_token(self, prompt: int) -> None:
        self.generate(prompt, 1)

    def measure(self, task: Task, seed: int) -> float:
        self.seed = 1000 * seed + self.seed % 1000
        if task.kind == "prefill":
            self.generate(min(task.tokens, 128), 1)
            return task.tokens / median_seconds(
                lambda: self.generate(task.tokens, 1).get_ttft().mean / 1000)
        return 1 / median_seconds(
            lambda: self.generate(task.depth, task.tokens + 1).get_tpot().mean / 1000)
