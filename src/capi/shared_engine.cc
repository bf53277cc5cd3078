// SPDX-License-Identifier: Apache-2.0
#include "capi/shared_engine.h"

#include <algorithm>
#include <utility>

namespace cairn::capi {

SharedEngine::SharedEngine(std::unique_ptr<engine::Engine> engine,
                           const engine::SchedulerOptions& options)
    : engine_(std::move(engine)), answers_(*engine_, options) {}

SharedEngine::Turn SharedEngine::TakeTurn() {
  std::unique_lock lock(mutex_);
  ++visitors_;
  changed_.wait(lock, [this] { return !taken_ && (visitors_next_ || steppers_ == 0); });
  --visitors_;
  taken_ = true;
  return {*this, false};
}

void SharedEngine::EndTurn(bool step) {
  const std::lock_guard lock(mutex_);
  taken_ = false;
  visitors_next_ = step;
  changed_.notify_all();
}

bool SharedEngine::StepNow() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& pending : live_) {
      if (pending->cancel != nullptr && pending->cancel->load(std::memory_order_relaxed)) {
        answers_.RequestCancel(pending->id);
      }
    }
  }
  return answers_.Step();
}

bool SharedEngine::Step() {
  std::unique_lock lock(mutex_);
  ++steppers_;
  changed_.wait(lock, [this] { return MayStep(); });
  --steppers_;
  taken_ = true;
  lock.unlock();
  const Turn turn(*this, true);
  return StepNow();
}

Result<std::shared_ptr<Pending>> SharedEngine::Submit(
    engine::AnswerRequest request, std::shared_ptr<const std::atomic<bool>> cancel) {
  auto pending = std::make_shared<Pending>();
  pending->cancel = std::move(cancel);
  engine::AnswerSink sink;
  // Called by whichever thread makes the step.
  sink.piece = [this, pending](int choice, const engine::AnswerPiece& piece) {
    if (piece.text.empty()) return true;
    const std::lock_guard lock(mutex_);
    if (!pending->pieces.empty() && pending->pieces.back().choice == choice) {
      pending->pieces.back().text += piece.text;
    } else {
      pending->pieces.push_back({choice, std::string(piece.text)});
    }
    return true;
  };
  sink.done = [this, pending](std::vector<Result<engine::Answer>> answers) {
    const std::lock_guard lock(mutex_);
    pending->answers = std::move(answers);
    pending->ended = true;
    std::erase(live_, pending);
  };
  const Turn turn = TakeTurn();
  pending->id = OR_RETURN(answers_.Submit(std::move(request), std::move(sink)));
  const std::lock_guard lock(mutex_);
  live_.push_back(pending);
  return pending;
}

Result<std::optional<Piece>> SharedEngine::Wait(Pending& pending, Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto has_news = [&] { return pending.ended || !pending.pieces.empty(); };
  const auto is_late = [&] { return deadline && std::chrono::steady_clock::now() >= *deadline; };
  while (!has_news() && !is_late()) {
    ++steppers_;
    const auto ready = [&] { return has_news() || MayStep(); };
    if (deadline) {
      changed_.wait_until(lock, *deadline, ready);
    } else {
      changed_.wait(lock, ready);
    }
    --steppers_;
    if (has_news() || !MayStep()) {
      changed_.notify_all();  // a visitor may have let this thread go first
      continue;
    }
    taken_ = true;
    lock.unlock();
    bool worked = false;
    {
      const Turn turn(*this, true);
      worked = StepNow();
    }
    lock.lock();
    if (!worked && !has_news()) {
      return Fail(ErrorCode::kUnsupported, "the engine has nothing to do and no answer came");
    }
  }
  lock.unlock();
  return Take(pending);
}

std::optional<Piece> SharedEngine::Take(Pending& pending) {
  const std::lock_guard lock(mutex_);
  if (pending.pieces.empty()) return std::nullopt;
  Piece piece = std::move(pending.pieces.front());
  pending.pieces.pop_front();
  return piece;
}

bool SharedEngine::Ended(const Pending& pending) {
  const std::lock_guard lock(mutex_);
  return pending.ended && pending.pieces.empty();
}

const std::vector<Result<engine::Answer>>& SharedEngine::AnswersOf(const Pending& pending) {
  // They do not change any more; the lock orders their making before this.
  const std::lock_guard lock(mutex_);
  return pending.answers;
}

engine::SchedulerCounters SharedEngine::counters() {
  return Alone([this](engine::Engine&) { return answers_.scheduler().counters(); });
}

}  // namespace cairn::capi
