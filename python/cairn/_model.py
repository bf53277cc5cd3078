# SPDX-License-Identifier: Apache-2.0
"""Models, conversations, embeddings and sequences."""
import os
from collections.abc import Iterable, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from cairn import _cairn
from cairn._answer import Answer, Sampling, options_of
from cairn._errors import InvalidArgument, Unsupported
from cairn._stream import Stream

Tokens = Sequence[int] | NDArray[np.integer]
_KV = {"f16": 0, "f32": 1, "q8": 2}
_EMBEDDINGS: dict[bool | str, int] = {False: 0, True: 1, "mean": 2, "cls": 3, "last": 4}


def _ids(tokens: Tokens) -> NDArray[np.int32]:
    """Token ids as the library takes them: int32, shape (count,)."""
    given = np.asarray(tokens)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InvalidArgument("tokens are a list of whole numbers, or an array of shape (count,)")
    ids = np.ascontiguousarray(given, dtype=np.int32)
    if not np.array_equal(ids, given):
        raise InvalidArgument("a token is not in the range of 32-bit numbers")
    return ids


def _texts(texts: Sequence[str], what: str) -> list[str]:
    if isinstance(texts, str):
        raise InvalidArgument(f"{what} is one text, expected a list of them")
    listed = list(texts)
    for at, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidArgument(f"{what}[{at}] is {text!r:.40}, which is no text")
    return listed


def _check_out(out: NDArray[np.float32], columns: str) -> None:
    if (out.dtype != np.float32 or out.ndim != 2 or not out.flags.c_contiguous or
            not out.flags.writeable):
        raise InvalidArgument(f"out is an array of float32, of shape (rows, {columns}), "
                              "C-contiguous and writeable")


class Model:
    """A model with its tokenizer and an engine that runs it.

    name: a short name ("smollm2"), a path to a GGUF file or a folder of safetensors, or a file's
        name in the model folder.
        Nothing is fetched: `cairn.pull` does that.
    folder: of models; by default $CAIRN_HOME, $XDG_CACHE_HOME/cairn or ~/.cache/cairn.
    pre_tokenizer: in place of the one that the file names.
    threads: of the engine; 0: the physical cores that this process may use.
    context: tokens of one sequence; 0: what the model has and memory holds.
    kv, kv_memory: how keys and values are kept ("f16", "f32", "q8"), and bytes for all of them
        together; 0: half of what is free.
    sequences: answers that are made at once, 1 to 256; more wait.
    isa: instruction set ("avx512", "avx_vnni", "avx2", "neon", "portable"); by default the best.
    pinned: each thread stays on a core of its own.
    propose: guess tokens from the text where that wins time; no answer changes by it.
    embeddings: True: for `embed` and `rerank` in place of answers, the rows of a text becoming one
        as the file says; "mean", "cls" (the first row) or "last": in that way. Encoders always are.
        For them, kv, kv_memory, sequences and propose mean nothing; context is that of one text.

    Any number of threads may use a model at once. They share the steps of its engine, and each gets
    the answer that it would get alone. The interpreter's lock is free while the engine works.
    """

    def __init__(self, name: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None,
                 pre_tokenizer: str | None = None, threads: int = 0, context: int = 0,
                 kv: str = "f16", kv_memory: int = 0, sequences: int = 32, isa: str | None = None,
                 pinned: bool = False, propose: bool = True,
                 embeddings: bool | str = False) -> None:
        if kv not in _KV:
            raise InvalidArgument(f"kv is {kv!r}, expected one of: " + ", ".join(_KV))
        if embeddings not in _EMBEDDINGS:
            raise InvalidArgument(f"embeddings is {embeddings!r}, expected one of: " +
                                  ", ".join(map(repr, _EMBEDDINGS)))
        options = _cairn.EngineOptions()
        numbers = {"threads": threads, "context": context, "kv_memory": kv_memory,
                   "sequences": sequences}
        for key, value in numbers.items():
            try:
                setattr(options, key, value)
            except (TypeError, OverflowError) as wrong:
                raise InvalidArgument(f"{key} is {value!r}, which is no such number") from wrong
        options.kv, options.pinned, options.propose = _KV[kv], pinned, propose
        self._model = _cairn.Model.open(os.fspath(name), os.fspath(folder or ""),
                                        pre_tokenizer or "", _EMBEDDINGS[embeddings])
        self._info = self._model.info()
        if self.embeds:
            self._made_for_embeddings = _cairn.Embedder.open(self._model, options.context,
                                                             options.threads, pinned, isa or "")
        else:
            self._made_for_answers = _cairn.Engine.open(self._model, options, isa or "")

    def __repr__(self) -> str:
        return f"<cairn.Model {self.path!r}, {self.architecture}, {self.parameters:,} parameters>"

    @property
    def _engine(self) -> _cairn.Engine:
        if self.embeds:
            raise Unsupported(f"{self.path!r} makes embeddings and no answers")
        return self._made_for_answers

    @property
    def _embedder(self) -> _cairn.Embedder:
        if not self.embeds:
            raise Unsupported(f"{self.path!r} was opened for answers; cairn.Model(..., "
                              "embeddings=True) opens it for embeddings")
        return self._made_for_embeddings

    @property
    def embeds(self) -> bool:
        """Whether it is for `embed` and `rerank`, and not for answers."""
        return self._info["embeds"]

    @property
    def path(self) -> str:
        """Of its file."""
        return self._info["path"]

    @property
    def architecture(self) -> str:
        """As GGUF files name it: "llama"."""
        return self._info["architecture"]

    @property
    def parameters(self) -> int:
        """Values of all its tensors."""
        return self._info["parameters"]

    @property
    def chat_template(self) -> str | None:
        """The file's own, a Jinja template; None where it has none."""
        return self._info["chat_template"]

    @property
    def context(self) -> int:
        """Tokens that one sequence, or one text to embed, can have here."""
        return self.state["context"]

    @property
    def vocabulary(self) -> int:
        """Logits per token. Some models have a few more of them than tokens."""
        return self._info["vocabulary"]

    @property
    def begin_token(self) -> int | None:
        """None where the model has none."""
        token = self._info["begin_token"]
        return None if token < 0 else token

    @property
    def end_token(self) -> int | None:
        """None where the model has none; see `ends` for all that end an answer."""
        token = self._info["end_token"]
        return None if token < 0 else token

    @property
    def state(self) -> dict[str, Any]:
        """What the engine does now: isa, threads, context, running, waiting, kv_budget, kv_used.

        For embeddings: isa, threads, context, width, scores (whether it only reranks).
        """
        return self._embedder.info() if self.embeds else self._engine.info()

    def tokenize(self, text: str, *, add_special: bool = True,
                 parse_special: bool = False) -> list[int]:
        """The ids of a text.

        add_special: with the begin and end tokens that the model wants.
        parse_special: special tokens that are written in the text are such tokens.
        """
        return self._model.tokenize(text, add_special, parse_special)

    def detokenize(self, tokens: Tokens, *, special: bool = False) -> str:
        """The text of ids; U+FFFD for what is no whole character.

        special: control tokens give their text, else nothing.
        """
        return self.detokenize_bytes(tokens, special=special).decode("utf-8", "replace")

    def detokenize_bytes(self, tokens: Tokens, *, special: bool = False) -> bytes:
        """The bytes of ids, which need not be whole characters."""
        return self._model.detokenize(_ids(tokens), special)

    def ends(self, token: int) -> bool:
        """Whether the token ends an answer."""
        return self._model.ends(token)

    def _submit(self, prompt: str | Tokens, options: _cairn.Options) -> Stream:
        tokens = self.tokenize(prompt) if isinstance(prompt, str) else prompt
        return Stream(self._engine.submit(_ids(tokens), options))

    def stream(self, prompt: str | Tokens, **options: Unpack[Sampling]) -> Stream:
        """Continues a prompt, text by text as it is made. Options: see `Sampling`."""
        return self._submit(prompt, options_of(options))

    def generate(self, prompt: str | Tokens, **options: Unpack[Sampling]) -> Answer:
        """Continues a prompt. Options: see `Sampling`."""
        return self.stream(prompt, **options).answer

    def batch(self, prompts: Iterable[str | Tokens], **options: Unpack[Sampling]) -> list[Answer]:
        """Continues many prompts at once; each answer is what it would be alone.

        At most `sequences` of them are made at a time. An exception, Ctrl-C too, cancels all.
        """
        ready = options_of(options)
        streams: list[Stream] = []
        try:
            streams += (self._submit(prompt, ready) for prompt in prompts)
            return [stream.answer for stream in streams]
        finally:
            for stream in streams:
                stream.close()

    @property
    def width(self) -> int:
        """Values of an embedding."""
        return self._embedder.info()["width"]

    def embed(self, texts: Sequence[str], *, dimensions: int | None = None, normalise: bool = True,
              truncate: bool = False,
              out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Embeddings of texts, for a model that is for them (`embeds`).

        texts: any number, of any lengths; they share steps, so give many at once.
        dimensions: only the first so many values, for models that were trained for that.
        normalise: scaled to a length of 1; the product of two rows is then their cosine.
        truncate: texts that are longer than `context` are cut at their end; without it, `Limit`.
        out: shape (len(texts), dimensions), float32, C-contiguous: where the rows are written;
            without it a new array is made. Nothing is copied on the way to Python.
        Returns: shape (len(texts), dimensions), float32; `width` columns unless said otherwise.

        A row depends on its text and the model alone. After an exception, Ctrl-C too, some rows of
        `out` may have been written.
        """
        listed = _texts(texts, "texts")
        embedder = self._embedder
        if out is None:
            columns = self.width if dimensions is None else dimensions
            if not isinstance(columns, int) or not 1 <= columns <= self.width:
                raise InvalidArgument(f"dimensions is {columns!r}, expected 1 to {self.width}")
            out = np.empty((len(listed), columns), dtype=np.float32)
        else:
            _check_out(out, "dimensions")
            if dimensions not in (None, out.shape[1]):
                raise InvalidArgument(f"dimensions is {dimensions!r}, out has {out.shape[1]}")
        embedder.embed(listed, out, truncate, not normalise)
        return out

    def rerank(self, query: str, documents: Sequence[str], *,
               truncate: bool = False) -> NDArray[np.float64]:
        """How well documents fit a query, for a model with `embeds`: larger is better.

        documents: any number of texts; give many at once.
        truncate: texts that are longer than `context` are cut at their end; without it, `Limit`.
        Returns: shape (len(documents),), float64: the logits of a cross-encoder, of any size, else
            the cosines of the embeddings.
        """
        return np.array(self._embedder.rerank(query, _texts(documents, "documents"), truncate),
                        dtype=np.float64)

    def chat(self, system: str | None = None, *, chat_template: str | None = None) -> "Chat":
        """A conversation. system: instructions; chat_template: in place of the model's own."""
        return Chat(self, system, chat_template)

    def session(self) -> "Session":
        """A sequence of tokens whose logits are wanted."""
        return Session(self)


class Chat:
    """A conversation: messages and the chat template that makes prompts of them.

    One thread at a time may use it. What was said before is computed once.
    """

    def __init__(self, model: Model, system: str | None = None,
                 chat_template: str | None = None) -> None:
        self.model = model
        self._chat = _cairn.Chat.open(model._engine, system or "", chat_template or "")

    def add(self, role: str, content: str) -> None:
        """A message of earlier; roles are the template's, mostly "user" and "assistant"."""
        self._chat.add(role, content)

    def clear(self) -> None:
        """Forgets all messages but the system's."""
        self._chat.clear()

    def tokens(self) -> list[int]:
        """What the model would read now, ready for its answer."""
        return self._chat.tokens()

    def stream(self, question: str, **options: Unpack[Sampling]) -> Stream:
        """Asks, and gives the answer's texts as they are made. Options: see `Sampling`.

        The question and its answer join the conversation when the stream has been read to its end.
        """
        return Stream(self._chat.submit(question, options_of(options)))

    def ask(self, question: str, **options: Unpack[Sampling]) -> Answer:
        """Asks and waits. Options: see `Sampling`. After an exception nothing has joined."""
        return self.stream(question, **options).answer


class Session:
    """A text's tokens and their logits, for whoever chooses the next token.

    It takes of the engine's memory for keys and values. One thread at a time may use it.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._session = _cairn.Session(model._engine, model.vocabulary)

    def __len__(self) -> int:
        """Tokens that were appended."""
        return self._session.length()

    def append(self, tokens: Tokens, *, rows: int = 1,
               out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Appends tokens and returns the logits of the last `rows` of them.

        tokens: shape (count,).
        rows: 0 to count.
        out: shape (rows, vocabulary), float32, C-contiguous: where the logits are written; without
            it a new array is made. Nothing is copied on the way to Python.
        Returns: shape (rows, vocabulary), float32.

        After an exception, Ctrl-C too, the session is as it was before.
        """
        if out is None:
            out = np.empty((rows, self.model.vocabulary), dtype=np.float32)
        else:
            _check_out(out, "vocabulary")
        self._session.append(_ids(tokens), out)
        return out

    def truncate(self, length: int) -> None:
        """Drops what is behind the first `length` tokens."""
        self._session.truncate(length)
