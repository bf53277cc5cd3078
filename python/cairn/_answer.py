# SPDX-License-Identifier: Apache-2.0
"""Answers, and the options that shape them."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from cairn import _cairn
from cairn._errors import InvalidArgument

REASONS = ("end of turn", "stop text", "max tokens", "context full", "cancelled")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    text: what the model said, without the text that stopped it.
    tokens: the ids of all tokens that were chosen, the one that ended it included.
    reason: why it ended: one of REASONS.
    prompt_tokens, reused_tokens: the prompt's, and how many of them were known from before.
    prompt_seconds, answer_seconds: to the first token, and from there to the last.
    """

    text: str
    tokens: list[int]
    reason: str
    prompt_tokens: int
    reused_tokens: int
    prompt_seconds: float
    answer_seconds: float

    def __str__(self) -> str:
        return self.text


def answer_of(made: tuple) -> Answer:
    text, tokens, reason, *rest = made
    return Answer(text, tokens, REASONS[reason], *rest)


class Sampling(TypedDict, total=False):
    """Options of an answer, each with what it is by default.

    max_tokens (none): at most so many; the model or the context ends it otherwise.
    temperature (0.8), top_k (40), top_p (0.95), min_p (0.05): how the next token is drawn; a
        temperature of 0 takes the likeliest.
    seed (0): the same seed gives the same answer.
    stop (none): a text, or texts, that end the answer and are no part of it.
    repeat_penalty (1), presence_penalty (0), frequency_penalty (0), repeat_window (64): what tokens
        that were said lose, and how far back.
    priority (0): -10 to 10, larger is sooner.
    ignore_end (False): go on where the model would end.
    cache (True): use and leave beginnings that other answers share.
    """

    max_tokens: int | None
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    seed: int
    stop: str | Sequence[str]
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float
    repeat_window: int
    priority: int
    ignore_end: bool
    cache: bool


_PLAIN = ("temperature", "top_k", "top_p", "min_p", "seed", "repeat_penalty", "presence_penalty",
          "frequency_penalty", "repeat_window", "priority")


def options_of(given: Sampling) -> _cairn.Options:
    options = _cairn.Options()
    for name, value in given.items():
        if name in _PLAIN:
            try:
                setattr(options, name, value)
            except (TypeError, OverflowError) as wrong:
                raise InvalidArgument(f"{name} is {value!r}, which is no such number") from wrong
        elif name == "max_tokens":
            options.max_tokens = -1 if value is None else int(value)
        elif name == "stop":
            options.set_stop([value] if isinstance(value, str) else list(_texts(value)))
        elif name == "ignore_end":
            options.ignore_end = bool(value)
        elif name == "cache":
            options.no_cache = not value
        else:
            raise TypeError(f"there is no option {name!r}; there are: " +
                            ", ".join(Sampling.__annotations__))
    return options


def _texts(values: Iterable[str]) -> Iterable[str]:
    for value in values:
        if not isinstance(value, str):
            raise InvalidArgument(f"a stop text is {value!r}, which is no text")
        yield value
