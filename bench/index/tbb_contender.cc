// SPDX-License-Identifier: Apache-2.0
#include <tbb/concurrent_map.h>

#include "contender.h"

namespace cairn::bench {
namespace {

class TbbContender : public Contender {
 public:
  void Insert(std::uint64_t key, std::uint64_t value) override { map_.emplace(key, value); }
  bool Find(std::uint64_t key, std::uint64_t& value) override {
    const auto found = map_.find(key);
    if (found == map_.end()) return false;
    value = found->second;
    return true;
  }
  std::uint64_t Scan(std::uint64_t from, int n) override {
    std::uint64_t sum = 0;
    for (auto at = map_.lower_bound(from); n > 0 && at != map_.end(); ++at, --n) sum += at->second;
    return sum;
  }

 private:
  tbb::concurrent_map<std::uint64_t, std::uint64_t> map_;
};

}  // namespace

std::unique_ptr<Contender> MakeTbb() { return std::make_unique<TbbContender>(); }

}  // namespace cairn::bench
