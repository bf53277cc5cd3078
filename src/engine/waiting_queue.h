// SPDX-License-Identifier: Apache-2.0
// Who starts next: tenants by turns, inside a tenant by key.
//
// A tenant's turn is told by the rows computed for it so far; one that was idle begins at the least
// of those that wait, so that it cannot save its turns up. Threads: the scheduler's.
// Cost: logarithmic in what waits.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace cairn::engine {

struct ScheduledRun;

// Smaller is sooner. `number` is unique.
struct OrderKey {
  std::int64_t time = 0;
  std::uint64_t number = 0;
  auto operator<=>(const OrderKey&) const = default;
};

// arrival + kPatiencePerToken for each token of the prompt - kSecondsOfPriority for each level.
OrderKey KeyOf(std::int64_t arrival_ns, std::size_t prompt_tokens, int priority,
               std::uint64_t number);

class WaitingQueue {
 public:
  void Push(const std::string& tenant, const OrderKey& key, ScheduledRun* run);
  void Remove(const std::string& tenant, const OrderKey& key);
  // The next one, null where nobody waits.
  ScheduledRun* Head() const;
  std::int64_t size() const { return size_; }
  // `rows` were computed for the tenant.
  void Charge(const std::string& tenant, std::int64_t rows);

 private:
  struct Tenant {
    double served = 0;
    std::map<OrderKey, ScheduledRun*> runs;
  };
  using Turn = std::pair<double, std::string>;

  std::map<std::string, Tenant> tenants_;
  std::set<Turn> turns_;  // of tenants with runs
  double now_ = 0;        // the turn of the tenant served last
  std::int64_t size_ = 0;
};

}  // namespace cairn::engine
