// SPDX-License-Identifier: Apache-2.0
#include "grammar/matcher.h"

namespace cairn::grammar {

Result<std::shared_ptr<const TokenMask>> Matcher::Mask() {
  if (masks_->full()) {
    // Others that still use the old one keep it; this answer goes on in one of its own.
    auto fresh =
        std::make_shared<Masks>(masks_->grammar(), masks_->shared_trie(), masks_->shared_tables());
    node_ = masks_->CopyTo(node_, *fresh);
    masks_ = std::move(fresh);
  }
  auto mask = masks_->MaskOf(node_);
  if (mask == nullptr) {
    return Fail(ErrorCode::kLimit, "the grammar is too ambiguous here to be followed");
  }
  if (mask->Count() == 0) {
    return Fail(ErrorCode::kLimit,
                "no token of the vocabulary can follow under the grammar, or it nests too deep");
  }
  return mask;
}

void Matcher::Accept(TokenId token) {
  node_ = masks_->Advance(node_, masks_->trie().BytesOf(token));
  finished_ = node_ == Configurations::kAccepted;
}

}  // namespace cairn::grammar
