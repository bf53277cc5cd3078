// SPDX-License-Identifier: Apache-2.0
#include "model/char_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace cairn::model {
namespace {

static_assert(std::endian::native == std::endian::little);

// Sequences of real maps have below 30 bytes; a trie that leads in a circle ends here.
constexpr std::size_t kMostBytes = 128;

// One unit of a double-array trie: the offset to its children, whether a value hangs below it, and
// the byte that leads to it.
std::uint32_t Offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 1u << 9) >> 6); }
bool HasValue(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t Label(std::uint32_t unit) { return unit & (1u << 31 | 0xff); }
std::uint32_t Value(std::uint32_t unit) { return unit & 0x7fffffff; }

}  // namespace

Result<CharMap> CharMap::Create(std::span<const std::byte> compiled) {
  CharMap map;
  if (compiled.empty()) return map;
  std::uint32_t bytes = 0;
  if (compiled.size() >= sizeof(bytes)) std::memcpy(&bytes, compiled.data(), sizeof(bytes));
  const std::size_t rest = compiled.size() - std::min(compiled.size(), sizeof(bytes));
  if (bytes == 0 || bytes % sizeof(std::uint32_t) != 0 || bytes > rest) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("'tokenizer.ggml.precompiled_charsmap' has {} bytes and says that its "
                            "trie has {}",
                            compiled.size(), bytes));
  }
  map.units_.resize(bytes / sizeof(std::uint32_t));
  std::memcpy(map.units_.data(), compiled.data() + sizeof(bytes), bytes);
  map.replacements_ = {reinterpret_cast<const char*>(compiled.data()) + sizeof(bytes) + bytes,
                       rest - bytes};
  return map;
}

CharMap::Match CharMap::Longest(std::string_view text) const {
  Match match;
  if (units_.empty()) return match;
  std::size_t node = Offset(units_[0]);
  for (std::size_t i = 0; i < std::min(text.size(), kMostBytes); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || Label(units_[node]) != byte) break;
    const bool has_value = HasValue(units_[node]);
    node ^= Offset(units_[node]);
    if (node >= units_.size()) break;
    if (!has_value) continue;
    const std::size_t begin = Value(units_[node]);
    if (begin >= replacements_.size()) continue;
    const std::string_view from = replacements_.substr(begin);
    match = {i + 1, from.substr(0, from.find('\0'))};
  }
  return match;
}

}  // namespace cairn::model
