// SPDX-License-Identifier: Apache-2.0
#include "server/response_store.h"

#include <utility>

namespace cairn::server {

bool ResponseStore::Put(std::string_view tenant, std::string id, StoredResponse response) {
  constexpr std::size_t kEntry = 512;  // what one takes beside its texts, about
  const std::size_t bytes = response.response.size() + response.input.size() + kEntry;
  if (bytes > most_bytes_) return false;
  order_.Remove(id);
  order_.Add(tenant, id, bytes);
  entries_.insert_or_assign(std::move(id), Entry{std::string(tenant), std::move(response)});
  while (order_.count() > kMostResponses || order_.weight() > most_bytes_) {
    entries_.erase(order_.TakeNext());
  }
  return true;
}

const StoredResponse* ResponseStore::Find(std::string_view tenant, std::string_view id) const {
  const auto found = entries_.find(id);
  const bool theirs = found != entries_.end() && found->second.tenant == tenant;
  return theirs ? &found->second.response : nullptr;
}

bool ResponseStore::Remove(std::string_view tenant, std::string_view id) {
  if (Find(tenant, id) == nullptr) return false;
  order_.Remove(id);
  entries_.erase(entries_.find(id));
  return true;
}

}  // namespace cairn::server
