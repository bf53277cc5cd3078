// SPDX-License-Identifier: Apache-2.0
// Which goes first of what tenants have left with the server, when it is too much: the oldest thing
// of the tenant that has most, so that nobody's things go because of another's.
// Threads: one at a time. Owns: names and weights, not the things.
// Cost: to add and remove, the logarithm of the things; to take the next, the tenants that have
// some.
// Test: oldest_first_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace cairn::server {

class OldestFirst {
 public:
  // A thing that is newer than all there are. `id` is not there yet.
  void Add(std::string_view tenant, std::string id, std::size_t weight);
  // Nothing where there is no such thing.
  void Remove(std::string_view id);
  // The thing that goes first; it is there no more. There must be one.
  std::string TakeNext();

  std::size_t count() const { return things_.size(); }
  std::size_t weight() const { return weight_; }

 private:
  struct Thing {
    std::string tenant;
    std::size_t weight;
    std::uint64_t number;  // in the order they came
  };
  struct Share {
    std::map<std::uint64_t, std::string> ids;  // by number
    std::size_t weight = 0;
  };

  std::map<std::string, Thing, std::less<>> things_;
  std::map<std::string, Share, std::less<>> shares_;  // of tenants that have something
  std::size_t weight_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace cairn::server
