// SPDX-License-Identifier: Apache-2.0
// Prompts that arrive in pieces or are revised while they wait, and where runs stand in the order.
//
// A message changes StreamedPrompt at once, whoever sends it and when; the run follows before the
// next step. So a step never computes for tokens that are gone, and the choice whether its last row
// decides a token was made for the prompt that it computes. Tokens are compared by their ids: equal
// passages behind the first difference have other positions and another text before them.
// Deviation from the paper: the last token of an open prompt is held back (ScheduledRun::pending),
// so a finish that brings nothing always leaves one row to compute.
#include <fmt/format.h>

#include <algorithm>

#include "engine/scheduled_run.h"
#include "engine/scheduler.h"
#include "kernels/kernels.h"

namespace cairn::engine {
namespace {

constexpr int kOpenStage = 1;
constexpr int kIdleStage = 2;
// StreamOrder::kMostComputed: what a computed token counts for, in ns of arrival.
constexpr std::int64_t kComputedToken = 1'000'000'000;

// All that has come was computed at some time: it waits for more.
bool IsIdle(const ScheduledRun& run) {
  return run.stream->reached + 1 >= static_cast<std::int64_t>(run.tokens.size());
}

}  // namespace

// --- messages -------------------------------------------------------------------------------

void Scheduler::OpenStream(Run& run) {
  run.stream = std::make_unique<StreamedPrompt>();
  run.stream->tokens = run.tokens;
  run.stream->common = static_cast<std::int64_t>(run.tokens.size());
  run.stream->last_ns = run.since_ns;
  idle_streams_.insert({run.stream->last_ns + options_.stream_idle_ns, run.request->id});
}

void Scheduler::CloseStream(Run& run) {
  idle_streams_.erase({run.stream->last_ns + options_.stream_idle_ns, run.request->id});
  run.stream.reset();
}

Result<Scheduler::Run*> Scheduler::FindStream(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("there is no request {}, or it has ended already", id));
  }
  if (!it->second->streaming) {
    return Fail(
        ErrorCode::kInvalidArgument,
        fmt::format("request {} was not opened as a streaming one; its prompt is whole", id));
  }
  Run* run = it->second->runs.front();
  if (run->stream && !run->stream->finished) return run;
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the prompt of request {} was finished before; nothing may follow", id));
}

void Scheduler::StreamChanged(Run& run) {
  StreamedPrompt& stream = *run.stream;
  idle_streams_.erase({stream.last_ns + options_.stream_idle_ns, run.request->id});
  stream.last_ns = options_.clock->NowNs();
  idle_streams_.insert({stream.last_ns + options_.stream_idle_ns, run.request->id});
  if (!stream.changed) changed_streams_.push_back(run.request->id);
  stream.changed = true;
}

Result<void> Scheduler::Append(RequestId id, std::span<const std::int32_t> tokens) {
  Run* run = OR_RETURN(FindStream(id));
  std::vector<std::int32_t>& prompt = run->stream->tokens;
  OR_RETURN(CheckTokens(tokens));
  OR_RETURN(CheckFits(prompt.size() + tokens.size()));
  prompt.insert(prompt.end(), tokens.begin(), tokens.end());
  StreamChanged(*run);
  return {};
}

Result<void> Scheduler::Update(RequestId id, std::span<const std::int32_t> tokens) {
  Run* run = OR_RETURN(FindStream(id));
  StreamedPrompt& stream = *run->stream;
  OR_RETURN(CheckTokens(tokens));
  OR_RETURN(CheckFits(tokens.size()));
  const auto parted = std::ranges::mismatch(stream.tokens, tokens).in1;
  stream.common = std::min<std::int64_t>(stream.common, parted - stream.tokens.begin());
  stream.tokens.assign(tokens.begin(), tokens.end());
  StreamChanged(*run);
  return {};
}

Result<void> Scheduler::Finish(RequestId id) {
  Run* run = OR_RETURN(FindStream(id));
  if (run->stream->tokens.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the prompt of request {} has no tokens; send some before it is "
                            "finished, or cancel it",
                            id));
  }
  run->stream->finished = true;
  StreamChanged(*run);
  return {};
}

// --- between steps --------------------------------------------------------------------------

void Scheduler::ObeyStreams() {
  std::vector<RequestId> changed;
  changed.swap(changed_streams_);
  for (const RequestId id : changed) {
    const auto it = requests_.find(id);
    if (it != requests_.end()) Follow(*it->second->runs.front());
  }
}

// The run has the prompt that has come; of what it computed stays what is still true.
void Scheduler::Follow(Run& run) {
  StreamedPrompt& stream = *run.stream;
  stream.changed = false;
  run.tokens.resize(static_cast<std::size_t>(stream.common));
  run.tokens.insert(run.tokens.end(), stream.tokens.begin() + stream.common, stream.tokens.end());
  const auto size = static_cast<std::int64_t>(run.tokens.size());
  const std::int64_t keep = std::min(stream.common, std::max<std::int64_t>(size - 1, 0));
  if (run.size() > keep) {
    counters_.invalidated_rows += run.size() - keep;
    Rewind(run, keep);
  }
  stream.reached = std::min(stream.reached, stream.common);
  run.given_up = std::min(run.given_up, stream.common);
  run.swapped.Shrink(keep);
  stream.common = size;
  if (options_.stream_order == StreamOrder::kLatestPiece) run.since_ns = stream.last_ns;
  if (stream.finished) {
    const std::int64_t waited = options_.clock->NowNs() - stream.last_ns;
    run.chooser->PromptIsComplete(run.tokens, waited);
    for (const auto& sibling : run.siblings) sibling->PromptIsComplete(run.tokens, waited);
    CloseStream(run);
  }
  Place(run, KeyNow(run));
  admission_blocked_ = false;
}

// The run's first `size` positions stay. Where a window that the next one sees was given back, what
// the cache still has of them.
void Scheduler::Rewind(Run& run, std::int64_t size) {
  if (run.sequence->tiles().UsableSize(size) == size) {
    run.sequence->Truncate(size);
    run.published_tiles = std::min(run.published_tiles, size / kernels::kTilePositions);
    return;
  }
  Publish(run, true);  // also the tile that is not full
  Sequence sequence(model_.pool());
  const std::int64_t reused = TakeCached(run, size, sequence);
  counters_.lost_rows += size - reused;
  run.published_tiles = reused / kernels::kTilePositions;
  run.sequence.emplace(std::move(sequence));
}

void Scheduler::FailIdleStreams() {
  while (!idle_streams_.empty() && idle_streams_.begin()->first <= options_.clock->NowNs()) {
    Run* run = requests_.at(idle_streams_.begin()->second)->runs.front();
    FailRun(*run,
            {ErrorCode::kLimit,
             fmt::format("nothing has come of the prompt for {} s; append, update or finish it "
                         "in time",
                         options_.stream_idle_ns / 1'000'000'000)});
  }
}

std::optional<std::int64_t> Scheduler::WakeNs() const {
  std::optional<std::int64_t> first;
  for (const auto* times : {&deadlines_, &idle_streams_}) {
    if (times->empty()) continue;
    first = std::min(first.value_or(times->begin()->first), times->begin()->first);
  }
  return first;
}

// --- order ----------------------------------------------------------------------------------

OrderKey Scheduler::KeyNow(const Run& run) const {
  const bool by_computed = options_.stream_order == StreamOrder::kMostComputed;
  OrderKey key = KeyOf(run.since_ns, by_computed ? 0 : run.tokens.size(), run.request->priority,
                       run.key.number);
  if (by_computed) key.time -= run.size() * kComputedToken;
  if (!run.stream || options_.stream_order == StreamOrder::kStock) return key;
  if (IsIdle(run)) {
    key.stage = kIdleStage;
  } else if (!by_computed) {
    key.stage = kOpenStage;
  }
  return key;
}

// Its key changes while its prompt is open, or is computed where that counts; then never again.
void Scheduler::Settle(Run& run) {
  const bool moves =
      run.stream || (options_.stream_order == StreamOrder::kMostComputed && run.prefilling());
  Place(run, moves ? KeyNow(run) : run.key);
}

void Scheduler::Place(Run& run, const OrderKey& key) {
  if (run.sequence) {
    if (key == run.key) return;
    running_.erase(run.key);
    // One more that gives way to whoever waits.
    if (key.stage > run.key.stage) admission_blocked_ = false;
    run.key = key;
    running_.emplace(key, &run);
    return;
  }
  if (run.queued) waiting_.Remove(run.request->tenant, run.key);
  run.key = key;
  run.queued = run.pending() > 0;
  if (run.queued) waiting_.Push(run.request->tenant, key, &run);
}

}  // namespace cairn::engine
