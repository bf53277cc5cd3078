# SPDX-License-Identifier: Apache-2.0
"""/v1/files and /v1/batches with the openai client; a server that is killed goes on."""
import hashlib
import json
import signal
import time

import openai
import pytest

from conftest import SECONDS
from serving import Server


def line(number, **more):
    body = {"messages": [{"role": "user", "content": f"Say {number}."}], "max_tokens": 12, "seed": number}
    return {"custom_id": f"id-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body | more}


def upload(client, lines):
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    return client.files.create(file=("in.jsonl", text.encode()), purpose="batch")


def start(client, lines):
    return client.batches.create(input_file_id=upload(client, lines).id, endpoint="/v1/chat/completions",
                                 completion_window="24h", metadata={"why": "test"})


def wait(client, batch, until=("completed", "failed", "cancelled")):
    deadline = time.monotonic() + SECONDS
    while batch.status not in until:
        assert time.monotonic() < deadline, batch
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    return batch


def results(client, file):
    lines = [json.loads(text) for text in client.files.content(file).text.splitlines()]
    return {one["custom_id"]: one for one in lines}


@pytest.fixture()
def keeping(smollm2, tmp_path):
    running = Server(smollm2, "--files", tmp_path / "files")
    yield running
    running.stop()


def test_a_batch_answers_as_the_route_does(keeping):
    client = keeping.client()
    wrong = line(1, temperature=-1)
    batch = start(client, [*map(line, range(6)), "nonsense", line(3), wrong | {"custom_id": "wrong"},
                           line(7) | {"url": "/v1/completions"}])
    assert batch.status in ("validating", "in_progress") and batch.metadata == {"why": "test"}
    batch = wait(client, batch)
    assert batch.status == "completed" and batch.completed_at
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (10, 6, 4)
    found = results(client, batch.output_file_id)
    assert set(found) == {f"id-{number}" for number in range(6)}
    for number in range(6):
        said = keeping.post("/v1/chat/completions", line(number)["body"])
        assert found[f"id-{number}"]["response"]["body"]["choices"] == said["choices"]
    errors = [json.loads(text) for text in client.files.content(batch.error_file_id).text.splitlines()]
    assert len(errors) == 4 and any("temperature" in json.dumps(one) for one in errors)
    assert [one.id for one in client.batches.list().data] == [batch.id]
    assert {one.id for one in client.files.list().data} == {batch.input_file_id, batch.output_file_id,
                                                            batch.error_file_id}
    client.files.delete(batch.output_file_id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(batch.output_file_id)


def test_a_killed_server_goes_on_where_the_lines_end(smollm2, tmp_path):
    first = Server(smollm2, "--files", tmp_path / "files")
    lines = [line(number, max_tokens=40, ignore_eos=True) for number in range(60)]
    batch = start(first.client(), lines)
    grown = tmp_path / "files" / f"{batch.id}.out"
    while not grown.exists() or grown.read_text().count("\n") < 5:
        time.sleep(0.02)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    before = grown.read_text()
    assert before.count("\n") < 60, "too late to be killed"
    grown.write_text(before + '{"id":"batch_req_9","cus')  # a line that was cut
    second = Server(smollm2, "--files", tmp_path / "files")
    client = second.client()
    batch = wait(client, client.batches.retrieve(batch.id))
    assert batch.request_counts.completed == 60 and batch.error_file_id is None
    text = client.files.content(batch.output_file_id).text
    whole = before[:before.rfind("\n") + 1]
    assert text.startswith(whole) and len(results(client, batch.output_file_id)) == text.count("\n") == 60
    second.stop()


def test_a_cancelled_batch_keeps_what_it_has(keeping):
    client = keeping.client()
    batch = start(client, [line(number, max_tokens=60, ignore_eos=True) for number in range(100)])
    waiting = start(client, [line(1)])
    wait(client, batch, ["in_progress"])
    assert client.batches.cancel(waiting.id).status == "cancelled"
    client.batches.cancel(batch.id)
    batch = wait(client, batch)
    assert batch.status == "cancelled" and batch.request_counts.completed < 100
    with pytest.raises(openai.BadRequestError):
        client.batches.cancel(batch.id)


def test_what_is_wrong_is_refused(keeping, server):
    client = keeping.client()
    file = upload(client, [line(1)])
    for wrong, field in [({"endpoint": "/v1/embeddings"}, "endpoint"), ({"completion_window": "1h"}, "completion"),
                         ({"input_file_id": "file-../../etc"}, "file"), ({"metadata": {"a": 1}}, "metadata")]:
        body = {"input_file_id": file.id, "endpoint": "/v1/completions", "completion_window": "24h"} | wrong
        status, text, _ = keeping.ask("POST", "/v1/batches", body)
        assert status in (400, 404) and field in json.loads(text)["error"]["message"], text
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("a", b"b"), purpose="assistants")
    assert keeping.ask("GET", "/v1/files/file-..%2F..%2Fx/content")[0] == 404
    assert server.ask("GET", "/v1/files")[0] == 501, "a server without a folder"


def test_tenants_see_their_own_alone(smollm2, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{name} {hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("ann", "bob")))
    running = Server(smollm2, "--files", tmp_path / "files", "--api-key-file", keys)
    ann, bob = running.client("ann"), running.client("bob")
    batch = wait(ann, start(ann, [line(1)]))
    assert bob.files.list().data == [] and bob.batches.list().data == []
    for call in (lambda: bob.files.content(batch.output_file_id), lambda: bob.batches.retrieve(batch.id),
                 lambda: bob.files.delete(batch.input_file_id)):
        with pytest.raises(openai.NotFoundError):
            call()
    assert ann.files.content(batch.output_file_id).text
    running.stop()


def test_old_batches_that_have_ended_are_forgotten_and_new_ones_made(smollm2, tmp_path):
    """Files of many ended ones, as a long life of the server leaves them."""
    folder = tmp_path / "files"
    folder.mkdir()
    kept = 1000
    for number in range(kept + 3):
        name = f"batch_{number:024x}"
        facts = {"id": name, "tenant": "", "endpoint": "/v1/completions", "input_file_id": "file-x", "created_at": 1,
                 "ended_at": 100 + number, "status": "failed"}
        (folder / f"{name}.json").write_text(json.dumps(facts))
    (folder / f"batch_{0:024x}.out").write_text("")
    running = Server(smollm2, "--files", folder)
    client = running.client()

    def numbers():
        return {int(one["id"][6:], 16) for one in json.loads(running.ask("GET", "/v1/batches")[1])["data"]}

    def on_disk():
        return {int(path.stem[6:], 16) for path in folder.glob("batch_*")}

    assert numbers() == set(range(3, kept + 3))
    batch = wait(client, start(client, [line(1)]))
    assert batch.status == "completed" and client.files.content(batch.output_file_id).text
    left = numbers()
    assert left == {int(batch.id[6:], 16), *range(4, kept + 3)}
    deadline = time.monotonic() + SECONDS
    while on_disk() != left:
        assert time.monotonic() < deadline, on_disk() ^ left
        time.sleep(0.02)
    running.stop()
