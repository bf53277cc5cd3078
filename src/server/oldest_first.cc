// SPDX-License-Identifier: Apache-2.0
#include "server/oldest_first.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::server {

void OldestFirst::Add(std::string_view tenant, std::string id, std::size_t weight) {
  Share& share = shares_[std::string(tenant)];
  share.ids.emplace(next_, id);
  share.weight += weight;
  weight_ += weight;
  const bool added =
      things_.emplace(std::move(id), Thing{std::string(tenant), weight, next_++}).second;
  CAIRN_CHECK(added);
}

void OldestFirst::Remove(std::string_view id) {
  const auto found = things_.find(id);
  if (found == things_.end()) return;
  const Thing& thing = found->second;
  const auto share = shares_.find(thing.tenant);
  share->second.ids.erase(thing.number);
  share->second.weight -= thing.weight;
  if (share->second.ids.empty()) shares_.erase(share);
  weight_ -= thing.weight;
  things_.erase(found);
}

std::string OldestFirst::TakeNext() {
  CAIRN_CHECK(!shares_.empty());
  const auto most =
      std::ranges::max_element(shares_, {}, [](const auto& entry) { return entry.second.weight; });
  std::string id = most->second.ids.begin()->second;
  Remove(id);
  return id;
}

}  // namespace cairn::server
