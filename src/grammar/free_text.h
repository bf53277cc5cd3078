// SPDX-License-Identifier: Apache-2.0
// Where a grammar takes any text of some kinds of characters, up to a number of them.
//
// Inside a string that is nearly everywhere: what is found here spares the walk through the tokens
// of these kinds (masks.h). A node is looked at with all characters of all kinds; what is found of
// one is remembered.
// Threads: one at a time. Borrows: the nodes. Cost: some hundred steps for a node that is new, few
// for one that is known.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "grammar/character_kinds.h"
#include "grammar/code_points.h"
#include "grammar/configurations.h"

namespace cairn::grammar {

// Every text of these kinds with at most so many characters (kEndless: any) can come. `only`: none
// of these kinds with more characters can.
struct FreeText {
  KindSet kinds = 0;
  std::uint32_t characters = 0;
  bool only = false;
};

class FreeTexts {
 public:
  // `alike`: the node by which another one is looked at, as no token tells the two apart.
  FreeTexts(Configurations& places, std::function<NodeId(NodeId)> alike);

  // At a node, looking at most `characters` ahead.
  FreeText At(NodeId node, std::uint32_t characters);
  std::size_t bytes() const { return ways_.size() * 160; }  // of memory, about

 private:
  // What the characters of each kind lead to.
  struct Ways {
    KindSet all = 0;   // kinds of which every character leads somewhere,
    KindSet some = 0;  // and of which at least one does
    std::vector<std::pair<NodeId, KindSet>> next;  // of those in `all`
  };
  const Ways& WaysOf(NodeId node);
  void Follow(NodeId node, KindSet kind, Ways& ways);
  void FollowNotAscii(NodeId node, Ways& ways);

  Configurations& places_;
  std::function<NodeId(NodeId)> alike_;
  std::vector<ByteSequence> not_ascii_;
  std::unordered_map<NodeId, Ways> ways_;
};

}  // namespace cairn::grammar
