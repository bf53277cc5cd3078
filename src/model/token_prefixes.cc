// SPDX-License-Identifier: Apache-2.0
#include "model/token_prefixes.h"

#include <fmt/format.h>

namespace cairn::model {

Result<TokenPrefixes> TokenPrefixes::Create(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.text.empty(); });
  for (const Entry& entry : entries) {
    if (entry.text.size() <= kMostPieceBytes) continue;
    return Fail(ErrorCode::kLimit,
                fmt::format("'tokenizer.ggml.tokens' entry {} has {} bytes, at most {} are allowed "
                            "for this kind of tokenizer",
                            entry.id, entry.text.size(), kMostPieceBytes));
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
  const auto same = std::ranges::unique(entries, {}, &Entry::text);
  entries.erase(same.begin(), same.end());
  TokenPrefixes prefixes;
  for (const Entry& entry : entries) {
    ++prefixes.first_[static_cast<unsigned char>(entry.text[0]) + 1u];
  }
  for (std::size_t b = 0; b < 256; ++b) prefixes.first_[b + 1] += prefixes.first_[b];
  prefixes.entries_ = std::move(entries);
  return prefixes;
}

}  // namespace cairn::model
