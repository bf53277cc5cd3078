# SPDX-License-Identifier: Apache-2.0
"""--propose and --draft: the answer is the same whoever proposes, and mistakes are named."""
import json

from conftest import one_sentence

ASKED = ("Count from one to ten, then again from one to ten.", "--temp", "0.8", "--seed", "5",
         "-n", "60")


def test_a_draft_model_changes_no_byte(smollm2):
    alone = smollm2("run", "smollm2", *ASKED, "--propose", "off")
    drafted = smollm2("run", "smollm2", *ASKED, "--draft", "smollm2", "-v")
    assert alone.returncode == 0 and drafted.returncode == 0, drafted.stderr
    assert drafted.stdout == alone.stdout
    words = drafted.stderr.decode()
    assert "guesses" in words and "draft model:" in words and "KV memory:" in words


def test_a_batch_with_a_draft_model_has_the_same_choices(smollm2, tmp_path):
    lines = [{"custom_id": str(i), "method": "POST", "url": "/v1/completions",
              "body": {"prompt": f"{i} rivers of Europe are", "max_tokens": 20, "seed": i,
                       "temperature": i % 2}} for i in range(6)]
    (tmp_path / "in").write_text("".join(json.dumps(one) + "\n" for one in lines))
    found = []
    for how in ("off", "draft"):
        more = ("--draft", "smollm2") if how == "draft" else ()
        done = smollm2("batch", "smollm2", tmp_path / "in", tmp_path / how, "--propose", how, *more)
        assert done.returncode == 0, done.stderr
        results = [json.loads(one) for one in (tmp_path / how).read_text().splitlines()]
        found.append({one["custom_id"]: one["response"]["body"]["choices"] for one in results})
    assert len(found[0]) == 6 and found[0] == found[1]


def test_a_draft_model_with_another_vocabulary_is_an_error(smollm2, gemma3):
    done = smollm2("run", "smollm2", "hi", "--draft", "gemma3")
    assert done.returncode == 1
    assert "same vocabulary, and token 0 is" in one_sentence(done.stderr)


def test_one_option_without_the_other_is_a_usage_error(smollm2):
    for options in (("--propose", "draft"), ("--propose", "off", "--draft", "smollm2")):
        done = smollm2("run", "smollm2", "hi", *options)
        assert done.returncode == 2
        assert "--draft" in one_sentence(done.stderr)
