// SPDX-License-Identifier: Apache-2.0
// Requests: how they come in, wait, start and end. Steps: scheduler_step.cc.
#include "engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "engine/answer.h"
#include "engine/scheduled_run.h"
#include "kernels/kernels.h"

namespace cairn::engine {

namespace {

constexpr int kMostPriority = 10;

Result<void> CheckRequest(const Request& request) {
  if (request.prompt.empty() && !request.streaming) {
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
  return {};
}

}  // namespace

Scheduler::Scheduler(StepModel& model, const SchedulerOptions& options)
    : model_(model),
      options_(options),
      cache_(model.pool(), options.cache_secret != 0 ? options.cache_secret : kv::DrawSecret()),
      budget_(model.step_rows(), options.pace) {
  CAIRN_CHECK(options.sequences >= 1 && options.pace > 1 && options.stream_idle_ns > 0);
  options_.sequences = std::min({options.sequences, model.step_sequences(), model.step_rows()});
}

Scheduler::~Scheduler() = default;

std::size_t Scheduler::TileBytes(std::int64_t first, std::int64_t size) const {
  const kv::KvLayout& layout = model_.pool().layout();
  std::size_t bytes = 0;
  for (int g = 0; g < layout.groups(); ++g) {
    if (g == layout.state_group) {
      bytes += kv::kStatesOfSequence * model_.pool().tile_bytes(g);
      continue;
    }
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

std::size_t Scheduler::NextTileBytes() const {
  std::size_t bytes = 0;
  for (int g = 0; g < model_.pool().layout().groups(); ++g) bytes += model_.pool().tile_bytes(g);
  return bytes;
}

Result<void> Scheduler::CheckTokens(std::span<const std::int32_t> tokens) const {
  for (const std::int32_t token : tokens) {
    if (token >= 0 && token < model_.vocabulary()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("token {} is not in the vocabulary of {}", token, model_.vocabulary()));
  }
  return {};
}

Result<void> Scheduler::CheckFits(std::size_t prompt_tokens) const {
  const auto tokens = static_cast<std::int64_t>(prompt_tokens);
  if (tokens > model_.context()) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the prompt has {} tokens, the context holds {}; shorten it or raise "
                            "--context",
                            tokens, model_.context()));
  }
  const std::size_t budget = model_.pool().use().budget;
  if (TileBytes(0, tokens) <= budget) return {};
  return Fail(ErrorCode::kLimit,
              fmt::format("a prompt of {} tokens needs {} bytes of KV memory and the budget is {}; "
                          "shorten it or raise --kv-memory",
                          tokens, TileBytes(0, tokens), budget));
}

Result<RequestId> Scheduler::Submit(Request request) {
  OR_RETURN(CheckRequest(request));
  OR_RETURN(CheckTokens(request.prompt));
  OR_RETURN(CheckFits(request.prompt.size()));
  const auto waiting = static_cast<std::int64_t>(runs_.size() - running_.size());
  if (waiting >= options_.waiting) {
    return Fail(ErrorCode::kBusy,
                fmt::format("{} requests wait already; try again later", waiting));
  }
  const RequestId id = next_id_++;
  auto owner = std::make_unique<ScheduledRequest>();
  owner->id = id;
  owner->tenant = std::move(request.tenant);
  owner->priority = request.priority;
  owner->arrival_ns = options_.clock->NowNs();
  owner->streaming = request.streaming;
  owner->space = request.space;
  owner->use_cache = request.use_cache;
  owner->deadline_ns = request.deadline_ns;
  owner->gone = std::move(request.gone);
  if (owner->deadline_ns) deadlines_.insert({*owner->deadline_ns, id});

  auto run = std::make_unique<Run>();
  run->request = owner.get();
  run->since_ns = owner->arrival_ns;
  run->key.number = next_run_++;
  run->tokens = std::move(request.prompt);
  run->chooser = std::move(request.choices.front());
  run->siblings.assign(std::make_move_iterator(request.choices.begin() + 1),
                       std::make_move_iterator(request.choices.end()));
  owner->runs.push_back(run.get());
  if (request.streaming) OpenStream(*run);
  Place(*run, KeyNow(*run));
  runs_.emplace(run->key.number, std::move(run));
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
    if (Start(*head)) continue;
    // An urgent one need not wait behind another tenant's turn.
    Run* soonest = waiting_.Soonest();
    if (Outranks(*soonest, *head) && Start(*soonest)) continue;
    admission_blocked_ = true;
  }
}

std::int64_t Scheduler::TakeCached(const Run& run, std::int64_t most, Sequence& sequence) {
  if (!run.request->use_cache) return 0;
  const std::int64_t reused = cache_.Take(run.request->space, run.tokens, most, sequence.tiles());
  sequence.Adopt(std::span(run.tokens).first(static_cast<std::size_t>(reused)));
  return reused;
}

bool Scheduler::Start(Run& run) {
  Sequence sequence(model_.pool());
  // The last token's logits are wanted, so it is computed in any case.
  const auto most = static_cast<std::int64_t>(run.tokens.size()) - 1;
  std::int64_t reused = TakeCached(run, most, sequence);
  const bool swaps = WorthReading(run, reused);
  if (swaps) sequence = Sequence(model_.pool());
  if (!MakeRoom(run, swaps ? 0 : reused)) return false;
  if (swaps) reused = SwapIn(run, sequence) ? sequence.size() : TakeCached(run, most, sequence);
  run.swapped = {};
  waiting_.Remove(run.request->tenant, run.key);
  run.queued = false;
  if (!run.started) {
    counters_.reused_rows += reused;
    run.chooser->Reused(reused);
    for (const auto& sibling : run.siblings) sibling->Reused(reused);
    run.started = true;
  }
  counters_.lost_rows += std::max<std::int64_t>(run.given_up - reused, 0);
  run.given_up = 0;
  run.published_tiles = swaps ? 0 : reused / kernels::kTilePositions;
  run.sequence.emplace(std::move(sequence));
  running_.emplace(run.key, &run);
  if (run.stream) run.stream->reached = std::max(run.stream->reached, reused);
  Settle(run);
  return true;
}

// Whether `run` may have the other's place and memory. Any chain of such exchanges ends, since each
// replaces a key by a smaller one.
bool Scheduler::Outranks(const Run& run, const Run& other) {
  return run.key < other.key &&
         (run.key.stage < other.key.stage || run.request->priority > other.request->priority);
}

// A place and memory for what `run` still has to compute, where need be those of runs that it
// outranks. False: there is not enough, and nobody has given way.
bool Scheduler::MakeRoom(const Run& run, std::int64_t reused) {
  if (running_.empty()) return true;
  const kv::KvUse use = model_.pool().use();
  std::size_t free = use.budget - use.used;
  for (int g = 0; g < model_.pool().layout().groups(); ++g) {
    free += cache_.evictable(g) * model_.pool().tile_bytes(g);
  }
  const std::size_t own = TileBytes(reused, static_cast<std::int64_t>(run.tokens.size()) + 1);
  std::vector<Run*> out;
  std::size_t stay = running_.size();
  const auto enough = [&] {
    // Each that runs may need a tile soon. Who has all the memory has enough.
    return static_cast<int>(stay) < options_.sequences &&
           (stay == 0 || own + (stay + 1) * NextTileBytes() <= free);
  };
  for (auto it = running_.rbegin(); it != running_.rend() && !enough(); ++it) {
    if (!Outranks(run, *it->second)) continue;
    out.push_back(it->second);
    free += BytesHeldAlone(*it->second);
    --stay;
  }
  if (!enough()) return false;
  for (Run* other : out) Preempt(*other);
  counters_.pushed_out += static_cast<std::int64_t>(out.size());
  admission_blocked_ = false;
  return true;
}

// What can be had when the run lets go of its tiles.
std::size_t Scheduler::BytesHeldAlone(Run& run) const {
  std::size_t bytes = 0;
  const kv::SequenceTiles& tiles = run.sequence->tiles();
  for (int g = 0; g < model_.pool().layout().groups(); ++g) {
    for (std::int64_t i = 0; i < tiles.tile_count(); ++i) {
      const kv::TileRef& tile = tiles.tile(g, i);
      const int others = tile.holders() - 1;
      if (others == 0 || (others == 1 && tile.published())) bytes += model_.pool().tile_bytes(g);
    }
  }
  return bytes;
}

void Scheduler::Preempt(Run& run) {
  ++counters_.preempted;
  ForgetDraft(run);
  Publish(run, true);
  run.given_up = run.size();
  SwapOut(run);
  running_.erase(run.key);
  run.sequence.reset();
  Settle(run);
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

Sequence Scheduler::Recall(kv::CacheSpace space, std::span<const std::int32_t> tokens) {
  Sequence sequence(model_.pool());
  const std::int64_t size = cache_.Take(space, tokens, std::ssize(tokens), sequence.tiles());
  sequence.Adopt(tokens.first(static_cast<std::size_t>(size)));
  return sequence;
}

void Scheduler::Remember(kv::CacheSpace space, Sequence& sequence) {
  cache_.Publish(space, sequence.tokens(), sequence.tiles(), true);
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
  ForgetDraft(run);
  if (run.sequence) running_.erase(run.key);
  if (run.queued) waiting_.Remove(request.tenant, run.key);
  if (run.stream) CloseStream(run);
  std::erase(request.runs, &run);
  runs_.erase(run.key.number);  // and with it the run and its tiles
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
  counters.waiting = static_cast<std::int64_t>(runs_.size() - running_.size());
  return counters;
}

}  // namespace cairn::engine
