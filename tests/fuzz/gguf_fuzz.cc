// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: an Error or a model whose every view can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "model/gguf.h"
#include "testing/gguf_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto gguf = cairn::model::Gguf::Parse(std::as_bytes(std::span(data, size)));
  if (gguf) {
    cairn::testing::WalkGguf(*gguf);
  } else if (gguf.error().message.empty() || gguf.error().message.size() > 2000) {
    std::abort();  // an error must say something, and not repeat the file
  }
  return 0;
}
