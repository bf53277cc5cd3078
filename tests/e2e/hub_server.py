# SPDX-License-Identifier: Apache-2.0
"""A hub on this machine that does what it is told, right or wrong, and remembers who asked what.

It serves one repository, o/r. Files are reached as at a real hub: a list, an address that redirects
to where the bytes lie, ranges. What goes wrong is a function of the test.
"""
import hashlib
import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


def gguf(count: int, seed: int = 1) -> bytes:
    """A GGUF file with one tensor of `count` F32 values."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0)
    head += struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, count, 0, 0)
    head += bytes(-len(head) % 32)
    words = hashlib.shake_256(str(seed).encode()).digest(count * 4)
    return head + words


class Hub:
    def __init__(self, files: dict[str, bytes], tls=None):
        self.files = files
        self.digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        self.sizes = {name: len(data) for name, data in files.items()}
        self.elsewhere = None  # the address of another server that has the bytes
        self.trouble = None    # trouble(handler, name, first, last) -> True: it has answered
        self.list_trouble = None
        self.asked = []        # (path, range, authorization)
        self.lock = threading.Lock()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                try:
                    hub.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def ranges(self) -> list[str]:
        return [r for _, r, _ in self.asked if r]

    def answer(self, handler):
        path = handler.path.split("?")[0]
        wanted = handler.headers.get("Range", "")
        with self.lock:
            self.asked.append((path, wanted, handler.headers.get("Authorization")))
        if path.startswith("/api/models/o/r/revision/"):
            if self.list_trouble and self.list_trouble(handler):
                return
            send(handler, 200, json.dumps(self.listing()).encode())
        elif path.startswith(f"/o/r/resolve/{COMMIT}/"):
            name = path.split("/", 5)[5]
            if self.elsewhere:
                send(handler, 302, b"", {"Location": f"{self.elsewhere}/bytes/{name}"})
            else:
                self.send_file(handler, name, wanted)
        elif path.startswith("/bytes/"):
            self.send_file(handler, path.removeprefix("/bytes/"), wanted)
        else:
            send(handler, 404, b"no such thing")

    def listing(self) -> dict:
        return {"sha": COMMIT,
                "siblings": [{"rfilename": name, "size": self.sizes[name],
                              "lfs": {"sha256": self.digests[name], "size": self.sizes[name]}}
                             for name in self.files]}

    def send_file(self, handler, name, wanted):
        data = self.files[name]
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        first, last = (int(match[1]), min(int(match[2]), len(data) - 1)) if match else (0, len(data) - 1)
        if self.trouble and self.trouble(handler, name, first, last):
            return
        if not match:
            return send(handler, 200, data)
        send(handler, 206, data[first:last + 1],
             {"Content-Range": f"bytes {first}-{last}/{len(data)}"})


def send(handler, status, body, headers=None, length=None, cut=None):
    """An answer; `cut`: only so many bytes of its body, then the connection ends."""
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body if cut is None else body[:cut])
    if cut is not None:
        handler.wfile.flush()
        handler.close_connection = True


def part(data, first, last):
    """What a right answer to a range has: its body and its headers."""
    return data[first:last + 1], {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
