// SPDX-License-Identifier: Apache-2.0
// Follows one answer through a grammar: which tokens may come, and what came.
//
// A value: a copy goes on by itself, so the choices of a request share the grammar and its masks.
// Threads: a matcher belongs to one thread at a time; matchers of one grammar may run on several.
// Owns: a share of the masks. Cost: that of Masks; a copy is a pointer and a number.
#pragma once

#include <memory>
#include <string>

#include "grammar/masks.h"

namespace cairn::grammar {

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<Masks> masks)
      : masks_(std::move(masks)), node_(masks_->start()) {}

  // Tokens that may come next; at least one while !finished(). Errors: kLimit (the grammar is too
  // ambiguous here, or nests deeper than is taken).
  [[nodiscard]] Result<std::shared_ptr<const TokenMask>> Mask();
  // Requires a token that Mask() has and that is no end.
  void Accept(TokenId token);
  // The text is complete; nothing can follow it.
  bool complete() const { return masks_->Accepts(node_); }
  bool finished() const { return finished_; }
  // What must come next, at most `most` bytes.
  std::string Forced(std::size_t most) const { return masks_->Forced(node_, most); }

 private:
  std::shared_ptr<Masks> masks_;
  NodeId node_;
  bool finished_ = false;
};

}  // namespace cairn::grammar
