// SPDX-License-Identifier: Apache-2.0
// A classic skiplist: one key per node, each in the next level with probability 1/4, 16 levels.
// Its reads are as free of locks as ours and its nodes come from the same arena, so that what it
// differs in is the layout. Nodes are linked by compare-and-swap; nothing is ever erased, which
// saves it all of reclamation.
#include <array>
#include <atomic>

#include "base/check.h"
#include "contender.h"
#include "index/node_arena.h"

namespace cairn::bench {
namespace {

constexpr int kLevels = 16;

struct Node {
  std::uint64_t key;
  std::atomic<std::uint64_t> value;
  // As many as the node is high.
  std::atomic<Node*> next[kLevels];
};
constexpr std::size_t NodeBytes(int height) { return 16 + 8 * height; }

class SkiplistContender : public Contender {
 public:
  SkiplistContender() {
    for (int i = 0; i < kLevels; ++i) {
      arenas_[i] = std::make_unique<index::NodeArena>(NodeBytes(i + 1), budget_);
    }
    head_ = NewNode(0, 0, kLevels);
  }

  void Insert(std::uint64_t key, std::uint64_t value) override {
    std::array<Node*, kLevels> before;
    Node* at = Before(key, &before);
    if (at != nullptr && at->key == key) return at->value.store(value, std::memory_order_release);
    const int height = Height(key);
    Node* const node = NewNode(key, value, height);
    for (int level = 0; level < height; ++level) {
      for (;;) {
        Node* next = Advance(before[level], level, key);
        node->next[level].store(next, std::memory_order_relaxed);
        // Two threads with one new key: not among the workloads, and a duplicate would do no harm.
        if (before[level]->next[level].compare_exchange_strong(next, node,
                                                               std::memory_order_release)) {
          break;
        }
      }
    }
  }
  bool Find(std::uint64_t key, std::uint64_t& value) override {
    const Node* const at = Before(key, nullptr);
    if (at == nullptr || at->key != key) return false;
    value = at->value.load(std::memory_order_acquire);
    return true;
  }
  std::uint64_t Scan(std::uint64_t from, int n) override {
    std::uint64_t sum = 0;
    for (const Node* at = Before(from, nullptr); n > 0 && at != nullptr; --n) {
      sum += at->value.load(std::memory_order_acquire);
      at = at->next[0].load(std::memory_order_acquire);
    }
    return sum;
  }

 private:
  static int Height(std::uint64_t key) {
    const std::uint64_t hash = (key ^ key >> 32) * 0x9e3779b97f4a7c15U;
    int height = 1;
    for (std::uint64_t bits = hash >> 20; height < kLevels && (bits & 3) == 0; bits >>= 2) ++height;
    return height;
  }

  Node* NewNode(std::uint64_t key, std::uint64_t value, int height) {
    auto* const node = static_cast<Node*>(arenas_[height - 1]->Allocate().value());
    node->key = key;
    node->value.store(value, std::memory_order_relaxed);
    for (int i = 0; i < height; ++i) node->next[i].store(nullptr, std::memory_order_relaxed);
    return node;
  }

  // Moves `node` to the last one of the level before `key`; what follows it.
  static Node* Advance(Node*& node, int level, std::uint64_t key) {
    for (;;) {
      Node* const next = node->next[level].load(std::memory_order_acquire);
      if (next == nullptr || next->key >= key) return next;
      node = next;
    }
  }

  // The first node at or after `key`, and the last before it in every level.
  Node* Before(std::uint64_t key, std::array<Node*, kLevels>* before) const {
    Node* at = head_;
    Node* next = nullptr;
    for (int level = kLevels - 1; level >= 0; --level) {
      next = Advance(at, level, key);
      if (before != nullptr) (*before)[level] = at;
    }
    return next;
  }

  index::ByteBudget budget_{SIZE_MAX};
  std::array<std::unique_ptr<index::NodeArena>, kLevels> arenas_;
  Node* head_ = nullptr;
};

}  // namespace

std::unique_ptr<Contender> MakeSkiplist() { return std::make_unique<SkiplistContender>(); }

}  // namespace cairn::bench
