// SPDX-License-Identifier: Apache-2.0
// Who starts next: the least stage of all, tenants by turns, inside a tenant by key.
//
// A tenant's turn is told by the rows computed for it so far; one that was idle begins at the least
// of those that wait, so that it cannot save its turns up. Tenants whose first run has an earlier
// stage come before the others, whoever's turn it is. Threads: the scheduler's.
// Cost: logarithmic in what waits.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

namespace cairn::engine {

struct ScheduledRun;

// Smaller is sooner. `number` is unique.
struct OrderKey {
  int stage = 0;  // 0: an answer is waited for; later ones: prompts that are not complete
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
  // The least key of all, whoever's turn it is; null where nobody waits.
  ScheduledRun* Soonest() const { return all_.empty() ? nullptr : all_.begin()->second; }
  std::int64_t size() const { return static_cast<std::int64_t>(all_.size()); }
  // `rows` were computed for the tenant.
  void Charge(const std::string& tenant, std::int64_t rows);

 private:
  using Turn = std::tuple<int, double, std::string>;  // stage of the first run, served, tenant
  struct Tenant {
    double served = 0;
    std::map<OrderKey, ScheduledRun*> runs;
    std::optional<Turn> turn;  // as in turns_
  };
  // After runs or served have changed.
  void TakeTurn(const std::string& name, Tenant& tenant);

  std::map<std::string, Tenant> tenants_;
  std::set<Turn> turns_;  // of tenants with runs
  std::map<OrderKey, ScheduledRun*> all_;
  double now_ = 0;  // the turn of the tenant served last
};

}  // namespace cairn::engine
