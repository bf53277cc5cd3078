// SPDX-License-Identifier: Apache-2.0
// Many answers at once: which rows of which sequences make the next step.
//
// Continuous batching: a step holds one row (and what is proposed behind it) of every answer that
// is being made, and chunks of prompts in what is left of the step's budget, so that running
// answers keep their pace. Prompts are found in the prefix cache as far as they go; what a sequence
// computed is published there as its tiles fill. Where the KV memory is full, the answer that came
// last leaves its tiles to the cache and waits; later it goes on where the cache still has them. No
// decision changes a byte of any answer (docs/canonical.md).
//
// Order. Every request has a key: its arrival, plus time for the length of its prompt, less time
// for its priority. It never changes, so nothing that arrives later can stay ahead for ever: short
// questions pass long ones that came a moment before, and no request starves. Tenants take turns by
// the rows that were computed for them. See waiting_queue.h.
//
// Threads: one thread (the engine's) makes all calls but RequestCancel, which any thread may make.
// Owns: its sequences and choosers; the model must outlive it.
// Cost: a step's decisions are linear in the running sequences, and logarithmic in those that wait.
// Test: scheduler_test.cc, and scheduler_simulation_test.cc with a virtual clock and planted
// faults.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/step_budget.h"
#include "engine/step_model.h"
#include "engine/token_chooser.h"
#include "engine/waiting_queue.h"
#include "kv/prefix_cache.h"

namespace cairn::engine {

using RequestId = std::uint64_t;

struct ScheduledRequest;
struct ScheduledRun;

struct Request {
  std::vector<std::int32_t> prompt;                    // 1 to the context's tokens
  std::vector<std::unique_ptr<TokenChooser>> choices;  // answers to the one prompt; at least one
  int priority = 0;                                    // -10 to 10, larger is sooner
  std::string tenant;                                  // takes turns with others
  kv::CacheSpace space = 0;                            // texts are shared inside it
  bool use_cache = true;                               // false: neither reads nor leaves tiles
  std::optional<std::int64_t> deadline_ns;             // by the clock; past it the request fails
  // Called once all choices have ended, failed or not; the request is gone.
  std::function<void(RequestId)> gone;
};

struct SchedulerOptions {
  int sequences = 32;           // most that run at once, 1 to the model's step_sequences
  std::int64_t waiting = 4096;  // most choices that wait
  // A step with prompts in it may take this many times as long as one without.
  double pace = 1.9;
  bool propose = true;  // n-gram proposals, where they win time
  // For proofs, 0 for never: after so many steps the last running answer gives way, needed or not.
  std::int64_t preempt_every = 0;
  std::uint64_t cache_secret = 0;  // keys the cache's hashes; 0: drawn from the system
  std::shared_ptr<const Clock> clock = std::make_shared<SystemClock>();
};

struct SchedulerCounters {
  std::int64_t submitted = 0, finished = 0, failed = 0, cancelled = 0;
  std::int64_t steps = 0, prompt_rows = 0, answer_rows = 0;
  std::int64_t reused_rows = 0;  // of prompts, found in the cache
  std::int64_t preempted = 0;
  std::int64_t proposed = 0, accepted = 0;  // tokens behind an answer's last one
  std::int64_t model_ns = 0;  // in the model's steps, where choosers choose; the rest is our own
  std::int64_t running = 0, waiting = 0;
};

class Scheduler {
 public:
  Scheduler(StepModel& model, const SchedulerOptions& options);
  ~Scheduler();

  // Queues a request. Errors: kInvalidArgument (no prompt, no choices, a token the model does not
  // have, a priority out of range), kLimit (the prompt is longer than the context, needs more KV
  // memory than the budget has, or too many wait).
  [[nodiscard]] Result<RequestId> Submit(Request request);

  // From any thread: the request ends before the next step, its memory with it. Unknown or ended:
  // nothing happens.
  void RequestCancel(RequestId id);

  // One step. False where there is nothing to do. Failures belong to the requests they meet.
  bool Step(std::stop_token stop = {});

  bool idle() const { return runs_.empty(); }
  SchedulerCounters counters() const;
  const kv::PrefixCache& cache() const { return cache_; }
  // Forgets every text that no request holds.
  void DropCache() { cache_.Clear(); }

 private:
  using Run = ScheduledRun;

  // What ended since the last step, and who starts.
  void ObeyCancels();
  void ObeyDeadlines();
  void Admit();
  bool Start(Run& run);
  // Rows of this step.
  void Compose();
  void AddAnswers();
  void AddPrompts();
  void Add(Run& run, std::int64_t rows);
  int RowsToPropose(const Run& run) const;
  std::int64_t Reserve(Run& run, std::int64_t rows);
  Run* Victim(const Run& keep) const;
  void Preempt(Run& run);
  // What they gave.
  void Execute(std::stop_token stop);
  void TakeLogits(Run& run, int row, std::span<const float> logits);
  void Commit(StepEntry& entry, Run& run);
  void StartSiblings(Run& run);
  void Publish(Run& run, bool last);
  // How a run ends.
  void EndRun(Run& run, Ended how);
  void FailRun(Run& run, const Error& error);
  void Remove(Run& run);
  // Bytes of tiles that positions [first, size) of a sequence need.
  std::size_t TileBytes(std::int64_t first, std::int64_t size) const;

  StepModel& model_;
  SchedulerOptions options_;
  kv::PrefixCache cache_;
  StepBudget budget_;
  WaitingQueue waiting_;
  std::map<RequestId, std::unique_ptr<ScheduledRequest>> requests_;
  std::map<OrderKey, std::unique_ptr<Run>> runs_;  // all that have not ended
  std::map<OrderKey, Run*> running_;               // those with a sequence
  std::set<std::pair<std::int64_t, RequestId>> deadlines_;
  std::uint64_t next_run_ = 1;
  bool admission_blocked_ = false;  // the head did not fit, and nothing has changed since
  RequestId next_id_ = 1;
  SchedulerCounters counters_;

  std::mutex cancel_mutex_;
  std::vector<RequestId> cancels_;  // guarded by cancel_mutex_
  std::atomic<bool> has_cancels_{false};

  // Of the step that is being made.
  std::vector<StepEntry> entries_;
  std::vector<Run*> entry_runs_;
  int answer_rows_ = 0;
  std::int64_t prompt_rows_ = 0;
  std::int64_t proposed_rows_ = 0;
};

}  // namespace cairn::engine
