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
// Streamed prompts. A request may be opened before its prompt is whole: pieces are appended, or the
// prompt is replaced as a whole, until it is finished; meanwhile what has come is computed, and no
// token is chosen. Messages take effect between steps. How such requests stand among the others is
// SchedulerOptions::stream_order. By default a key has a stage before its time: complete prompts,
// then those that are not complete, then of these the ones that have nothing to compute. Priority
// and patience order inside a stage, tenants take their turns inside a stage too. A prompt that
// becomes complete has the key of its first arrival, which never changes again: so it does not
// starve, and nobody waits for one that is not complete. What is last in the order gives way first:
// while memory or a place is wanted, idle streams, then the others. See scheduler_stream.cc.
//
// Giving way. A request that waits pushes out those that run with a later key, and a later stage or
// a lower priority, where that makes room for it: the last ones first. Equals wait until something
// ends. Both conditions only ever replace a key by a smaller one, so nothing goes to and fro.
//
// Threads: one thread (the engine's) makes all calls but RequestCancel, which any thread may make.
// Owns: its sequences and choosers; the model must outlive it.
// Cost: a step's decisions are linear in the running sequences, and logarithmic in those that wait.
// Test: scheduler_test.cc, scheduler_stream_test.cc, and scheduler_simulation_test.cc with a
// virtual clock and planted faults.
// Source: systems/31 for streamed prompts and their orders.
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
#include "engine/draft.h"
#include "engine/proposer.h"
#include "engine/step_budget.h"
#include "engine/step_model.h"
#include "engine/token_chooser.h"
#include "engine/waiting_queue.h"
#include "kv/prefix_cache.h"
#include "kv/swap_file.h"

namespace cairn::engine {

using RequestId = std::uint64_t;

struct ScheduledRequest;
struct ScheduledRun;
struct SchedulerFaults;  // testing/simulation.cc: mistakes that tests must find

struct Request {
  std::vector<std::int32_t> prompt;  // 1 to the context's tokens
  bool streaming = false;            // the prompt (which may be empty yet) goes on until Finish
  std::vector<std::unique_ptr<TokenChooser>> choices;  // answers to the one prompt; at least one
  int priority = 0;                                    // -10 to 10, larger is sooner
  std::string tenant;                                  // takes turns with others
  kv::CacheSpace space = 0;                            // texts are shared inside it
  bool use_cache = true;                               // false: neither reads nor leaves tiles
  std::optional<std::int64_t> deadline_ns;             // by the clock; past it the request fails
  // Called once all choices have ended, failed or not; the request is gone.
  std::function<void(RequestId)> gone;
};

// Where prompts that are not complete stand. "Complete" ones are streams that were finished and all
// plain requests.
enum class StreamOrder {
  kFirstCome,    // complete prompts by arrival, then the others by arrival
  kLatestPiece,  // the same by the arrival of their last piece: what has waited longest is first
  // One list: a token that was computed counts like a second of earlier arrival, whether the prompt
  // is complete or not; streams that have nothing to compute come last.
  kMostComputed,
  // No order for streams: they are treated as if complete, and keep their memory and place while
  // they wait for more. To compare with.
  kStock,
};

struct SchedulerOptions {
  int sequences = 32;           // most that run at once, 1 to the model's step_sequences
  std::int64_t waiting = 4096;  // most choices that wait
  // A step with prompts in it may take this many times as long as one without.
  double pace = 1.8;
  bool propose = true;  // what the text itself suggests, where that wins time
  // What a draft model suggests, in place of that, where it wins time. Null: nothing.
  std::shared_ptr<Draft> draft;
  // For proofs and measurements: as much as can be is proposed, also where it loses time.
  bool propose_always = false;
  // Where those that give way leave their tiles, if reading them back is expected to take less time
  // than computing them again: by the time that rows and bytes took so far. Null: nowhere.
  std::shared_ptr<kv::SwapFile> swap;
  // For proofs, 0 for never: after so many steps the last running answer gives way, needed or not.
  std::int64_t preempt_every = 0;
  StreamOrder stream_order = StreamOrder::kFirstCome;
  // A stream that gets nothing for so long fails, so that one that was abandoned holds no memory.
  std::int64_t stream_idle_ns = 300'000'000'000;
  std::uint64_t cache_secret = 0;  // keys the cache's hashes; 0: drawn from the system
  std::shared_ptr<const Clock> clock = std::make_shared<SystemClock>();
};

struct SchedulerCounters {
  std::int64_t submitted = 0, finished = 0, failed = 0, cancelled = 0;
  std::int64_t steps = 0, prompt_rows = 0, answer_rows = 0;
  std::int64_t reused_rows = 0;  // of prompts, found in the cache
  std::int64_t preempted = 0;
  std::int64_t pushed_out = 0;                   // of preempted, for one that waited
  std::int64_t invalidated_rows = 0;             // computed, and then not the prompt's any more
  std::int64_t swapped_out = 0, swapped_in = 0;  // of preempted, through the swap file
  std::int64_t lost_rows = 0;  // of those that gave way: neither found in the cache nor kept else
  std::int64_t proposed = 0, accepted = 0;      // tokens behind an answer's last one
  std::int64_t guessed = 0, guessed_right = 0;  // next tokens, proposed or not, and those that came
  std::int64_t model_ns = 0;  // in the model's steps, where choosers choose; the rest is our own
  std::int64_t draft_ns = 0;  // in the draft's, which are not among them
  std::int64_t running = 0, waiting = 0;
};

class Scheduler {
 public:
  Scheduler(StepModel& model, const SchedulerOptions& options);
  ~Scheduler();

  // Queues a request. Errors: kInvalidArgument (no prompt, no choices, a token the model does not
  // have, a priority out of range), kLimit (the prompt is longer than the context, or needs more KV
  // memory than the budget has: it can never be taken), kBusy (too many wait: try again later).
  [[nodiscard]] Result<RequestId> Submit(Request request);

  // Of a streaming request: `tokens` go on where its prompt ended. Empty ones are a sign of life.
  // Errors: kNotFound (no such request, or it has ended), kInvalidArgument (it is not streaming, is
  // finished, or a token is not in the vocabulary), kLimit (the prompt would be longer than the
  // context or need more KV memory than there is). After an error the request is as it was before:
  // one that is too long may still be updated, finished without the piece, or cancelled.
  [[nodiscard]] Result<void> Append(RequestId id, std::span<const std::int32_t> tokens);
  // The whole prompt anew. What was computed of tokens that both begin with stays.
  [[nodiscard]] Result<void> Update(RequestId id, std::span<const std::int32_t> tokens);
  // Nothing more will come: the answer begins. Errors: as above; kInvalidArgument (no tokens).
  [[nodiscard]] Result<void> Finish(RequestId id);

  // From any thread: the request ends before the next step, its memory with it. Unknown or ended:
  // nothing happens.
  void RequestCancel(RequestId id);

  // One step. False where there is nothing to do now: no requests, or only streams that wait for
  // more. Failures belong to the requests they meet.
  bool Step(std::stop_token stop = {});
  // By the clock, when a step will have something to do although nothing has come: a deadline, or
  // a stream that was idle too long. Absent: never.
  std::optional<std::int64_t> WakeNs() const;

  bool idle() const { return runs_.empty(); }
  SchedulerCounters counters() const;
  const kv::PrefixCache& cache() const { return cache_; }
  // The longest beginning of a text that the cache has, in a sequence of its own; and the other way
  // round, the committed positions of a sequence for the cache. The sequence ends before the
  // scheduler.
  Sequence Recall(kv::CacheSpace space, std::span<const std::int32_t> tokens);
  void Remember(kv::CacheSpace space, Sequence& sequence);
  // Forgets every text that no request holds.
  void DropCache() { cache_.Clear(); }

 private:
  friend struct SchedulerFaults;
  using Run = ScheduledRun;

  // What ended since the last step, and who starts.
  void ObeyCancels();
  void ObeyDeadlines();
  void Admit();
  bool Start(Run& run);
  bool MakeRoom(const Run& run, std::int64_t reused);
  static bool Outranks(const Run& run, const Run& other);
  std::size_t BytesHeldAlone(Run& run) const;
  // What the cache has of the run's tokens, at most `most`, in an empty sequence.
  std::int64_t TakeCached(const Run& run, std::int64_t most, Sequence& sequence);
  // The second tier (scheduler_swap.cc).
  void SwapOut(Run& run);
  bool WorthReading(const Run& run, std::int64_t reused) const;
  bool SwapIn(Run& run, Sequence& sequence);
  [[nodiscard]] Result<void> CheckTokens(std::span<const std::int32_t> tokens) const;
  [[nodiscard]] Result<void> CheckFits(std::size_t prompt_tokens) const;
  // Streams (scheduler_stream.cc).
  void OpenStream(Run& run);
  void CloseStream(Run& run);
  [[nodiscard]] Result<Run*> FindStream(RequestId id);
  void StreamChanged(Run& run);
  void ObeyStreams();
  void Follow(Run& run);
  void Rewind(Run& run, std::int64_t size);
  void FailIdleStreams();
  // Where a run belongs in the order.
  OrderKey KeyNow(const Run& run) const;
  void Place(Run& run, const OrderKey& key);
  void Settle(Run& run);
  // Rows of this step.
  void Compose();
  void AddAnswers();
  void AddPrompts();
  void Add(Run& run, std::int64_t rows);
  // Proposals (scheduler_propose.cc).
  void MakeGuesses(std::span<Run* const> answers);
  void AskDraft(std::span<Run* const> answers, std::int64_t room);
  std::int64_t GuessesToAsk(std::size_t answers) const;
  std::int64_t RoomToGuess(const Run& run) const;
  int RowsToPropose(Run& run);
  // Whose the run's guess is.
  Guesser& GuesserOf(Run& run);
  void SettleProposals(std::int64_t took_ns);
  void ForgetDraft(const Run& run);
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
  // Bytes of tiles that positions [first, size) of a sequence need, and of its states.
  std::size_t TileBytes(std::int64_t first, std::int64_t size) const;
  // What a sequence that runs may need next: a tile of each group.
  std::size_t NextTileBytes() const;

  StepModel& model_;
  SchedulerOptions options_;
  kv::PrefixCache cache_;
  StepBudget budget_;
  WaitingQueue waiting_;
  std::map<RequestId, std::unique_ptr<ScheduledRequest>> requests_;
  std::map<std::uint64_t, std::unique_ptr<Run>> runs_;  // all that have not ended, by key.number
  std::map<OrderKey, Run*> running_;                    // those with a sequence
  std::set<std::pair<std::int64_t, RequestId>> deadlines_;
  std::set<std::pair<std::int64_t, RequestId>> idle_streams_;  // by the time they are idle too long
  std::vector<RequestId> changed_streams_;
  std::uint64_t next_run_ = 1;
  bool admission_blocked_ = false;  // the head did not fit, and nothing has changed since
  RequestId next_id_ = 1;
  SchedulerCounters counters_;

  std::mutex cancel_mutex_;
  std::vector<RequestId> cancels_;  // guarded by cancel_mutex_
  std::atomic<bool> has_cancels_{false};

  // The draft's guesses: one model, so what is learned of one text goes for all.
  Guesser draft_{.rate = {}, .purse = {64, 256}};
  double draft_token_ns_ = 0;  // of a guess, as learned; 0: not known

  // Of the step that is being made.
  bool bare_ = false;  // nothing is proposed: it shall show what the answers take
  std::int64_t draft_step_ns_ = 0;
  std::vector<StepEntry> entries_;
  std::vector<Run*> entry_runs_;
  int answer_rows_ = 0;
  std::int64_t prompt_rows_ = 0;
  std::int64_t proposed_rows_ = 0;
};

}  // namespace cairn::engine
