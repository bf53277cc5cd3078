// SPDX-License-Identifier: Apache-2.0
#include "server/allowances.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cairn::server {
namespace {

constexpr double kMinute = 60;

std::unexpected<Error> Reached(const char* what, std::int64_t limit) {
  return Fail(ErrorCode::kBusy,
              fmt::format("this key's limit of {} {} is reached; try again later", limit, what));
}

}  // namespace

void Allowances::Bucket::Fill(std::int64_t limit, Time now) {
  const auto most = static_cast<double>(limit);
  const std::chrono::duration<double> passed = now - since;
  left = used ? std::min(most, left + passed.count() * most / kMinute) : most;
  since = now;
  used = true;
}

std::int64_t Allowances::Bucket::SecondsTo(double wanted, std::int64_t limit) const {
  const double seconds = (wanted - left) * kMinute / static_cast<double>(limit);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(seconds)));
}

Result<std::shared_ptr<Allowances::Place>> Allowances::Begin(const std::string& holder,
                                                             const KeyLimits& limits, Time now,
                                                             std::int64_t& wait_s) {
  Taken& taken = taken_[holder];
  if (limits.concurrent > 0 && *taken.running >= limits.concurrent) {
    wait_s = 1;
    return Reached("answers at a time", limits.concurrent);
  }
  if (limits.tokens > 0) {
    taken.tokens.Fill(limits.tokens, now);
    if (taken.tokens.left <= 0) {
      wait_s = taken.tokens.SecondsTo(1, limits.tokens);
      return Reached("tokens a minute", limits.tokens);
    }
  }
  if (limits.requests > 0) {
    taken.requests.Fill(limits.requests, now);
    if (taken.requests.left < 1) {
      wait_s = taken.requests.SecondsTo(1, limits.requests);
      return Reached("requests a minute", limits.requests);
    }
    taken.requests.left -= 1;
  }
  return std::make_shared<Place>(taken.running);
}

void Allowances::Spend(const std::string& holder, const KeyLimits& limits, std::int64_t tokens,
                       Time now) {
  if (limits.tokens == 0) return;
  Bucket& bucket = taken_[holder].tokens;
  bucket.Fill(limits.tokens, now);
  bucket.left -= static_cast<double>(tokens);
}

}  // namespace cairn::server
