// SPDX-License-Identifier: Apache-2.0
#include "base/counters.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace cairn {
namespace {

bool IsName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') && std::ranges::all_of(name, allowed);
}

}  // namespace

Counters::Entry& Counters::Find(std::string_view name, std::string_view help, bool is_counter) {
  CAIRN_CHECK(IsName(name));
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.name != name) continue;
    CAIRN_CHECK(entry.is_counter == is_counter);
    return entry;
  }
  Entry& entry = entries_.emplace_back();
  entry.name = name;
  entry.help = help;
  entry.is_counter = is_counter;
  return entry;
}

Counter& Counters::AddCounter(std::string_view name, std::string_view help) {
  return Find(name, help, true).counter;
}

Gauge& Counters::AddGauge(std::string_view name, std::string_view help) {
  return Find(name, help, false).gauge;
}

std::vector<Counters::Reading> Counters::Read() const {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::vector<Reading> readings;
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
      const std::int64_t value =
          entry.is_counter ? static_cast<std::int64_t>(std::min(entry.counter.value(), kMost))
                           : entry.gauge.value();
      readings.push_back({entry.name, entry.help, entry.is_counter, value});
    }
  }
  std::ranges::sort(readings, {}, &Reading::name);
  return readings;
}

}  // namespace cairn
