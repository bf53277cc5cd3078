// SPDX-License-Identifier: Apache-2.0
// A concurrent ordered map in memory: a skiplist whose nodes hold many keys side by side.
//
// Level 0 holds every entry; a key of height h (heights.h) occurs in levels 0 to h. At every key of
// level l + 1 a node of level l begins, and the key's slot above points to it; a node that
// overflows is split in halves, and the second is reached from its left neighbour only. An insert
// knows the height beforehand and so splits on its one way down, with locks taken from the top to
// the bottom and from left to right. Levels above the height are passed as readers pass: without a
// lock, by versions (version_lock.h).
//
// Threads: all members but the destructor from any thread, without limit; at most
//   EpochDomain::kSlots are inside at a time. Find, LowerBound, First, Insert, InsertIfAbsent and
//   Erase are linearizable. A scan is not a snapshot: it sees every entry that is there throughout,
//   none that is absent throughout, each once, in order. Callbacks run without a lock or guard and
//   may use the map.
// Progress: an operation that meets a writer starts again or waits for it, which is some hundred
//   instructions if that keeps its core. Not fair.
// Owns: its nodes. Entries are copied in and out; nothing points into the map.
// Limits: entries as Options::max_bytes allows; about 42 bytes per entry of 16 (nodes are 0.4 full,
//   so that keys of the next level can begin nodes). Erasing joins only nodes at the erased key, so
//   after erasing most of a large map many nodes are nearly empty: rebuild it then.
// Cost: about two nodes' lines from memory where the map is larger than the caches, independent of
//   size in practice. Insert moves a quarter of a node on average.
// Source: Luo and others, "Bridging Cache-Friendliness and Concurrency: A Locality-Optimized
//   In-Memory B-Skiplist", ICPP 2025, arXiv 2507.21492. Other than there: readers take no locks,
//   a head stands for minus infinity so that every key is allowed, erased nodes go through epochs.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>

#include "base/error.h"
#include "index/bskiplist_node.h"
#include "index/epoch.h"
#include "index/heights.h"
#include "index/node_arena.h"

namespace cairn::index {

// Integers, or structures of them without padding whose operators == and < are total for any bits:
// a search may compare words of two writes before it finds that it has to start again.
template <typename T>
concept IndexKey = std::totally_ordered<T> && std::is_trivially_copyable_v<T> &&
    std::has_unique_object_representations_v<T> && std::default_initializable<T>;
// Copied word by word; larger things are kept elsewhere and a handle here.
template <typename T>
concept IndexValue = std::is_trivially_copyable_v<T> && std::default_initializable<T> &&
                     sizeof(T) <= 16;

// Keys per node: 2 KB of keys and values, 128 at most.
template <typename Key, typename Value>
inline constexpr int kNodeCapacity = static_cast<int>(
    std::min<std::size_t>(128, 2048 / (sizeof(Cell<Key>) + sizeof(Cell<Value>)) / 8 * 8));

// Where it matters that another thread comes between: before a reader asks whether it has seen one
// moment, and when a writer is done with a level and has locked its way into the next.
enum class PausePoint { kBeforeCheck, kBetweenLevels };
// Called there; a test's own lets others run.
struct NoPauses {
  static void At(PausePoint /*point*/) {}
};

template <IndexKey Key, IndexValue Value, int kCapacity = kNodeCapacity<Key, Value>,
          int kSpread = kCapacity / 2, typename Pauses = NoPauses>
class BSkiplist final : private Reclaimer {
 public:
  struct Options {
    // The number of levels follows from it. Ten times as many entries cost little more than they
    // must; for a thousand times as many say so.
    std::uint64_t expected_entries = std::uint64_t{1} << 20;
    // From a source that others cannot guess where others choose keys.
    std::uint64_t seed = 0;
    // Most bytes that nodes may take from the system.
    std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
  };
  struct Entry {
    Key key;
    Value value;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // Errors: kLimit, kOutOfMemory.
  [[nodiscard]] static Result<std::unique_ptr<BSkiplist>> Create(const Options& options);
  BSkiplist(const BSkiplist&) = delete;
  BSkiplist& operator=(const BSkiplist&) = delete;
  // Requires that nobody is inside.
  ~BSkiplist() = default;

  std::optional<Value> Find(const Key& key) const;

  // True: the key is new. False: it was there; Insert has given it the new value, InsertIfAbsent
  // has left it. Errors: kLimit, kOutOfMemory; the map is unchanged then.
  [[nodiscard]] Result<bool> Insert(const Key& key, const Value& value) {
    return Put(key, value, /*assign=*/true);
  }
  [[nodiscard]] Result<bool> InsertIfAbsent(const Key& key, const Value& value) {
    return Put(key, value, /*assign=*/false);
  }

  // Whether the key was there. May wait for other threads that hold back reclamation (epoch.h).
  bool Erase(const Key& key);

  // The first entry at or after `key`; the first of all.
  std::optional<Entry> LowerBound(const Key& key) const;
  std::optional<Entry> First() const;

  // Copies the first entries at or after `from` to `out`, in order, as many as there are and fit;
  // their number.
  std::size_t CopyFrom(const Key& from, std::span<Entry> out) const {
    return CopyRange(&from, /*after=*/false, out);
  }

  // Calls visit(std::span<const Entry>) on the entries at or after `from`, in order, some dozens at
  // a time, at most `limit` together; visit may return a bool, false to end. How many were visited.
  template <typename Visit>
  std::size_t Scan(const Key& from, std::size_t limit, Visit&& visit) const {
    return ScanRange(&from, limit, visit);
  }
  template <typename Visit>
  std::size_t ScanAll(Visit&& visit) const {
    return ScanRange(nullptr, std::numeric_limits<std::size_t>::max(), visit);
  }

  // Exact when nobody writes; otherwise some writes under way are counted and some are not.
  std::size_t size() const;
  bool empty() const { return !First().has_value(); }
  // Bytes taken from the system; nodes that wait for reclamation.
  std::size_t bytes() const { return budget_.used(); }
  std::size_t retired_nodes() const { return epochs_.pending(); }

 private:
  friend struct BSkiplistInspector;  // bskiplist_inspect.h
  using Node = BSkiplistNode<Key, Value, kCapacity>;
  using Inner = typename Node::Inner;
  using Leaf = typename Node::Leaf;
  using Version = std::uint64_t;
  static_assert(kSpread >= 2);

  // Entries that a scan copies before it calls back.
  static constexpr std::size_t kScanEntries = 128;

  explicit BSkiplist(const Options& options)
      : heights_(options.expected_entries, kCapacity, kSpread, options.seed),
        budget_(options.max_bytes),
        inners_(sizeof(Inner), budget_),
        leaves_(sizeof(Leaf), budget_) {}

  // Reading: a node and the version under which it was found. All of these return false where a
  // writer came between; then everything begins again.
  enum class Side { kAtOrBefore, kBefore };
  template <Side kSide>
  bool WalkRight(const Key& key, const Node*& node, Version& version) const;
  template <Side kSide>
  bool Descend(const Key& key, int level, const Node*& node, Version& version) const;
  static bool Step(const Node* to, const Node*& node, Version& version);

  std::optional<Value> FindGuarded(const Key& key) const;
  std::size_t CopyRange(const Key* from, bool after, std::span<Entry> out) const;
  bool CopyOnce(std::optional<Key>& from, bool& after, std::span<Entry> out,
                std::size_t& copied) const;
  template <typename Visit>
  std::size_t ScanRange(const Key* from, std::size_t limit, Visit& visit) const;

  // Writing; bskiplist_write-inl.h.
  using Tower = std::array<Node*, Heights::kMostLevels>;
  [[nodiscard]] Result<bool> Put(const Key& key, const Value& value, bool assign);
  [[nodiscard]] Result<bool> PutLow(const Key& key, const Value& value, bool assign, int slot);
  [[nodiscard]] Result<bool> PutTall(const Key& key, const Value& value, bool assign, int height,
                                     int slot);
  Node* LockAt(const Key& key, int height, bool& exists, int& rank);
  [[nodiscard]] Result<Node*> MakeRoom(Node* node, int& rank);
  void PutExisting(Node* node, int level, int rank, const Value& value, bool assign);
  void PutTower(Node* node, int rank, const Key& key, const Value& value, int height,
                const Tower& tower);
  [[nodiscard]] Result<void> NewTower(Tower& tower, int height);
  void GiveBackTower(const Tower& tower, int height);
  static Node* LockRight(Node* node, const Key& key);
  enum class Erased { kYes, kAbsent, kAgain };
  Erased EraseOnce(const Key& key, int height);
  void EraseTower(Node* left, const Key& key, int height, bool header);
  static Node* LockBefore(Node* node, const Key& key);
  Node* EraseHeader(Node* left);

  [[nodiscard]] Result<Node*> NewNode(int level, bool head);
  void FreeNode(Node* node);
  void Reclaim(Retiree* object) override { FreeNode(static_cast<Node*>(object)); }
  void AddToSize(int slot, std::int64_t change);

  // One thread's part of the size; its guard's slot says which.
  struct alignas(64) SizePart {
    std::atomic<std::int64_t> entries{0};
  };

  const Heights heights_;
  ByteBudget budget_;
  NodeArena inners_;
  NodeArena leaves_;
  std::array<Node*, Heights::kMostLevels> heads_{};
  std::array<SizePart, EpochDomain::kSlots> sizes_;
  // After the arenas: its destructor gives nodes back. A guard is no change of the map.
  mutable EpochDomain epochs_;
};

}  // namespace cairn::index

#include "index/bskiplist_read-inl.h"
#include "index/bskiplist_write-inl.h"
