// SPDX-License-Identifier: Apache-2.0
// One engine for many threads: who may use it when, and whose news go where.
//
// The engine is used in turns. A thread that waits for an answer takes a turn for one step, which
// serves all requests, or waits for another thread's; texts and ends are kept with the request
// until the thread that waits for it takes them. Threads that want the engine for something else
// take turns with the steps, so that neither starves. Nothing is called back while a turn or the
// lock is held.
// Threads: any number. Owns: the engine and its requests' state.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/answers.h"

namespace cairn::capi {

struct Piece {
  int choice = 0;
  std::string text;
};

// A request as its waiting thread sees it. Members but `id` and `cancel` are the SharedEngine's.
struct Pending {
  engine::RequestId id = 0;
  std::shared_ptr<const std::atomic<bool>> cancel;  // null: none
  std::deque<Piece> pieces;
  bool ended = false;
  std::vector<Result<engine::Answer>> answers;  // by choice, once it has ended
};

class SharedEngine {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  SharedEngine(std::unique_ptr<engine::Engine> engine, const engine::SchedulerOptions& options);

  // What never changes; `describe` what does.
  const model::Model& model() const { return engine_->model(); }
  const engine::Engine& engine() const { return *engine_; }

  // Runs `body(Engine&)` while nobody else uses the engine.
  template <typename Body>
  auto Alone(Body body) {
    const Turn turn = TakeTurn();
    return body(*engine_);
  }

  // Errors: as Answers::Submit.
  [[nodiscard]] Result<std::shared_ptr<Pending>> Submit(
      engine::AnswerRequest request, std::shared_ptr<const std::atomic<bool>> cancel);
  void Cancel(const Pending& pending) { answers_.RequestCancel(pending.id); }

  // Until the request has a piece or has ended, or `deadline`; makes steps meanwhile. The next
  // piece, if there is one. Errors: kUnsupported where the scheduler has nothing to do.
  [[nodiscard]] Result<std::optional<Piece>> Wait(Pending& pending, Deadline deadline);
  // A piece that is there already.
  std::optional<Piece> Take(Pending& pending);
  bool Ended(const Pending& pending);
  // Requires Ended.
  const std::vector<Result<engine::Answer>>& AnswersOf(const Pending& pending);

  // One step, where no other thread makes one at this moment (then: after it). False: nothing to
  // do.
  bool Step();

  engine::SchedulerCounters counters();

 private:
  // Holds the engine for one thread.
  class Turn {
   public:
    Turn(SharedEngine& shared, bool step) : shared_(shared), step_(step) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { shared_.EndTurn(step_); }

   private:
    SharedEngine& shared_;
    bool step_;
  };
  Turn TakeTurn();
  void EndTurn(bool step);
  bool MayStep() const { return !taken_ && (visitors_ == 0 || !visitors_next_); }
  // With a turn held.
  bool StepNow();

  std::unique_ptr<engine::Engine> engine_;
  engine::Answers answers_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool taken_ = false;                          // some thread has its turn
  int visitors_ = 0;                            // threads that wait for the engine, not for a step
  int steppers_ = 0;                            // threads that wait and could make a step
  bool visitors_next_ = true;                   // whose turn is next, where both wait
  std::vector<std::shared_ptr<Pending>> live_;  // requests that have not ended
};

}  // namespace cairn::capi
