# SPDX-License-Identifier: Apache-2.0
"""Cairn's models in the tool `llm`: llm -m cairn/smollm2 "Name three rivers of Europe.", and
llm embed -m cairn/minilm -c "A man is eating food."

Models are those of `cairn.models()`; one that has a short name is fetched when it is first used.
"""
from collections.abc import Iterable, Iterator
from functools import lru_cache

import llm
from llm.parts import TextPart
from pydantic import Field

import cairn


@lru_cache(maxsize=1)  # a conversation or a batch of `llm` uses one model; memory holds one
def _loaded(name: str, embeddings: bool) -> cairn.Model:
    return cairn.Model(name, embeddings=embeddings)


def _text_of(message: llm.Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


class CairnModel(llm.Model):
    """One model of Cairn's folder or of its short names."""

    can_stream = True

    class Options(llm.Options):
        """As `cairn run` takes them."""

        temperature: float | None = Field(default=None, ge=0, description="0: the likeliest token")
        top_k: int | None = Field(default=None, ge=0, description="of so many likeliest; 0: of all")
        top_p: float | None = Field(default=None, ge=0, le=1, description="of so much probability")
        min_p: float | None = Field(default=None, ge=0, le=1, description="relative to the likeliest")
        max_tokens: int | None = Field(default=None, ge=0, description="at most so many")
        seed: int | None = Field(default=None, ge=0, description="the same seed, the same answer")

    def __init__(self, name: str, fetched: bool) -> None:
        self.model_id = "cairn/" + name.removesuffix(".gguf")
        self._name = name
        self._fetched = fetched

    def execute(self, prompt: llm.Prompt, stream: bool, response: llm.Response,
                conversation: llm.Conversation | None) -> Iterator[str]:
        if not self._fetched:
            cairn.pull(self._name)
        model = _loaded(self._name, False)
        *earlier, question = prompt.messages
        chat = cairn.Chat(model)
        for message in earlier:
            chat.add(message.role, _text_of(message))
        options = {key: value for key, value in prompt.options if value is not None}
        answer = chat.stream(_text_of(question), **options)
        yield from answer
        done = answer.answer
        response.set_usage(input=done.prompt_tokens, output=len(done.tokens))


class CairnEmbeddings(llm.EmbeddingModel):
    """One model of Cairn's folder or of its short names, for embeddings."""

    supports_text = True

    def __init__(self, name: str, fetched: bool) -> None:
        self.model_id = "cairn/" + name.removesuffix(".gguf")
        self._name = name
        self._fetched = fetched

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        if not self._fetched:
            cairn.pull(self._name)
        texts = [item if isinstance(item, str) else item.decode() for item in items]
        for row in _loaded(self._name, True).embed(texts):
            yield row.tolist()


@llm.hookimpl
def register_models(register) -> None:
    for listed in cairn.models():
        register(CairnModel(listed.name, listed.path is not None))


@llm.hookimpl
def register_embedding_models(register) -> None:
    for listed in cairn.models():
        register(CairnEmbeddings(listed.name, listed.path is not None))
