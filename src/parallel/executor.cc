// SPDX-License-Identifier: Apache-2.0
#include "parallel/executor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace cairn::parallel {

namespace internal {

bool StayOn(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
    CPU_SET(static_cast<std::size_t>(cpu), &set);
  }
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

}  // namespace internal

Result<std::unique_ptr<Executor>> Executor::Create(std::vector<Target> targets,
                                                   ExecutorOptions options) {
  if (targets.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "an executor needs at least one target");
  }
  std::set<int> seen;
  int units = 0;
  for (const Target& target : targets) {
    units += target.size();
    seen.insert(target.cpus().begin(), target.cpus().end());
  }
  if (seen.size() != static_cast<std::size_t>(units)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the targets of an executor must not share processing units");
  }
  if (units > kMostWorkers) {
    return Fail(ErrorCode::kLimit,
                fmt::format("an executor has at most {} workers, not {}", kMostWorkers, units));
  }
  auto executor = std::unique_ptr<Executor>(
      new Executor(std::move(targets), std::make_unique<WorkerTeam>(units)));
  if (options.pin) OR_RETURN(executor->Pin());
  return executor;
}

Executor::Executor(std::vector<Target> targets, std::unique_ptr<WorkerTeam> owned)
    : targets_(std::move(targets)),
      owned_(std::move(owned)),
      team_(owned_.get()),
      cursors_(targets_.size()) {
  for (std::size_t t = 0; t < targets_.size(); ++t) {
    for (int j = 0; j < targets_[t].size(); ++j) {
      places_.push_back({static_cast<int>(t), j, targets_[t].size()});
    }
  }
}

Executor::Executor(WorkerTeam& team, std::vector<Target> targets)
    : targets_(std::move(targets)), team_(&team) {
  CAIRN_CHECK(!targets_.empty());
  const auto size = static_cast<std::size_t>(team.size());
  if (targets_.size() > size) targets_.erase(targets_.begin() + team.size(), targets_.end());
  cursors_ = std::vector<Cursor>(targets_.size());
  const auto parts = static_cast<std::int64_t>(targets_.size());
  for (int t = 0; t < parts; ++t) {
    const auto begin = static_cast<int>(SplitPoint(team.size(), parts, t));
    const auto end = static_cast<int>(SplitPoint(team.size(), parts, t + 1));
    for (int j = begin; j < end; ++j) places_.push_back({t, j - begin, end - begin});
  }
}

Result<void> Executor::Pin() {
  sched_getaffinity(0, sizeof(old_units_), &old_units_);
  pinned_thread_ = gettid();
  pinned_ = true;
  std::atomic<int> refused{-1};
  team_->Run([&](int worker) {
    const Place& place = places_[static_cast<std::size_t>(worker)];
    const int cpu = targets_[static_cast<std::size_t>(place.target)]
                        .cpus()[static_cast<std::size_t>(place.index)];
    if (!internal::StayOn({cpu})) refused = cpu;
  });
  if (refused >= 0) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the system does not let a thread stay on processing unit {}; choose "
                            "targets among the units that this process may use",
                            refused.load()));
  }
  return {};
}

Executor::~Executor() {
  // Another thread's units are not ours to set: it may have ended.
  if (pinned_ && gettid() == pinned_thread_) {
    sched_setaffinity(0, sizeof(old_units_), &old_units_);
  }
}

}  // namespace cairn::parallel
