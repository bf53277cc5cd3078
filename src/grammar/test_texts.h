// SPDX-License-Identifier: Apache-2.0
// For tests: which texts a grammar takes. Threads: pure functions.
#pragma once

#include <memory>
#include <string_view>

#include "grammar/configurations.h"
#include "grammar/grammar.h"

namespace cairn::grammar {

// Where the text leads; kDead where it cannot be.
inline NodeId Walk(Configurations& places, std::string_view text) {
  NodeId node = places.start();
  for (const char byte : text) node = places.StepByte(node, static_cast<unsigned char>(byte));
  return node;
}

inline bool Takes(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  Configurations places(*grammar);
  return places.Accepts(Walk(places, text));
}

// A text may begin like this.
inline bool MayBegin(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  Configurations places(*grammar);
  return Walk(places, text) != Configurations::kDead;
}

}  // namespace cairn::grammar
