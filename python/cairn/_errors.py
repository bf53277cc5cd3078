# SPDX-License-Identifier: Apache-2.0
"""What the library refuses, as exceptions: one class per code, beside the built-in that fits."""
from cairn import _cairn


class Error(Exception):
    """Something did not work. `code` names the kind: "not found", "busy" and so on."""

    code = "unknown"


class InvalidArgument(Error, ValueError):
    """What was asked for has no meaning."""


class NotFound(Error, LookupError):
    """A file, a model or a name does not exist."""


class Corrupt(Error, ValueError):
    """A file contradicts itself or is cut short."""


class Unsupported(Error, NotImplementedError):
    """Well-formed, but nothing here can run it."""


class Limit(Error):
    """A context, a budget or a cap is exceeded."""


class InputOutput(Error, OSError):
    """The operating system refused or failed."""


class OutOfMemory(Error, MemoryError):
    """Memory could not be had."""


class Busy(Error):
    """Too many wait already; the same would be taken later."""


_CLASSES = {
    "invalid argument": InvalidArgument,
    "not found": NotFound,
    "corrupt": Corrupt,
    "unsupported": Unsupported,
    "limit exceeded": Limit,
    "input or output failed": InputOutput,
    "out of memory": OutOfMemory,
    "busy": Busy,
}


def error_of(status: int, message: str) -> Error:
    """The exception for a code of the library and its sentence."""
    name = _cairn.status_name(status)
    error = _CLASSES.get(name, Error)(message)
    error.code = name
    return error
