// SPDX-License-Identifier: Apache-2.0
#include "server/engine_loop.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace cairn::server {

struct EngineLoop::Job {
  std::atomic<bool> cancelled{false};
  // The engine loop's.
  std::shared_ptr<HostedEngine> engine;  // while it is scheduled
  std::optional<engine::RequestId> id;
  std::shared_ptr<AnswerListener> listener;
};

void HostedEngine::Read() {
  const engine::SchedulerCounters now = answers_.scheduler().counters();
  const kv::KvUse kv = engine_->kv_use();
  const kv::PrefixCounters cache = answers_.scheduler().cache().counters();
  const auto rows = [](const engine::SchedulerCounters& c) {
    return c.prompt_rows + c.answer_rows + c.proposed;
  };
  const std::lock_guard lock(mutex_);
  if (now.steps > reading_.scheduler.steps) {
    reading_.step_rows.Add(static_cast<double>(rows(now) - rows(reading_.scheduler)));
  }
  reading_.scheduler = now;
  reading_.kv = kv;
  reading_.cache = cache;
}

EngineLoop::EngineLoop(Post post) : post_(std::move(post)), thread_([this] { Run(); }) {}

EngineLoop::~EngineLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_.request_stop();
  }
  wake_.notify_all();
  thread_.join();
}

EngineLoop::JobRef EngineLoop::NewJob() { return std::make_shared<Job>(); }

void EngineLoop::Push(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  wake_.notify_all();
}

void EngineLoop::Add(std::shared_ptr<HostedEngine> engine) {
  Push([this, engine = std::move(engine)]() mutable {
    engine->Read();
    engines_.push_back(std::move(engine));
  });
}

void EngineLoop::Remove(std::shared_ptr<HostedEngine> engine) {
  Push([this, engine = std::move(engine)] { std::erase(engines_, engine); });
}

Result<void> EngineLoop::Submit(const JobRef& job, std::shared_ptr<HostedEngine> engine,
                                engine::AnswerRequest request,
                                std::shared_ptr<AnswerListener> listener) {
  auto asked = std::make_shared<engine::AnswerRequest>(std::move(request));
  {
    const std::lock_guard lock(mutex_);
    if (submissions_ >= kMostCommands) {
      return Fail(ErrorCode::kBusy, "too many requests wait already; try again later");
    }
    ++submissions_;
    commands_.push_back(
        [this, job, asked, engine = std::move(engine), listener = std::move(listener)]() mutable {
          {
            const std::lock_guard again(mutex_);
            --submissions_;
          }
          job->engine = std::move(engine);
          job->listener = std::move(listener);
          Begin(job, std::move(*asked));
        });
  }
  wake_.notify_all();
  return {};
}

void EngineLoop::Begin(const JobRef& job, engine::AnswerRequest request) {
  const auto listener = job->listener;
  const auto refuse = [&](Error error) {
    job->engine.reset();
    job->listener.reset();
    Tell([listener, error = std::move(error)] { listener->Refused(error); });
  };
  if (job->cancelled) return refuse({ErrorCode::kCancelled, "the request was cancelled"});
  engine::AnswerSink sink;
  const auto tell_piece = [this, listener](int choice, const engine::AnswerPiece& piece) {
    Tell([listener, choice, text = std::string(piece.text),
          tokens = std::vector(piece.tokens.begin(), piece.tokens.end())] {
      listener->Piece(choice, {.text = text, .tokens = tokens});
    });
  };
  if (listener->wants_pieces()) {
    sink.piece = [tell_piece](int choice, const engine::AnswerPiece& piece) {
      tell_piece(choice, piece);
      return true;
    };
    sink.ended = [this, listener, tell_piece](int choice, const engine::Answer& answer,
                                              const engine::AnswerPiece& rest) {
      if (!rest.tokens.empty()) tell_piece(choice, rest);
      Tell([listener, choice, reason = answer.reason] { listener->Ended(choice, reason); });
    };
  }
  if (listener->wants_progress()) {
    sink.progress = [this, listener](const engine::PromptProgress& progress) {
      Tell([listener, progress] { listener->Progress(progress); });
    };
  }
  // The job is held by its request, so that it lives as long as it may be asked about.
  sink.done = [this, listener, job](std::vector<Result<engine::Answer>> answers) {
    job->id.reset();
    job->engine.reset();
    job->listener.reset();
    auto told = std::make_shared<std::vector<Result<engine::Answer>>>(std::move(answers));
    Tell([listener, told] { listener->Done(std::move(*told)); });
  };
  auto id = job->engine->answers_.Submit(std::move(request), std::move(sink));
  if (!id) return refuse(std::move(id).error());
  job->id = *id;
  Tell([listener] { listener->Accepted(); });
}

namespace {

std::unexpected<Error> HasEnded() {
  return Fail(ErrorCode::kNotFound, "there is no such request, or it has ended");
}

}  // namespace

void EngineLoop::Append(const JobRef& job, std::vector<std::int32_t> tokens, Told done) {
  Push([this, job, tokens = std::move(tokens), done = std::move(done)] {
    Result<void> told = job->id ? job->engine->answers_.Append(*job->id, tokens) : HasEnded();
    Tell([done, told] { done(told); });
  });
}

void EngineLoop::Update(const JobRef& job, std::vector<std::int32_t> tokens, Told done) {
  Push([this, job, tokens = std::move(tokens), done = std::move(done)] {
    Result<void> told = job->id ? job->engine->answers_.Update(*job->id, tokens) : HasEnded();
    Tell([done, told] { done(told); });
  });
}

void EngineLoop::Finish(const JobRef& job, Told done) {
  Push([this, job, done = std::move(done)] {
    Result<void> told = job->id ? job->engine->answers_.Finish(*job->id) : HasEnded();
    Tell([done, told] { done(told); });
  });
}

void EngineLoop::Cancel(const JobRef& job) {
  job->cancelled = true;
  Push([job] {
    if (job->id) job->engine->answers_.RequestCancel(*job->id);
  });
}

void EngineLoop::Tell(Event event) { events_.push_back(std::move(event)); }

// One call on the event loop for all that was said; then, if it is far behind, wait for it.
void EngineLoop::Flush() {
  if (events_.empty()) return;
  const std::size_t count = events_.size();
  std::unique_lock lock(mutex_);
  untaken_ += count;
  lock.unlock();
  post_([this, count, events = std::exchange(events_, {})] {
    for (const Event& event : events) event();
    {
      const std::lock_guard taken(mutex_);
      untaken_ -= count;
    }
    wake_.notify_all();
  });
  lock.lock();
  wake_.wait(lock, [this] { return untaken_ <= kMostEvents || stopping_; });
}

bool EngineLoop::StepAll() {
  bool worked = false;
  for (const auto& engine : engines_) {
    const bool step = engine->answers_.Step(stop_.get_token());
    if (step) engine->Read();
    worked |= step;
  }
  return worked;
}

void EngineLoop::Sleep() {
  // Gauges of what has just ended.
  for (const auto& engine : engines_) engine->Read();
  std::optional<std::int64_t> until;
  for (const auto& engine : engines_) {
    const auto at = engine->answers_.scheduler().WakeNs();
    if (at && (!until || *at < *until)) until = at;
  }
  std::unique_lock lock(mutex_);
  const auto something = [this] { return !commands_.empty() || stopping_; };
  if (!until) return wake_.wait(lock, something);
  const std::int64_t left = *until - SystemClock().NowNs();
  if (left > 0) wake_.wait_for(lock, std::chrono::nanoseconds(left), something);
}

std::int64_t EngineLoop::ObeyAll() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (Command& command : commands) command();
  return static_cast<std::int64_t>(commands.size());
}

void EngineLoop::Run() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    const bool obeyed = ObeyAll() > 0;
    const bool worked = StepAll();
    Flush();
    if (!worked && !obeyed) Sleep();
  }
  engines_.clear();  // schedulers end on the thread that stepped them
}

}  // namespace cairn::server
