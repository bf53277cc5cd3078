# SPDX-License-Identifier: Apache-2.0
"""Texts of an answer while it is made."""
from collections.abc import Iterator

from cairn import _cairn
from cairn._answer import Answer, answer_of

_TEXT, _ENDED = 1, 2
# A wait is no longer than this, so that Ctrl-C is heard.
_MILLISECONDS = 100


class Stream(Iterator[str]):
    """An answer as it is made: iterate over its texts, whole characters each.

    Left before its end (`break`, an exception, `with`), it is cancelled as soon as it is closed or
    forgotten. One thread at a time may use it; any number of streams run side by side.
    """

    def __init__(self, request: _cairn.Request) -> None:
        self._request = request
        self._answer: Answer | None = None

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        while self._answer is None:
            try:
                kind, _, text = self._request.next(_MILLISECONDS)
            except BaseException:
                self._request.cancel()
                raise
            if kind == _TEXT:
                return text
            if kind == _ENDED:
                self._answer = answer_of(self._request.answer(0))
        raise StopIteration

    @property
    def answer(self) -> Answer:
        """The whole answer, once it is there: reads what is left of it."""
        try:
            for _ in self:
                pass
        except BaseException:
            self.close()
            raise
        assert self._answer is not None
        return self._answer

    def cancel(self) -> None:
        """Ends it before the engine's next step; what was made so far is the answer."""
        self._request.cancel()

    def close(self) -> None:
        """Cancels it if it has not ended."""
        if self._answer is None:
            self._request.cancel()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
