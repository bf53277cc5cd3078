#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ggml's matmul of every format on one thread, through the libraries that llama-cpp-python carries.

Usage: peer.py FOLDER REPEATS FORMAT=TYPE:ROW_BYTES:DECODE_ROWS...
Weights are those of FOLDER/FORMAT.blocks. They go into the buffer that llama.cpp itself prefers: the
one that repacks, where it takes the operation, else the plain one. One line of JSON per format.
"""
import ctypes
import glob
import importlib.util
import json
import sys
import time
from ctypes import c_bool, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np

COLS, ROWS, COLUMNS = 2048, 2048, 128
CPU_DEVICE = 0


class InitParams(ctypes.Structure):
    _fields_ = [("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool)]


class Ggml:
    """The functions needed here, found by name in whichever library has them."""

    SIGNATURES = {
        "ggml_init": (c_void_p, [InitParams]), "ggml_free": (None, [c_void_p]),
        "ggml_new_tensor_2d": (c_void_p, [c_void_p, c_int, c_int64, c_int64]),
        "ggml_mul_mat": (c_void_p, [c_void_p, c_void_p, c_void_p]),
        "ggml_new_graph": (c_void_p, [c_void_p]),
        "ggml_build_forward_expand": (None, [c_void_p, c_void_p]),
        "ggml_backend_load_all": (None, []),
        "ggml_backend_dev_by_type": (c_void_p, [c_int]),
        "ggml_backend_dev_init": (c_void_p, [c_void_p, c_char_p]),
        "ggml_backend_dev_backend_reg": (c_void_p, [c_void_p]),
        "ggml_backend_dev_buffer_type": (c_void_p, [c_void_p]),
        "ggml_backend_dev_supports_op": (c_bool, [c_void_p, c_void_p]),
        "ggml_backend_reg_get_proc_address": (c_void_p, [c_void_p, c_char_p]),
        "ggml_backend_buft_alloc_buffer": (c_void_p, [c_void_p, c_size_t]),
        "ggml_backend_buft_get_alloc_size": (c_size_t, [c_void_p, c_void_p]),
        "ggml_backend_buft_name": (c_char_p, [c_void_p]),
        "ggml_backend_buffer_get_base": (c_void_p, [c_void_p]),
        "ggml_backend_buffer_free": (None, [c_void_p]),
        "ggml_backend_buffer_set_usage": (None, [c_void_p, c_int]),
        "ggml_backend_tensor_alloc": (c_int, [c_void_p, c_void_p, c_void_p]),
        "ggml_backend_tensor_set": (None, [c_void_p, c_void_p, c_size_t, c_size_t]),
        "ggml_backend_tensor_get": (None, [c_void_p, c_void_p, c_size_t, c_size_t]),
        "ggml_backend_graph_compute": (c_int, [c_void_p, c_void_p]),
        "ggml_backend_cpu_set_n_threads": (None, [c_void_p, c_int]),
    }

    def __init__(self):
        package = Path(importlib.util.find_spec("llama_cpp").origin).parent
        paths = [package / "lib" / f"libggml{part}.so" for part in ("-base", "-cpu", "")]
        self.libraries = [ctypes.CDLL(str(p), mode=ctypes.RTLD_GLOBAL) for p in paths]
        for name, (result, arguments) in self.SIGNATURES.items():
            function = next(getattr(lib, name) for lib in self.libraries if hasattr(lib, name))
            function.restype, function.argtypes = result, arguments
            setattr(self, name.removeprefix("ggml_"), function)


class Peer:
    def __init__(self):
        self.g = Ggml()
        self.device = self.g.backend_dev_by_type(CPU_DEVICE)
        self.backend = self.g.backend_dev_init(self.device, None)
        self.g.backend_cpu_set_n_threads(self.backend, 1)
        self.plain = self.g.backend_dev_buffer_type(self.device)
        reg = self.g.backend_dev_backend_reg(self.device)
        address = self.g.backend_reg_get_proc_address(reg, b"ggml_backend_dev_get_extra_bufts")
        self.extra = []
        if address:
            types = ctypes.CFUNCTYPE(ctypes.POINTER(c_void_p), c_void_p)(address)(self.device)
            while types and types[len(self.extra)]:
                self.extra.append(types[len(self.extra)])

    def place(self, tensor: int, buffer_type: int) -> int:
        size = self.g.backend_buft_get_alloc_size(buffer_type, tensor)
        buffer = self.g.backend_buft_alloc_buffer(buffer_type, size)
        self.g.backend_buffer_set_usage(buffer, 1)  # weights
        self.g.backend_tensor_alloc(buffer, tensor, self.g.backend_buffer_get_base(buffer))
        return buffer

    def place_weights(self, context: int, kind: int, rows: int, columns: int) -> tuple:
        """The tensor in the first extra buffer type whose operation the device takes."""
        for buffer_type in [*self.extra, self.plain]:
            w = self.g.new_tensor_2d(context, kind, COLS, rows)
            x = self.g.new_tensor_2d(context, 0, COLS, columns)
            y = self.g.mul_mat(context, w, x)
            buffer = self.place(w, buffer_type)
            if buffer_type == self.plain or self.g.backend_dev_supports_op(self.device, y):
                return w, x, y, buffer, self.g.backend_buft_name(buffer_type).decode()
            self.g.backend_buffer_free(buffer)
        raise AssertionError

    def seconds(self, kind: int, stored: np.ndarray, rows: int, columns: int, repeats: int):
        g = self.g
        context = g.init(InitParams(1 << 20, None, True))
        w, x, y, *rest, name = self.place_weights(context, kind, rows, columns)
        buffers = [*rest, self.place(x, self.plain), self.place(y, self.plain)]
        data = np.tile(stored, rows // ROWS)
        g.backend_tensor_set(w, data.ctypes.data, 0, data.nbytes)
        del data
        values = (np.arange(columns * COLS, dtype=np.int64) * 37 % 101 / 50 - 1).astype(np.float32)
        g.backend_tensor_set(x, values.ctypes.data, 0, values.nbytes)
        graph = g.new_graph(context)
        g.build_forward_expand(graph, y)
        best = 1e9
        for _ in range(repeats):
            begin = time.thread_time()
            if g.backend_graph_compute(self.backend, graph):
                raise SystemExit("peer: the graph failed")
            best = min(best, time.thread_time() - begin)
        sample = np.zeros(4, np.float32)
        g.backend_tensor_get(y, sample.ctypes.data, 0, sample.nbytes)
        for buffer in buffers:
            g.backend_buffer_free(buffer)
        g.free(context)
        return best, sample.tolist(), name


def main() -> None:
    folder, repeats = Path(sys.argv[1]), int(sys.argv[2])
    peer = Peer()
    for word in sys.argv[3:]:
        name, numbers = word.split("=")
        kind, _, rows = (int(n) for n in numbers.split(":"))
        stored = np.fromfile(folder / f"{name}.blocks", np.uint8)
        decode, _, _ = peer.seconds(kind, stored, rows, 1, repeats)
        prefill, sample, buffer = peer.seconds(kind, stored, ROWS, COLUMNS, repeats)
        print(json.dumps({"format": name, "prefill": prefill, "decode": decode, "sample": sample,
                          "buffer": buffer}), flush=True)


if __name__ == "__main__":
    main()
