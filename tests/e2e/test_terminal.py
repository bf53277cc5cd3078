# SPDX-License-Identifier: Apache-2.0
"""The chat and `run` on a terminal: keys, Ctrl-C, Ctrl-Z, pastes, and what is left behind."""
import errno
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
from conftest import PROGRAM

SECONDS = 300  # for the answer to one key, on a busy machine
STORY = "Write a very long story about the sea, with many chapters."
ECHO = termios.ECHO | termios.ICANON


class Terminal:
    """A program on a terminal of its own, 70 columns wide."""

    def __init__(self, cairn, *arguments):
        self.home = cairn.home
        pid, self.end = pty.fork()
        if pid == 0:
            os.chdir(cairn.start)
            os.execve(PROGRAM, [str(PROGRAM), *map(str, arguments)],
                      cairn.environment({"TERM": "xterm"}))
        self.pid = pid
        self.seen = ""
        self.flags = termios.tcgetattr(self.end)[3]
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 70, 0, 0))

    def read(self, seconds: float) -> bool:
        """What comes within that time; False at the end."""
        if not select.select([self.end], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.end, 1 << 16)
        except OSError as error:
            assert error.errno == errno.EIO
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, pattern: str) -> re.Match:
        """The first match after what was waited for last. After a prompt, also that the program
        reads keys itself: those typed before would be the terminal's to echo and to interrupt."""
        deadline = time.monotonic() + SECONDS
        while not (match := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            assert self.read(1), f"ended without {pattern!r}: {self.seen!r}"
        self.seen = self.seen[match.end():]
        while pattern.endswith(">>> ") and termios.tcgetattr(self.end)[3] & ECHO:
            assert time.monotonic() < deadline, "the program never takes the keys"
            time.sleep(0.01)
        return match

    def keys(self, text: str) -> None:
        os.write(self.end, text.encode())

    def code(self) -> int:
        deadline = time.monotonic() + SECONDS
        while self.read(1):
            assert time.monotonic() < deadline, self.seen
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(smollm2, tmp_path):
    """Starts programs; ends those that a failed test leaves."""
    started = []

    def start(*arguments):
        smollm2.start = tmp_path
        started.append(Terminal(smollm2, *arguments))
        return started[-1]

    yield start
    for one in started:
        os.close(one.end)  # hangs up
        try:
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def saved(folder) -> list[dict]:
    return json.loads((folder / "saved.json").read_text())


def test_interrupted_run_keeps_text_and_statistics(terminal):
    one = terminal("run", "smollm2", STORY, "-v", "--temp", "0")
    text = one.wait_for(r"(\w+ ){3}").group()
    one.keys("\x03")
    one.wait_for(r"answer +\d+ tokens .*cancelled")
    assert text
    assert one.code() == 130


def test_interrupted_json_is_whole(smollm2):
    one = subprocess.Popen([str(PROGRAM), "run", "smollm2", STORY, "--json"],
                           stdout=subprocess.PIPE, env=smollm2.environment())
    time.sleep(2)  # loading takes a part of a second, the story many
    one.send_signal(signal.SIGINT)
    out, _ = one.communicate(timeout=SECONDS)
    assert one.returncode == 130
    if out:  # nothing, where the machine was too busy to begin
        assert json.loads(out)["finish_reason"] == "cancelled"


def test_keys_typed_while_text_streams_are_the_next_line(terminal, tmp_path):
    one = terminal("chat", "smollm2", "--temp", "0")
    one.wait_for(">>> ")
    one.keys(STORY + "\r")
    one.wait_for(r"chapters\.\r?\n")
    one.wait_for(r"\x1b\[J\w")  # the answer begins
    one.keys("/saxx\x7f\x7fve saved.json")
    one.wait_for(r">>> /save saved\.json")  # at the prompt below the answer
    one.keys("\x03")
    one.wait_for(r"\(stopped\)")
    one.keys("\r")
    one.wait_for("Saved 2 messages")
    assert saved(tmp_path)[0] == {"role": "user", "content": STORY}
    one.keys("/bye\r")
    assert one.code() == 0


def test_interrupt_clears_the_line_and_not_the_chat(terminal):
    one = terminal("chat", "smollm2")
    one.wait_for(">>> ")
    one.keys("half a line")
    one.wait_for("half a line")
    one.keys("\x03")
    one.wait_for(r"\^C\r\n.*>>> ")
    one.keys("\x03")
    one.wait_for("/bye leaves")
    one.wait_for(">>> ")
    one.keys("\x04")
    assert one.code() == 0


def test_pasted_lines_are_one_message_also_from_the_history(terminal, tmp_path):
    one = terminal("chat", "smollm2", "-n", "2")
    one.wait_for(">>> ")
    one.keys("\x1b[200~one\r\ttwo\x02\rthree\x1b[201~\r")
    one.wait_for(r"\r\n\r\n.*>>> ")
    one.keys("\x10\r")  # the line before, once more
    one.wait_for(r"\r\n\r\n.*>>> ")
    one.keys("/save saved.json\r")
    one.wait_for("Saved 4 messages")
    assert [m["content"] for m in saved(tmp_path)[::2]] == ["one\n\ttwo\nthree"] * 2


def test_suspended_chat_comes_back_with_its_line(terminal):
    one = terminal("chat", "smollm2")
    one.wait_for(">>> ")
    one.keys("half")
    one.wait_for("half")
    # An orphaned process group does not stop, it goes on at once: both show the line again.
    os.kill(one.pid, signal.SIGTSTP)
    time.sleep(0.5)
    os.kill(one.pid, signal.SIGCONT)
    one.wait_for(">>> half")
    assert not termios.tcgetattr(one.end)[3] & ECHO, "keys would be echoed twice"
    one.keys("\x03")
    one.wait_for(r"\^C\r\n.*>>> ")
    one.keys("\x04")
    assert one.code() == 0


def test_terminated_chat_leaves_the_terminal_as_it_was(terminal):
    one = terminal("chat", "smollm2")
    one.wait_for(">>> ")
    os.kill(one.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert termios.tcgetattr(one.end)[3] & ECHO == one.flags & ECHO
    assert one.code() == 128 + signal.SIGTERM


def test_broken_conversation_is_refused_and_the_present_one_stays(terminal, tmp_path):
    (tmp_path / "broken.json").write_text('[{"role": "robot"}]')
    one = terminal("chat", "smollm2", "-n", "2", "--context", "128")
    one.wait_for(">>> ")
    one.keys("hello\r")
    one.wait_for(r"\r\n\r\n.*>>> ")
    for command, answer in (("/load broken.json", "not what /save writes"),
                            ("/load none.json", "No such file"), ("/save", "name of a file"),
                            ("/save .", "give another"), ("/set temp hot", "expected a number"),
                            ("/set heat 1", "there is no setting"), ("/frob", "there is no command"),
                            ("x " * 200, "the message was not sent")):
        one.keys(command + "\r")
        one.wait_for(answer)
        one.wait_for(">>> ")
    one.keys("/save saved.json\r")
    one.wait_for("Saved 2 messages")
    assert saved(tmp_path)[0]["content"] == "hello"
