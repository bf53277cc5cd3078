// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "contender.h"
#include "index/bskiplist.h"

namespace cairn::bench {
namespace {

using Map = index::BSkiplist<std::uint64_t, std::uint64_t>;

class CairnContender : public Contender {
 public:
  explicit CairnContender(std::uint64_t keys)
      : map_(Map::Create({.expected_entries = keys, .seed = 1}).value()) {}
  void Insert(std::uint64_t key, std::uint64_t value) override {
    CAIRN_CHECK(map_->Insert(key, value).has_value());
  }
  bool Find(std::uint64_t key, std::uint64_t& value) override {
    const auto found = map_->Find(key);
    if (found) value = *found;
    return found.has_value();
  }
  std::uint64_t Scan(std::uint64_t from, int n) override {
    std::uint64_t sum = 0;
    map_->Scan(from, n, [&](std::span<const Map::Entry> entries) {
      for (const Map::Entry& entry : entries) sum += entry.value;
    });
    return sum;
  }

 private:
  std::unique_ptr<Map> map_;
};

}  // namespace

std::unique_ptr<Contender> MakeCairn(std::uint64_t keys) {
  return std::make_unique<CairnContender>(keys);
}

}  // namespace cairn::bench
