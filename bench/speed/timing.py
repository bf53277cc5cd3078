# SPDX-License-Identifier: Apache-2.0
"""How a peer's measurement is timed, the same for each of them."""
import random
import statistics
import time
from collections.abc import Callable

MOST_REPEATS, ENOUGH_SECONDS = 3, 2.0


def random_tokens(count: int, vocabulary: int, seed: int) -> list[int]:
    """Ordinary ids: the special ones come first in the vocabularies at hand."""
    source = random.Random(seed)
    return [source.randrange(1000, vocabulary) for _ in range(count)]


def median_seconds(work: Callable[[], float]) -> float:
    """Of up to three repeats; `work` says itself how long what counts took. Long ones are not
    repeated, they vary less and the run is long enough."""
    seconds: list[float] = []
    while len(seconds) < MOST_REPEATS and sum(seconds) < ENOUGH_SECONDS:
        seconds.append(work())
    return statistics.median(seconds)


def seconds_of(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
