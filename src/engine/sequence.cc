// SPDX-License-Identifier: Apache-2.0
#include "engine/sequence.h"

#include "base/check.h"

namespace cairn::engine {

void Sequence::Truncate(std::int64_t size) {
  CAIRN_CHECK(size >= 0 && size <= this->size());
  tokens_.resize(static_cast<std::size_t>(size));
  tiles_.Shrink(size);
}

void Sequence::Append(std::span<const std::int32_t> tokens) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  tiles_.Commit(size());
}

void Sequence::Adopt(std::span<const std::int32_t> tokens) {
  CAIRN_CHECK(tokens_.empty());
  Append(tokens);
}

}  // namespace cairn::engine
