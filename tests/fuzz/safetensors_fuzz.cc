// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file: an Error, or an index whose every tensor can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = cairn::model::Safetensors::Parse(std::as_bytes(std::span(data, size)));
  if (!parsed) {
    // It must say something, and not repeat the file.
    if (parsed.error().message.empty() || parsed.error().message.size() > 4000) std::abort();
    return 0;
  }
  unsigned sum = 0;
  std::size_t bytes = 0;
  for (const cairn::model::SafeTensor& tensor : parsed->tensors()) {
    for (const std::byte b : tensor.bytes) sum += static_cast<unsigned>(b);
    bytes += tensor.bytes.size();
    if (parsed->Find(tensor.name) != &tensor) std::abort();
  }
  volatile unsigned keep = sum;
  (void)keep;
  if (bytes > size) std::abort();
  return 0;
}
