# SPDX-License-Identifier: Apache-2.0
"""Answers that must have a form: on the command line, over HTTP, in batches."""
import json
import sys

import jsonschema
import openai
import pytest

from conftest import PROGRAM, ROOT, model_folder
from test_serve import Server

sys.path.insert(0, str(ROOT / "scripts"))
import judge_forms  # noqa: E402

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "hobbies": {"type": "array", "items": {"enum": ["chess", "tennis", "music"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "hobbies"],
    "additionalProperties": False,
}
ASK = [{"role": "user", "content": "Invent a person. Answer in JSON."}]


@pytest.fixture(scope="module")
def server(smollm2):
    running = Server(smollm2)
    yield running
    running.stop()


def ask(server, **more):
    return server.client().chat.completions.create(model="smollm2", messages=ASK, max_tokens=300, **more)


def format_of(schema, **more):
    return {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True} | more}


def test_a_schema_is_kept_whole_streamed_and_on_the_command_line(server, smollm2, tmp_path):
    whole = ask(server, response_format=format_of(PERSON), seed=5).choices[0]
    assert whole.finish_reason == "stop"
    jsonschema.validate(json.loads(whole.message.content), PERSON)
    chunks = list(ask(server, response_format=format_of(PERSON), seed=5, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.message.content
    path = tmp_path / "person.json"
    path.write_text(json.dumps(PERSON))
    for more in ([], ["--propose", "off"], ["-t", "1"]):
        said = smollm2("run", "smollm2", ASK[0]["content"], "--schema", path, "--seed", "5", *more)
        assert said.returncode == 0 and said.stdout.decode().strip() == whole.message.content, said.stderr


def test_forms_of_several_choices_keep_theirs_beside_free_answers(server):
    answers = ask(server, response_format=format_of(PERSON), n=4, seed=2, temperature=1.5)
    assert len({c.message.content for c in answers.choices}) > 1
    for choice in answers.choices:
        if choice.finish_reason == "stop":
            jsonschema.validate(json.loads(choice.message.content), PERSON)
        else:
            assert choice.finish_reason == "length"
    alone = ask(server, response_format=format_of(PERSON), seed=2, temperature=1.5)
    assert alone.choices[0].message.content == answers.choices[0].message.content


def test_every_member_that_asks_for_a_form(server):
    def text(body):
        return ask(server, seed=1, extra_body=body).choices[0].message.content
    some = ask(server, response_format={"type": "json_object"}, temperature=0).choices[0]
    assert some.message.content.startswith("{")  # left to itself the model may write until its limit
    assert some.finish_reason == "length" or isinstance(json.loads(some.message.content), dict)
    assert text({"guided_choice": ["red", "green"]}) in ("red", "green")
    assert text({"structured_outputs": {"choice": ["red", "green"]}}) in ("red", "green")
    assert text({"structured_outputs": {"regex": "[A-F]{3}-[0-9]{2}"}})[3] == "-"
    assert text({"guided_regex": "x{5}"}) == "xxxxx"
    assert text({"grammar": 'root ::= "yes" | "no"'}) in ("yes", "no")
    assert text({"guided_grammar": 'root ::= [a-c]{4}'}).strip("abc") == ""
    assert text({"response_format": {"type": "grammar", "grammar": 'start: "x"~5'}}) == "xxxxx"
    assert json.loads(text({"json_schema": {"type": "integer", "minimum": 10, "maximum": 12}})) in (10, 11, 12)
    assert json.loads(text({"guided_json": {"type": "boolean"}})) in (True, False)
    assert json.loads(text({"guided_json": '{"const": 7}'})) == 7
    plain = server.client().completions.create(model="smollm2", prompt="The colour is", max_tokens=8,
                                               extra_body={"guided_choice": ["red", "green"]})
    assert plain.choices[0].text in ("red", "green") and plain.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("body, named", [
    ({"response_format": format_of({"type": "object", "properties": {"a": {"not": {}}}})}, "keyword not"),
    ({"response_format": format_of({"type": "string", "pattern": "(?=a)"})}, "look-around"),
    ({"response_format": {"type": "json_schema"}}, "json_schema"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {"type": "json_object"}, "stop": ["}"]}, "stop"),
    ({"guided_choice": ["a"], "guided_regex": "b"}, "guided_regex"),
    ({"guided_choice": []}, "choice"),
    ({"guided_choice": "a"}, "guided_choice"),
    ({"guided_regex": "("}, "guided_regex"),
    ({"grammar": "root = x"}, "grammar, line 1"),
    ({"grammar": {"syntax": "lark", "definition": "start.2: /x/"}}, "priorities"),
    ({"structured_outputs": {"structural_tag": {}}}, "structural_tag"),
    ({"json_schema": {"enum": [[]] * 2, "uniqueItems": True}}, "uniqueItems"),
])
def test_what_cannot_be_kept_is_a_400_that_names_it(server, body, named):
    with pytest.raises(openai.BadRequestError, match=named.replace("(", r"\(")):
        ask(server, extra_body=body)


def test_run_says_what_is_wrong_and_takes_one_form(smollm2, tmp_path):
    schema = tmp_path / "s.json"
    schema.write_text('{"type": "array", "contains": {}}')
    said = smollm2("run", "smollm2", "Hi", "--schema", schema)
    assert said.returncode == 1 and b"contains" in said.stderr and b"s.json" in said.stderr
    assert smollm2("run", "smollm2", "Hi", "--schema", schema, "--regex", "a").returncode == 2
    assert smollm2("run", "smollm2", "Hi", "--schema", tmp_path / "none").returncode == 1
    assert smollm2("run", "smollm2", "Hi", "--choices", "yes,no").stdout.decode().strip() in ("yes", "no")
    grammar = tmp_path / "g.gbnf"
    grammar.write_text('root ::= "<" [a-z]{3} ">"')
    assert smollm2("run", "smollm2", "Hi", "--grammar", grammar).stdout.decode().strip()[::4] == "<>"
    lark = tmp_path / "g.lark"
    lark.write_text('start: "<" LETTER~3 ">"\n%import common.LETTER\n')
    assert smollm2("run", "smollm2", "Hi", "--grammar", lark).stdout.decode().strip()[::4] == "<>"


def test_a_batch_keeps_forms_and_says_what_it_cannot_keep(smollm2, tmp_path):
    def line(name, schema):
        return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {
            "messages": ASK, "max_tokens": 300, "seed": 5, "response_format": format_of(schema)}}) + "\n"
    (tmp_path / "in").write_text(line("good", PERSON) + line("bad", {"if": {}}) + line("same", PERSON))
    done = smollm2("batch", "smollm2", tmp_path / "in", tmp_path / "out", "--context", "1024")
    assert done.returncode == 0, done.stderr
    results = {r["custom_id"]: r["response"] for r in map(json.loads, (tmp_path / "out").read_text().splitlines())}
    assert results["bad"]["status_code"] == 400 and "keyword if" in results["bad"]["body"]["error"]["message"]
    content = results["good"]["body"]["choices"][0]["message"]["content"]
    jsonschema.validate(json.loads(content), PERSON)
    assert results["same"]["body"]["choices"] == results["good"]["body"]["choices"]


def test_what_the_masks_let_out_fits_its_schema(smollm2):
    judge_program = PROGRAM.parent / "tests/tools/cairn_form_judge"
    if not judge_program.exists():
        pytest.skip("built without tests")
    said = []
    counts, reasons = judge_forms.judge(model_folder() / "smollm2.gguf", judge_program, 80, 7, said.append)
    assert counts["wrong"] == 0, "\n".join(said)
    assert counts["taken"] > 60, reasons
    assert counts["texts"] > 200 and counts["unfinished"] * 10 < counts["texts"], counts
