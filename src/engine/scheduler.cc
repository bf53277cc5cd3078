// SPDX-License-Identifier: Apache-2.0
// Requests: how they come in, wait, start and end. Steps: scheduler_step.cc.
#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "engine/answer.h"
#include "engine/scheduled_run.h"
#include "kernels/kernels.h"

namespace cairn::engine {

namespace {

constexpr int kMostPriority = 10;

Result<void> CheckRequest(const Request& request, const StepModel& model) {
  if (request.prompt.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the prompt has no tokens");
  }
  if (request.choices.empty() || request.choices.size() > std::size_t{kMostChoices}) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a request must have 1 to {} choices", kMostChoices));
  }
  if (request.priority < -kMostPriority || request.priority > kMostPriority) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a priority must be {} to {}", -kMostPriority, kMostPriority));
  }
  for (const std::int32_t token : request.prompt) {
    if (token >= 0 && token < model.vocabulary()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("token {} is not in the vocabulary of {}", token, model.vocabulary()));
  }
  const auto tokens = static_cast<std::int64_t>(request.prompt.size());
  if (tokens <= model.context()) return {};
  return Fail(ErrorCode::kLimit,
              fmt::format("the prompt has {} tokens, the context holds {}; shorten it or raise "
                          "--context",
                          tokens, model.context()));
}

// So that nobody can choose texts whose hashes are equal.
std::uint64_t DrawSecret() {
  std::random_device system;
  return std::uint64_t{system()} << 32 | system();
}

}  // namespace

Scheduler::Scheduler(StepModel& model, const SchedulerOptions& options)
    : model_(model),
      options_(options),
      cache_(model.pool(), options.cache_secret != 0 ? options.cache_secret : DrawSecret()),
      budget_(model.step_rows(), options.pace) {
  CAIRN_CHECK(options.sequences >= 1 && options.pace > 1);
  options_.sequences = std::min({options.sequences, model.step_sequences(), model.step_rows()});
}

Scheduler::~Scheduler() = default;

std::size_t Scheduler::TileBytes(std::int64_t first, std::int64_t size) const {
  const kv::KvLayout& layout = model_.pool().layout();
  std::size_t bytes = 0;
  for (int g = 0; g < layout.groups(); ++g) {
    const int window = layout.windows[static_cast<std::size_t>(g)];
    std::int64_t from = first;
    // A windowed group has given back what a step's first row does not see.
    if (window > 0) from = std::max(from, size - model_.step_rows() - window);
    const std::int64_t tiles = DivideUp<std::int64_t>(size, kernels::kTilePositions) -
                               std::max<std::int64_t>(from, 0) / kernels::kTilePositions;
    bytes += static_cast<std::size_t>(tiles) * model_.pool().tile_bytes(g);
  }
  return bytes;
}

Result<RequestId> Scheduler::Submit(Request request) {
  OR_RETURN(CheckRequest(request, model_));
  const auto tokens = static_cast<std::int64_t>(request.prompt.size());
  const std::size_t budget = model_.pool().use().budget;
  if (TileBytes(0, tokens) > budget) {
    return Fail(ErrorCode::kLimit,
                fmt::format("a prompt of {} tokens needs {} bytes of KV memory and the budget is "
                            "{}; shorten it or raise --kv-memory",
                            tokens, TileBytes(0, tokens), budget));
  }
  if (waiting_.size() >= options_.waiting) {
    return Fail(ErrorCode::kBusy,
                fmt::format("{} requests wait already; try again later", waiting_.size()));
  }
  const RequestId id = next_id_++;
  auto owner = std::make_unique<ScheduledRequest>();
  owner->id = id;
  owner->tenant = std::move(request.tenant);
  owner->space = request.space;
  owner->use_cache = request.use_cache;
  owner->deadline_ns = request.deadline_ns;
  owner->gone = std::move(request.gone);
  if (owner->deadline_ns) deadlines_.insert({*owner->deadline_ns, id});

  auto run = std::make_unique<Run>();
  run->request = owner.get();
  run->key = KeyOf(options_.clock->NowNs(), request.prompt.size(), request.priority, next_run_++);
  run->tokens = std::move(request.prompt);
  run->chooser = std::move(request.choices.front());
  run->siblings.assign(std::make_move_iterator(request.choices.begin() + 1),
                       std::make_move_iterator(request.choices.end()));
  owner->runs.push_back(run.get());
  waiting_.Push(owner->tenant, run->key, run.get());
  runs_.emplace(run->key, std::move(run));
  requests_.emplace(id, std::move(owner));
  ++counters_.submitted;
  admission_blocked_ = false;
  return id;
}

void Scheduler::RequestCancel(RequestId id) {
  const std::lock_guard lock(cancel_mutex_);
  cancels_.push_back(id);
  // Release: pairs with the acquire in ObeyCancels; a cancel that is not seen is seen a step later.
  has_cancels_.store(true, std::memory_order_release);
}

void Scheduler::ObeyCancels() {
  if (!has_cancels_.load(std::memory_order_acquire)) return;
  std::vector<RequestId> cancels;
  {
    const std::lock_guard lock(cancel_mutex_);
    cancels.swap(cancels_);
    has_cancels_.store(false, std::memory_order_relaxed);
  }
  for (const RequestId id : cancels) {
    const auto it = requests_.find(id);
    if (it == requests_.end()) continue;
    const std::vector<Run*> runs = it->second->runs;
    for (Run* run : runs) EndRun(*run, Ended::kCancelled);
  }
}

void Scheduler::ObeyDeadlines() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= options_.clock->NowNs()) {
    const RequestId id = deadlines_.begin()->second;
    const std::vector<Run*> runs = requests_.at(id)->runs;
    const Error late{ErrorCode::kLimit, "the deadline has passed before the answer was complete"};
    for (Run* run : runs) FailRun(*run, late);
  }
}

// --- starting -------------------------------------------------------------------------------

void Scheduler::Admit() {
  if (running_.empty()) admission_blocked_ = false;  // nothing else will change
  while (!admission_blocked_) {
    Run* head = waiting_.Head();
    if (head == nullptr) return;
    if (static_cast<int>(running_.size()) >= options_.sequences || !Start(*head)) {
      admission_blocked_ = true;
    }
  }
}

bool Scheduler::Start(Run& run) {
  Sequence sequence(model_.pool());
  std::int64_t reused = 0;
  if (run.request->use_cache) {
    // The last token's logits are wanted, so it is computed in any case.
    reused = cache_.Take(run.request->space, run.tokens,
                         static_cast<std::int64_t>(run.tokens.size()) - 1, sequence.tiles());
    sequence.Adopt(std::span(run.tokens).first(static_cast<std::size_t>(reused)));
  }
  if (!running_.empty()) {
    const kv::KvUse use = model_.pool().use();
    std::size_t free = use.budget - use.used;
    for (int g = 0; g < model_.pool().layout().groups(); ++g) {
      free += cache_.evictable(g) * model_.pool().tile_bytes(g);
    }
    // Each that runs may need a tile soon.
    const std::size_t soon = (running_.size() + 1) * TileBytes(0, 1);
    const auto size = static_cast<std::int64_t>(run.tokens.size()) + 1;
    if (TileBytes(reused, size) + soon > free) return false;
  }
  waiting_.Remove(run.request->tenant, run.key);
  if (!run.started) {
    counters_.reused_rows += reused;
    run.chooser->Reused(reused);
    for (const auto& sibling : run.siblings) sibling->Reused(reused);
    run.started = true;
  }
  run.published_tiles = reused / kernels::kTilePositions;
  run.sequence.emplace(std::move(sequence));
  running_.emplace(run.key, &run);
  return true;
}

void Scheduler::Preempt(Run& run) {
  ++counters_.preempted;
  Publish(run, true);
  run.sequence.reset();
  running_.erase(run.key);
  waiting_.Push(run.request->tenant, run.key, &run);
  // It starts again once something has ended, or it would take back what it just gave.
  admission_blocked_ = true;
}

void Scheduler::Publish(Run& run, bool last) {
  if (!run.request->use_cache || !run.sequence) return;
  const std::int64_t tiles = run.size() / kernels::kTilePositions;
  if (!last && tiles == run.published_tiles) return;
  cache_.Publish(run.request->space, run.sequence->tokens(), run.sequence->tiles(), last);
  run.published_tiles = tiles;
}

// --- ending ---------------------------------------------------------------------------------

void Scheduler::EndRun(Run& run, Ended how) {
  ++(how == Ended::kCancelled ? counters_.cancelled : counters_.finished);
  Publish(run, true);
  run.chooser->End(how);
  for (const auto& sibling : run.siblings) sibling->End(how);
  Remove(run);
}

void Scheduler::FailRun(Run& run, const Error& error) {
  ++counters_.failed;
  run.chooser->Fail(error);
  for (const auto& sibling : run.siblings) sibling->Fail(error);
  Remove(run);
}

void Scheduler::Remove(Run& run) {
  ScheduledRequest& request = *run.request;
  if (run.sequence) {
    running_.erase(run.key);
  } else {
    waiting_.Remove(request.tenant, run.key);
  }
  std::erase(request.runs, &run);
  runs_.erase(run.key);  // and with it the run and its tiles
  admission_blocked_ = false;
  if (!request.runs.empty()) return;
  if (request.deadline_ns) deadlines_.erase({*request.deadline_ns, request.id});
  const RequestId id = request.id;
  const auto gone = std::move(request.gone);
  requests_.erase(id);
  if (gone) gone(id);  // may submit the next one
}

SchedulerCounters Scheduler::counters() const {
  SchedulerCounters counters = counters_;
  counters.running = static_cast<std::int64_t>(running_.size());
  counters.waiting = waiting_.size();
  return counters;
}

}  // namespace cairn::engine
