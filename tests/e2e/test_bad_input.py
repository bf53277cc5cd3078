# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear sentence, the right exit code, nothing left half written."""
import os
import resource
import signal
import struct
import subprocess

import pytest
from conftest import PROGRAM, one_sentence

FAILED, USAGE = 1, 2


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(metadata: dict[str, str | list[str]], tensors: list[tuple[str, int]] = ()) -> bytes:
    """A GGUF file with metadata of strings and lists of them, and tensors of 32 elements."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        if isinstance(value, str):
            out += text(key) + struct.pack("<I", 8) + text(value)
        else:
            out += text(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
    for number, (name, kind) in enumerate(tensors):
        out += text(name) + struct.pack("<IQIQ", 1, 32, kind, 4096 * number)
    out += b"\0" * (-len(out) % 32)
    return out + b"\0" * 4096 * len(tensors)


FILES = {
    "empty.gguf": b"",
    "picture.gguf": b"\x89PNG\r\n\x1a\n" + b"\0" * 200,
    "cut.gguf": gguf({"general.architecture": "llama"})[:40],
    "newer.gguf": b"GGUF" + struct.pack("<IQQ", 99, 0, 0),
    "architecture.gguf": gguf({"general.architecture": "perceptron"}),
    "pre.gguf": gguf({"general.architecture": "sail", "tokenizer.ggml.model": "gpt2",
                      "tokenizer.ggml.pre": "klingon", "tokenizer.ggml.tokens": ["a", "b"],
                      "tokenizer.ggml.merges": []}),
    "tokenizer.gguf": gguf({"general.architecture": "llama", "tokenizer.ggml.model": "runes",
                            "tokenizer.ggml.tokens": ["a", "b"]}),
    "format.gguf": gguf({"general.architecture": "llama"}, [("token_embd.weight", 16)]),
    "huge.gguf": b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60),
    "broken.json": b"[",
    "text.json": b'"hello"',
    "messages.json": b'[{"role": "user", "content": "hi"}]',
    "broken.jinja": b"{% if %}",
    "binary.jinja": bytes(range(256)),
}
MESSAGES = ["--messages", "{tmp}/messages.json"]
ONE_TOKEN = ["--tokens", "1", "--out", "{tmp}/out.npy"]

# command, exit code, a word of the sentence
TABLE = [
    (["run", "{tmp}/missing.gguf", "hi"], FAILED, "missing.gguf"),
    (["run", "{tmp}", "hi"], FAILED, "{tmp}"),
    (["run", "nosuchmodel", "hi"], FAILED, "nosuchmodel"),
    (["run", "{tmp}/empty.gguf", "hi"], FAILED, "empty.gguf"),
    (["run", "{tmp}/picture.gguf", "hi"], FAILED, "picture.gguf"),
    (["run", "{tmp}/cut.gguf", "hi"], FAILED, "cut.gguf"),
    (["run", "{tmp}/newer.gguf", "hi"], FAILED, "version"),
    (["run", "{tmp}/huge.gguf", "hi"], FAILED, "huge.gguf"),
    (["run", "{tmp}/architecture.gguf", "hi"], FAILED, "perceptron"),
    (["run", "{tmp}/format.gguf", "hi"], FAILED, "format.gguf"),
    (["tokenize", "{tmp}/tokenizer.gguf"], FAILED, "runes"),
    (["tokenize", "{tmp}/pre.gguf"], FAILED, "'klingon' is not known; --pre NAME"),
    (["tokenize", "{tmp}/pre.gguf", "--pre", "vulcan"], FAILED, "'vulcan' is not known"),
    (["tokenize", "{tmp}/empty.gguf"], FAILED, "empty.gguf"),
    (["show", "{tmp}/picture.gguf"], FAILED, "picture.gguf"),
    (["show", "{tmp}/missing.gguf"], FAILED, "missing.gguf"),
    (["logits", "{tmp}/cut.gguf", *ONE_TOKEN], FAILED, "cut.gguf"),
    (["bench", "{tmp}/empty.gguf"], FAILED, "empty.gguf"),
    (["chat", "{tmp}/empty.gguf"], FAILED, "empty.gguf"),
    (["perplexity", "{tmp}/empty.gguf", "{tmp}/picture.gguf"], FAILED, "empty.gguf"),
    (["pull", "nosuchmodel"], FAILED, "nosuchmodel"),
    (["pull", "{tmp}/picture.gguf"], FAILED, "picture.gguf"),
    (["rm", "nosuchmodel"], FAILED, "nosuchmodel"),
    (["rm", "../../etc/passwd"], FAILED, "passwd"),
    (["template", "{tmp}/broken.jinja", *MESSAGES], FAILED, "broken.jinja"),
    (["template", "{tmp}/binary.jinja", *MESSAGES], FAILED, "UTF-8"),
    (["template", "{tmp}", *MESSAGES], FAILED, "{tmp}"),
    (["template", "{tmp}/broken.jinja", "--messages", "{tmp}/broken.json"], FAILED, "broken.json"),
    (["template", "{tmp}/broken.jinja", "--messages", "{tmp}/text.json"], FAILED, "array"),
    (["template", "{tmp}/broken.jinja"], USAGE, "--messages"),
    (["pull", ""], FAILED, "empty"),
    (["pull", "{tmp}"], FAILED, "directory"),
    (["rm", ""], FAILED, "cairn list"),
    (["show", "/dev/null"], FAILED, "/dev/null"),
    (["help", "jump"], USAGE, "jump"),
    (["jump", "--help"], USAGE, "jump"),
    (["rnu", "smollm2"], USAGE, "did you mean run"),
    (["run", "smollm2", "two", "words"], USAGE, "quotes"),
    (["run", "smollm2", "hi", "--tmep", "1"], USAGE, "did you mean --temp"),
    (["run", "smollm2", "hi", "--temp", "1", "--temp", "2"], USAGE, "more than once"),
    (["run", "smollm2", "hi", "--temp"], USAGE, "needs a value"),
    (["run", "smollm2", "hi", "--json=maybe"], USAGE, "takes no value"),
    (["run", "smollm2", "hi", "--min-p", "2"], USAGE, "--min-p"),
    (["run", "smollm2", "hi", "--seed", "-1"], USAGE, "--seed"),
    (["run", "smollm2", "hi", "--stop", ""], USAGE, "--stop"),
    (["run", "smollm2", "hi", "--repeat-penalty", "0"], USAGE, "--repeat-penalty"),
    (["run", "smollm2", "hi", "--presence-penalty", "inf"], USAGE, "--presence-penalty"),
    (["run", "smollm2", "hi", "--frequency-penalty", "11"], USAGE, "--frequency-penalty"),
    (["show", "smollm2", "--context", "-1"], USAGE, "--context"),
    (["logits", "smollm2", "--tokens", "1", "--out", ""], USAGE, "--out"),
    (["logits", "smollm2", *ONE_TOKEN, "--chunk", "0"], USAGE, "--chunk"),
    (["logits", "smollm2", *ONE_TOKEN, "--last", "-2"], USAGE, "--last"),
    (["perplexity", "smollm2", "{tmp}/picture.gguf", "--context", "3"], USAGE, "--context"),
    (["perplexity", "smollm2", "{tmp}/missing.txt"], FAILED, "missing.txt"),
    (["bench", "smollm2", "--rounds", "0"], USAGE, "--rounds"),
    (["bench", "smollm2", "-d", "-1"], USAGE, "-d"),
    (["run", "smollm2", "@{tmp}/missing.txt"], FAILED, "missing.txt"),
    (["run", "smollm2", "@{tmp}"], FAILED, "{tmp}"),
    (["template", "{tmp}/missing.jinja", "--messages", "{tmp}/missing.json"], FAILED, "missing"),
    (["jump"], USAGE, "jump"),
    (["run"], USAGE, "MODEL"),
    (["run", "smollm2", "hi", "--nosuchoption"], USAGE, "--nosuchoption"),
    (["run", "smollm2", "hi", "-n", "-5"], USAGE, "whole number"),
    (["run", "smollm2", "hi", "-n", "many"], USAGE, "whole number"),
    (["run", "smollm2", "hi", "-n", "99999999999999999999"], USAGE, "whole number"),
    (["run", "smollm2", "hi", "--temp", "-1"], USAGE, "--temp"),
    (["run", "smollm2", "hi", "--temp", "nan"], USAGE, "--temp"),
    (["run", "smollm2", "hi", "--top-p", "7"], USAGE, "--top-p"),
    (["run", "smollm2", "hi", "--top-k", "-3"], USAGE, "--top-k"),
    (["run", "smollm2", "hi", "--context", "0"], USAGE, "--context"),
    (["run", "smollm2", "hi", "--kv-memory", "1.5G"], USAGE, "--kv-memory"),
    (["bench", "smollm2", "--kv-memory", "0"], USAGE, "--kv-memory"),
    (["bench", "smollm2", "--kv-backend", "paged"], USAGE, "--kv-backend"),
    (["run", "smollm2", "hi", "--context", "1e99"], USAGE, "--context"),
    (["run", "smollm2", "hi", "-t", "0"], USAGE, "-t"),
    (["run", "smollm2", "hi", "-t", "1000000"], USAGE, "-t"),
    (["bench", "smollm2", "-p", "128,,512"], USAGE, "-p"),
    (["bench", "smollm2", "-b", "-1"], USAGE, "-b"),
    (["logits", "smollm2", "--tokens", "1,x", "--out", "{tmp}/out.npy"], USAGE, "--tokens"),
    (["logits", "smollm2", "--out", "{tmp}/out.npy"], USAGE, "--tokens"),
]


@pytest.mark.parametrize("command,code,word", TABLE, ids=[" ".join(c) for c, _, _ in TABLE])
def test_bad_input_is_one_sentence(cairn, tmp_path, command, code, word):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    done = cairn(*(a.format(tmp=tmp_path) for a in command))
    assert done.returncode == code, done.stderr
    assert word.format(tmp=tmp_path) in one_sentence(done.stderr)
    assert done.stdout == b""
    assert sorted(tmp_path.rglob("*")) == before, "something was left behind"


@pytest.mark.parametrize("isa", ["mmx", "", "AVX512"])
def test_unknown_instruction_set_is_an_error(smollm2, isa, tmp_path):
    done = smollm2("logits", "smollm2", "--tokens", "1", "--out", tmp_path / "x.npy",
                   env={"CAIRN_ISA": isa})
    if isa == "":
        assert done.returncode in (0, FAILED)
        return
    assert done.returncode == FAILED
    assert "CAIRN_ISA" in one_sentence(done.stderr)
    assert not (tmp_path / "x.npy").exists()


def test_kv_memory_below_a_tile_is_refused(smollm2):
    done = smollm2("run", "smollm2", "hi", "--kv-memory", "1000K")
    assert done.returncode == FAILED
    assert "1024000" in one_sentence(done.stderr) and "--kv-memory" in one_sentence(done.stderr)
    assert done.stdout == b""


def test_kv_memory_that_fills_up_is_one_sentence(smollm2):
    # Room for 64 tokens, asked to hold 1,000.
    done = smollm2("run", "smollm2", "word " * 100, "--kv-memory", "2M", "--context", "1000", "--raw")
    assert done.returncode == FAILED
    assert "--kv-memory" in one_sentence(done.stderr)


def test_prompt_longer_than_context_is_refused(smollm2):
    done = smollm2("run", "smollm2", "word " * 300, "--context", "128", "--raw")
    assert done.returncode == FAILED
    assert "128" in one_sentence(done.stderr)
    assert done.stdout == b""


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_empty_prompt_is_refused(smollm2, prompt):
    done = smollm2("run", "smollm2", prompt)
    assert done.returncode == FAILED
    assert "prompt is empty" in one_sentence(done.stderr)
    assert done.stdout == b""


@pytest.mark.parametrize("name,word", [("none.jinja", "none.jinja"), ("empty.jinja", "template")])
def test_template_that_makes_no_prompt_is_refused(smollm2, tmp_path, name, word):
    (tmp_path / "empty.jinja").write_text("")
    done = smollm2("run", "smollm2", "hi", "--chat-template", tmp_path / name)
    assert done.returncode == FAILED
    assert word in one_sentence(done.stderr)


def test_token_outside_vocabulary_is_refused(smollm2, tmp_path):
    done = smollm2("logits", "smollm2", "--tokens", "49152", "--out", tmp_path / "x.npy")
    assert done.returncode == FAILED
    assert "49152" in one_sentence(done.stderr)
    assert not (tmp_path / "x.npy").exists()


def test_output_into_missing_folder_is_refused(smollm2, tmp_path):
    out = tmp_path / "no" / "x.npy"
    done = smollm2("logits", "smollm2", "--tokens", "1", "--out", out)
    assert done.returncode == FAILED
    assert "x.npy" in one_sentence(done.stderr)


def test_device_as_output_stays_a_device(smollm2, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR)  # so that nothing waits
    done = subprocess.Popen([str(PROGRAM), "logits", "smollm2", "--tokens", "1", "--out", pipe],
                            env=smollm2.environment())
    read = b""
    while len(read) < 4 * 49152 + 128:
        read += os.read(end, 1 << 16)
    os.close(end)
    assert done.wait(300) == 0
    assert read.startswith(b"\x93NUMPY")
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_closed_standard_descriptor_is_no_file_of_ours(cairn, tmp_path, descriptor):
    """The first file that a program opens takes the place of a closed descriptor."""
    model = tmp_path / "x.gguf"
    model.write_bytes(FILES["architecture.gguf"])
    done = subprocess.run(["bash", "-c", f'"{PROGRAM}" show {model} {descriptor}>&-'],
                          capture_output=True, env=cairn.environment(), timeout=300)
    assert done.returncode == (FAILED if descriptor == 1 else 0), done.stderr
    assert model.read_bytes() == FILES["architecture.gguf"]


def test_truncated_real_model_is_refused(smollm2, cairn, tmp_path):
    whole = (smollm2.home / "smollm2.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    done = cairn("run", cut, "hi")
    assert done.returncode == FAILED
    assert "cut.gguf" in one_sentence(done.stderr)


def test_full_output_device_is_an_error(smollm2):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(PROGRAM), "run", "smollm2", "Hi", "-n", "4"], stdout=full,
                              stderr=subprocess.PIPE, env=smollm2.environment(), timeout=300,
                              stdin=subprocess.DEVNULL)
    assert done.returncode == FAILED
    one_sentence(done.stderr)


def test_closed_pipe_ends_quietly(smollm2):
    script = f'"{PROGRAM}" show smollm2 | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300,
                          env=smollm2.environment(), stdin=subprocess.DEVNULL)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "141"), done.stdout


def limit_file_size():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails and does not kill
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_pull_of_a_file_onto_a_full_disk_leaves_nothing(smollm2, cairn):
    """A limit on file sizes stands for the full disk: writing fails in the middle."""
    done = cairn("pull", smollm2.home / "smollm2.gguf", preexec_fn=limit_file_size)
    assert done.returncode == FAILED
    assert "disk" in done.stderr.decode().lower() or "large" in done.stderr.decode().lower()
    assert [p for p in cairn.home.rglob("*") if p.suffix == ".gguf"] == []
    assert sum(p.stat().st_size for p in cairn.home.rglob("*") if p.is_file()) < 1 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk")
def test_pull_onto_a_small_disk_leaves_nothing(smollm2, cairn):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(cairn.home)],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"the small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        done = cairn("pull", smollm2.home / "smollm2.gguf")
        left = [p.name for p in cairn.home.rglob("*") if p.is_file() and p.stat().st_size]
    finally:
        subprocess.run(["umount", str(cairn.home)], check=True)
    assert done.returncode == FAILED
    assert str(cairn.home) in one_sentence(done.stderr)
    assert "free" in done.stderr.decode()
    assert left == []


def test_pull_without_an_index_is_one_sentence(cairn, tmp_path):
    done = cairn("pull", "smollm2", env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple",
                                         "PIP_CONFIG_FILE": "/dev/null", "PIP_RETRIES": "0",
                                         "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""})
    assert done.returncode == FAILED
    assert one_sentence(done.stderr.splitlines(True)[-1])
    assert list(cairn.home.rglob("*.gguf")) == []


def test_pull_without_python_says_what_to_install(cairn, tmp_path):
    done = cairn("pull", "smollm2", env={"PATH": str(tmp_path)})
    assert done.returncode == FAILED
    assert "python3" in one_sentence(done.stderr.splitlines(True)[-1])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_read_only_home_is_one_sentence(cairn):
    cairn.home.chmod(0o500)
    done = cairn("pull", "smollm2")
    assert done.returncode == FAILED
    assert str(cairn.home) in one_sentence(done.stderr)


def test_home_that_is_a_file_is_one_sentence(cairn, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = cairn("pull", "smollm2", env={"CAIRN_HOME": str(blocked)})
    assert done.returncode == FAILED
    assert str(blocked) in one_sentence(done.stderr)


def test_no_home_at_all_is_one_sentence():
    done = subprocess.run([str(PROGRAM), "pull", "smollm2"], capture_output=True, timeout=300,
                          env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL)
    assert done.returncode == FAILED
    assert "CAIRN_HOME" in one_sentence(done.stderr)


