# SPDX-License-Identifier: Apache-2.0
"""llama.cpp through llama-cpp-python's low-level calls, the way llama-bench drives it: one batch per
prompt, logits of the last row only, caches warm."""
import llama_cpp as api

from .rows import Task
from .timing import median_seconds, random_tokens, seconds_of

LONGEST_BATCH, MICRO_BATCH = 2048, 512
WARM_TOKENS = 128


class Context:
    """Sequences of one model with room for `positions` each, and how many each holds."""

    def __init__(self, model, threads: int, sequences: int, positions: int):
        settings = api.llama_context_default_params()
        settings.n_seq_max = sequences
        settings.n_ctx = sequences * positions
        settings.n_batch, settings.n_ubatch = LONGEST_BATCH, MICRO_BATCH
        settings.n_threads = settings.n_threads_batch = threads
        settings.swa_full = False  # as its tools: windowed layers keep their window
        settings.no_perf = True
        self.context = api.llama_init_from_model(model, settings)
        if not self.context:
            raise RuntimeError(f"no context of {sequences} x {positions} positions")
        self.memory = api.llama_get_memory(self.context)
        self.batch = api.llama_batch_init(LONGEST_BATCH, 0, 1)
        self.depth = 0

    def run(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """(token, position, sequence, whether its logits are wanted) of one step."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
            batch.seq_id[i][0], batch.logits[i] = sequence, wanted
        if api.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        api.llama_synchronize(self.context)

    def append(self, sequence: int, tokens: list[int], begin: int) -> None:
        for at in range(0, len(tokens), LONGEST_BATCH):
            part = tokens[at:at + LONGEST_BATCH]
            self.run([(token, begin + at + i, sequence, at + i == len(tokens) - 1)
                      for i, token in enumerate(part)])

    def clear(self) -> None:
        api.llama_memory_clear(self.memory, True)
        self.depth = 0

    def cut(self, sequences: int, depth: int) -> bool:
        """Back to `depth` positions each, where the memory can do that."""
        return all(api.llama_memory_seq_rm(self.memory, s, depth, -1) for s in range(sequences))


class Worker:
    def __init__(self, path: str, threads: int):
        self.threads = threads
        api.llama_backend_init()
        self.silence = api.llama_log_callback(lambda *_: None)
        api.llama_log_set(self.silence, None)
        self.model = api.llama_model_load_from_file(path.encode(), api.llama_model_default_params())
        if not self.model:
            raise RuntimeError("llama.cpp cannot load it")
        self.vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        self.contexts: dict[tuple[int, int], Context] = {}

    def context(self, sequences: int, positions: int) -> Context:
        key = (sequences, positions)
        if key not in self.contexts:
            self.contexts[key] = Context(self.model, self.threads, *key)
        return self.contexts[key]

    def first_token(self, prompt: int) -> None:
        self.context(1, LONGEST_BATCH).append(0, random_tokens(prompt, self.vocabulary, 1), 0)

    def measure(self, task: Task, seed: int) -> float:
        work = self.prefill if task.kind == "prefill" else self.decode
        return work(task, seed)

    def prefill(self, task: Task, seed: int) -> float:
        context = self.context(1, LONGEST_BATCH)

        def once(tokens: list[int]) -> float:
            context.clear()
            return seconds_of(lambda: context.append(0, tokens, 0))

        tokens = random_tokens(task.tokens, self.vocabulary, seed)
        once(tokens[:WARM_TOKENS])
        return task.tokens / median_seconds(lambda: once(tokens))

    def decode(self, task: Task, seed: int) -> float:
        """What the sequences hold is kept between rounds: a long prompt is computed once."""
        positions = -(-(task.depth + task.tokens) // 256) * 256
        context = self.context(task.batch, positions)
        tokens = random_tokens(task.tokens, self.vocabulary, seed)

        def steps(count: int) -> None:
            for i, token in enumerate(tokens[:count]):
                context.run([(token, task.depth + i, s, True) for s in range(task.batch)])

        def once() -> float:
            self.fill(context, task)
            return seconds_of(lambda: steps(task.tokens))

        self.fill(context, task)
        steps(2)
        return task.tokens * task.batch / median_seconds(once)

    def fill(self, context: Context, task: Task) -> None:
        if context.depth == task.depth and context.cut(task.batch, task.depth):
            return
        context.clear()
        for sequence in range(task.batch):
            prompt = random_tokens(task.depth, self.vocabulary, sequence)
            context.append(sequence, prompt, 0)
        context.depth = task.depth
