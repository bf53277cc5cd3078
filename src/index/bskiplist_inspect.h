// SPDX-License-Identifier: Apache-2.0
// A look inside a BSkiplist: whether its structure is whole, and its shape in numbers.
// Threads: nobody may write to the map meanwhile.
// Cost: Check reads everything, Visits one search.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "index/bskiplist.h"

namespace cairn::index {

struct LevelShape {
  std::int64_t nodes = 0;
  std::int64_t entries = 0;
};

struct BSkiplistInspector {
  template <typename Map>
  using NodeOf = const typename Map::Node*;

  // Levels from 0 up. Errors: kCorrupt, which is a bug of ours; the message names level and rule.
  template <typename Map>
  [[nodiscard]] static Result<std::vector<LevelShape>> Check(const Map& map) {
    std::vector<LevelShape> shape;
    // Nodes of the level below by first key, and whether a slot above has led to them.
    std::unordered_map<NodeOf<Map>, bool> below;
    std::int64_t promoted = 0;  // slots below whose keys belong in this level too
    for (int level = 0; level < map.heights_.levels(); ++level) {
      std::unordered_map<NodeOf<Map>, bool> here;
      LevelShape found;
      std::int64_t higher = 0;
      for (NodeOf<Map> node = map.heads_[level]; node != nullptr; node = node->Next()) {
        if (const char* problem = NodeProblem(map, *node, level, below); problem != nullptr) {
          return Fail(ErrorCode::kCorrupt,
                      fmt::format("level {} of the index: {}", level, problem));
        }
        here.emplace(node, false);
        ++found.nodes;
        found.entries += node->Count();
        for (int i = 0; i < node->Count(); ++i) higher += Higher(map, node, i);
      }
      if (level > 0 && found.entries != promoted) {
        return Fail(ErrorCode::kCorrupt, fmt::format("level {} of the index holds {} keys where {} "
                                                     "of the level below have its height",
                                                     level, found.entries, promoted));
      }
      promoted = higher;
      shape.push_back(found);
      below = std::move(here);
    }
    if (shape[0].entries != static_cast<std::int64_t>(map.size())) {
      return Fail(ErrorCode::kCorrupt, fmt::format("the index counts {} entries and holds {}",
                                                   map.size(), shape[0].entries));
    }
    return shape;
  }

  // Nodes that a search for `key` meets in each level, from 0 up.
  template <typename Map, typename Key>
  static std::vector<int> Visits(const Map& map, const Key& key) {
    std::vector<int> visits(static_cast<std::size_t>(map.heights_.levels()), 1);
    int level = map.heights_.levels() - 1;
    for (NodeOf<Map> node = map.heads_[level];;) {
      if (node->Next() != nullptr && !(key < node->next_header.Load())) {
        node = node->Next();
        ++visits[level];
      } else if (level == 0) {
        return visits;
      } else {
        node = node->Child(node->Rank(key));
        --level;
      }
    }
  }

  template <typename Map, typename Key>
  static int HeightOf(const Map& map, const Key& key) {
    return map.heights_.Of(key);
  }
  template <typename Map>
  static EpochDomain& Epochs(const Map& map) {
    return map.epochs_;
  }

 private:
  template <typename Map>
  static bool Higher(const Map& map, NodeOf<Map> node, int rank) {
    return map.heights_.Of(node->keys[rank].Load()) > node->level;
  }

  template <typename Map>
  static const char* NodeProblem(const Map& map, const typename Map::Node& node, int level,
                                 std::unordered_map<NodeOf<Map>, bool>& below) {
    const int n = node.Count();
    const NodeOf<Map> next = node.Next();
    if (node.lock.Locked()) return "a node is still locked";
    std::uint64_t version = 0;
    if (!node.lock.Read(version)) return "an unlinked node is still reached";
    if (node.level != level) return "a node of another level";
    if (node.head != (&node == map.heads_[level])) return "a head in the middle";
    if (n == 0 && !node.head) return "a node without entries";
    if (next != nullptr && !(node.next_header.Load() == next->keys[0].Load())) {
      return "next_header is not the neighbour's first key";
    }
    for (int i = 0; i < n; ++i) {
      const auto key = node.keys[i].Load();
      if (i > 0 && !(node.keys[i - 1].Load() < key)) return "keys do not ascend in a node";
      if (i == n - 1 && next != nullptr && !(key < next->keys[0].Load())) {
        return "keys do not ascend from node to node";
      }
      if (map.heights_.Of(key) < level) return "a key above its height";
      if (map.heights_.Of(key) > level && (i > 0 || node.head)) {
        return "a key of a higher level does not begin its node";
      }
      if (level == 0) continue;
      const auto child = below.find(node.Child(i));
      if (child == below.end()) return "a child is not in the level below";
      if (std::exchange(child->second, true)) return "two slots lead to one child";
      if (!(child->first->keys[0].Load() == key)) return "a child begins with another key";
    }
    if (level > 0 && node.head && node.Below() != map.heads_[level - 1]) {
      return "a head does not lead to the head below";
    }
    return nullptr;
  }
};

}  // namespace cairn::index
