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
  return {arrival_ns + static_cast<std::int64_t>(prompt_tokens) * kPatiencePerToken -
              priority * kPriorityLevel,
          number};
}

void WaitingQueue::Push(const std::string& tenant, const OrderKey& key, ScheduledRun* run) {
  if (tenants_.size() > kMostTenantsKept) {
    std::erase_if(tenants_, [](const auto& entry) { return entry.second.runs.empty(); });
  }
  Tenant& t = tenants_[tenant];
  if (t.runs.empty()) {
    const double least = turns_.empty() ? now_ : std::min(now_, turns_.begin()->first);
    t.served = std::max(t.served, least);
    turns_.insert({t.served, tenant});
  }
  CAIRN_CHECK(t.runs.insert({key, run}).second);
  ++size_;
}

void WaitingQueue::Remove(const std::string& tenant, const OrderKey& key) {
  Tenant& t = tenants_.at(tenant);
  CAIRN_CHECK(t.runs.erase(key) == 1);
  --size_;
  if (t.runs.empty()) turns_.erase({t.served, tenant});
}

ScheduledRun* WaitingQueue::Head() const {
  if (turns_.empty()) return nullptr;
  return tenants_.at(turns_.begin()->second).runs.begin()->second;
}

void WaitingQueue::Charge(const std::string& tenant, std::int64_t rows) {
  const auto it = tenants_.find(tenant);
  if (it == tenants_.end()) return;
  Tenant& t = it->second;
  if (!t.runs.empty()) turns_.erase({t.served, tenant});
  t.served += static_cast<double>(rows);
  now_ = std::max(now_, t.served);
  if (!t.runs.empty()) turns_.insert({t.served, tenant});
}

}  // namespace cairn::engine
