// SPDX-License-Identifier: Apache-2.0
#include "engine/waiting_queue.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::engine {
namespace {

// A prompt of 2,000 tokens lets short questions of the next four seconds pass.
constexpr std::int64_t kPatiencePerToken = 2'000'000;    // ns
constexpr std::int64_t kPriorityLevel = 10'000'000'000;  // ns
constexpr std::size_t kMostTenantsKept = 10'000;         // idle ones are forgotten beyond

}  // namespace

OrderKey KeyOf(std::int64_t arrival_ns, std::size_t prompt_tokens, int priority,
               std::uint64_t number) {
  return {.time = arrival_ns + static_cast<std::int64_t>(prompt_tokens) * kPatiencePerToken -
                  priority * kPriorityLevel,
          .number = number};
}

void WaitingQueue::TakeTurn(const std::string& name, Tenant& tenant) {
  if (tenant.turn) turns_.erase(*tenant.turn);
  tenant.turn.reset();
  if (tenant.runs.empty()) return;
  tenant.turn = {tenant.runs.begin()->first.stage, tenant.served, name};
  turns_.insert(*tenant.turn);
}

void WaitingQueue::Push(const std::string& tenant, const OrderKey& key, ScheduledRun* run) {
  if (tenants_.size() > kMostTenantsKept) {
    std::erase_if(tenants_, [](const auto& entry) { return entry.second.runs.empty(); });
  }
  Tenant& t = tenants_[tenant];
  if (t.runs.empty()) {
    double least = now_;
    // Of each stage the first turn has been served least.
    for (auto it = turns_.begin(); it != turns_.end();
         it = turns_.lower_bound({std::get<0>(*it) + 1, 0, {}})) {
      least = std::min(least, std::get<1>(*it));
    }
    t.served = std::max(t.served, least);
  }
  CAIRN_CHECK(t.runs.insert({key, run}).second);
  all_.insert({key, run});
  TakeTurn(tenant, t);
}

void WaitingQueue::Remove(const std::string& tenant, const OrderKey& key) {
  Tenant& t = tenants_.at(tenant);
  CAIRN_CHECK(t.runs.erase(key) == 1);
  all_.erase(key);
  TakeTurn(tenant, t);
}

ScheduledRun* WaitingQueue::Head() const {
  if (turns_.empty()) return nullptr;
  return tenants_.at(std::get<2>(*turns_.begin())).runs.begin()->second;
}

void WaitingQueue::Charge(const std::string& tenant, std::int64_t rows) {
  const auto it = tenants_.find(tenant);
  if (it == tenants_.end()) return;
  it->second.served += static_cast<double>(rows);
  now_ = std::max(now_, it->second.served);
  TakeTurn(tenant, it->second);
}

}  // namespace cairn::engine
