# SPDX-License-Identifier: Apache-2.0
"""cairn verify on a real model: every way gives the answers that were made alone."""
import json


def verify(cairn, *options):
    return cairn("verify", "smollm2", *options)


def test_every_way_has_one_hash(cairn, smollm2):
    done = verify(cairn, "--count", "4", "-n", "4", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["different"] == 0 and result["prompts"] == 4
    assert {row["hash"] for row in result["rows"]} == {result["hash"]}
    ways = {row["way"] for row in result["rows"]}
    assert len(ways) == 11 and len({row["isa"] for row in result["rows"]}) >= 2
    cached = [row for row in result["rows"] if "cached" in row["way"]]
    assert cached and all(row["reused_tokens"] > 0 for row in cached)
    assert any(row["preempted"] > 0 for row in result["rows"])
    assert sum(row["guessed"] for row in result["rows"]) > 0


def test_prompts_of_a_file_are_those_that_are_asked(cairn, smollm2, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("The sea is\n\nA list: one, two,\n")
    done = verify(cairn, "--prompts", file, "-n", "2")
    assert done.returncode == 0, done.stderr
    last = done.stdout.decode().splitlines()[-1]
    assert "2 prompts, the same answers in every way" in last


def test_a_file_without_prompts_is_an_error(cairn, smollm2, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    done = verify(cairn, "--prompts", empty)
    assert done.returncode == 1
    assert b"no prompts" in done.stderr
