// SPDX-License-Identifier: Apache-2.0
// Maps for one thread under a reader-writer lock.
#include <absl/container/btree_map.h>

#include <map>
#include <mutex>
#include <shared_mutex>

#include "contender.h"

namespace cairn::bench {
namespace {

template <typename Map>
class LockedContender : public Contender {
 public:
  void Insert(std::uint64_t key, std::uint64_t value) override {
    const std::unique_lock lock(mutex_);
    map_.insert_or_assign(key, value);
  }
  bool Find(std::uint64_t key, std::uint64_t& value) override {
    const std::shared_lock lock(mutex_);
    const auto found = map_.find(key);
    if (found == map_.end()) return false;
    value = found->second;
    return true;
  }
  std::uint64_t Scan(std::uint64_t from, int n) override {
    const std::shared_lock lock(mutex_);
    std::uint64_t sum = 0;
    for (auto at = map_.lower_bound(from); n > 0 && at != map_.end(); ++at, --n) sum += at->second;
    return sum;
  }

 private:
  std::shared_mutex mutex_;
  Map map_;
};

}  // namespace

std::unique_ptr<Contender> MakeLockedBtree() {
  return std::make_unique<LockedContender<absl::btree_map<std::uint64_t, std::uint64_t>>>();
}
std::unique_ptr<Contender> MakeLockedMap() {
  return std::make_unique<LockedContender<std::map<std::uint64_t, std::uint64_t>>>();
}

}  // namespace cairn::bench
