// SPDX-License-Identifier: Apache-2.0
// Where a text may stand in a grammar, made deterministic while it is used.
//
// A configuration is a state of a rule's automaton and what comes after that rule. All that a text
// may stand in together are a node: a set of (state, node) pairs, of which the second says what
// follows when the first one's rule ends. Nodes are canonical: one pair per state, sorted, and the
// same set has the same number. So two texts that can go on in the same ways have one number, and a
// byte leads from one number to another; both are remembered, which makes of it a DFA that is built
// where texts lead. Ambiguity costs pairs, never a multitude of stacks.
//
// Two nodes are special: kOutside stands for whatever comes after a part that is looked at alone
// (docs/structured-output.md, "Masks"), kAccepted is what comes after the whole.
//
// Threads: one at a time. Owns: the nodes; borrows the grammar.
// Cost: a byte that was seen at a node before: two loads; a new one: linear in its pairs and edges.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"

namespace cairn::grammar {

using NodeId = std::uint32_t;

struct Item {
  StateId state = 0;
  NodeId after = 0;
  bool operator==(const Item&) const = default;
  auto operator<=>(const Item&) const = default;
};

using ByteSet = std::array<std::uint64_t, 4>;

class Configurations {
 public:
  explicit Configurations(const Grammar& grammar);
  Configurations(const Configurations&) = delete;

  static constexpr NodeId kDead = 0, kOutside = 1, kAccepted = 2;
  static constexpr StateId kOutsideState = 0xFFFFFFFF, kAcceptedState = 0xFFFFFFFE;

  NodeId start();
  // After a byte of the class; kDead where it cannot come. kDead too once the work of a mask is
  // used up or an ambiguity is too large: see exhausted().
  NodeId Step(NodeId node, int byte_class) {
    const std::uint32_t row = rows_of_[node];
    if (row != 0) {
      const NodeId next = rows_[row + static_cast<std::uint32_t>(byte_class)];
      if (next != kUnknown) return next;
    }
    return StepAnew(node, byte_class);
  }
  NodeId StepByte(NodeId node, unsigned char byte) { return Step(node, grammar_.ClassOf(byte)); }

  std::span<const Item> ItemsOf(NodeId node) const {
    return std::span(items_).subspan(nodes_[node].first, nodes_[node].size);
  }
  bool Accepts(NodeId node) const { return Has(node, kAcceptedState); }
  bool HasOutside(NodeId node) const { return Has(node, kOutsideState); }
  // The node of these items, and of what comes after those that may end.
  NodeId Kernel(std::span<const Item> items);
  // The node of just these items.
  NodeId Group(std::vector<Item> items) { return Intern(items); }
  // What a text may stand in when the rule before `after` has ended.
  NodeId After(NodeId after);
  // The only byte that may come, if there is just one.
  std::optional<unsigned char> OnlyByte(NodeId node);
  // The bytes that may come: byte b is bit b % 64 of word b / 64.
  ByteSet FirstBytes(NodeId node);
  // The same node in another space for the same grammar.
  NodeId CopyTo(NodeId node, Configurations& to) const;

  // Work since the last reset, and what it may be.
  void ResetWork() { work_ = 0; }
  bool exhausted() const { return exhausted_; }
  std::size_t bytes() const;
  const Grammar& grammar() const { return grammar_; }

 private:
  struct Node {
    std::uint32_t first = 0, size = 0;
    std::uint32_t depth = 0;  // calls that are open behind it
  };
  struct OpenEdge {  // a byte that may come next
    StateId target = 0;
    NodeId after = 0;
    unsigned char first = 0, last = 0;
  };
  static constexpr NodeId kUnknown = 0xFFFFFFFF;

  bool Has(NodeId node, StateId state) const;
  NodeId StepAnew(NodeId node, int byte_class);
  std::span<const OpenEdge> Open(NodeId node);
  // The node of a set in any order; pairs with one state become one.
  NodeId Intern(std::vector<Item>& items);
  NodeId Join(NodeId a, NodeId b);
  NodeId Find(std::span<const Item> items);
  bool Work(std::size_t amount);

  const Grammar& grammar_;
  std::vector<Item> items_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> slots_;    // hash table of nodes
  std::vector<std::uint32_t> rows_of_;  // by node: its place in rows_, 0: none
  std::vector<NodeId> rows_;
  std::unordered_map<std::uint64_t, NodeId> joined_;
  std::unordered_map<NodeId, NodeId> after_;
  std::unordered_map<NodeId, std::vector<OpenEdge>> open_;
  std::size_t open_bytes_ = 0;
  NodeId start_ = kDead;
  std::size_t work_ = 0;
  bool exhausted_ = false;
  std::vector<std::uint32_t> seen_;  // by state: the mark of the walk that saw it
  std::uint32_t mark_ = 0;
  std::vector<std::uint32_t> node_seen_;  // by node: the mark of the kernel that followed it
  std::uint32_t node_mark_ = 0;
};

}  // namespace cairn::grammar
