// SPDX-License-Identifier: Apache-2.0
// Responses that clients come back to (OpenAI's Responses API), in memory and until the server
// ends.
//
// They have a bound in bytes and one in number; past it the oldest goes of the tenant that has
// most. A tenant (the name of a key) finds its own alone.
// Threads: one at a time.
// Test: response_store_test.cc.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "server/oldest_first.h"

namespace cairn::server {

// Texts of JSON.
struct StoredResponse {
  std::string response;  // an object
  std::string input;     // the items it was made of, those of responses before it too: an array
};

class ResponseStore {
 public:
  static constexpr std::size_t kMostResponses = 10'000;

  // `most_bytes`: of all texts together; 0: none is kept.
  explicit ResponseStore(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  bool keeps() const { return most_bytes_ > 0; }
  // False: it is longer than all together may be, and not kept.
  bool Put(std::string_view tenant, std::string id, StoredResponse response);
  // Null: there is none of that name, to this tenant.
  const StoredResponse* Find(std::string_view tenant, std::string_view id) const;
  bool Remove(std::string_view tenant, std::string_view id);

  std::size_t count() const { return order_.count(); }
  std::size_t bytes() const { return order_.weight(); }

 private:
  struct Entry {
    std::string tenant;
    StoredResponse response;
  };

  const std::size_t most_bytes_;
  std::map<std::string, Entry, std::less<>> entries_;
  OldestFirst order_;
};

}  // namespace cairn::server
