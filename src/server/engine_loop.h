// SPDX-License-Identifier: Apache-2.0
// The engine loop: one thread that owns the engines of all loaded models and steps them in turn.
//
// The event loop and it meet in two queues. Commands (submit, append, cancel, ...) go in and take
// effect between two steps; what answers say comes out once a step, as one call on the event loop.
// Both are bounded: a submission past the first bound is kBusy, and past the second the engine
// waits until the event loop has taken what is there.
// Threads: members from any thread; listeners are called on the event loop alone.
// Owns: the thread, and each engine from Add to Remove.
// Test: engine_loop_test.cc.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/answers.h"
#include "server/metrics.h"

namespace cairn::server {

// Hears what becomes of a request. On the event loop: one of Refused or Accepted; after Accepted
// pieces, the end of each choice, and Done as the last call. After Cancel it may still hear what
// was under way.
class AnswerListener {
 public:
  virtual ~AnswerListener() = default;
  virtual void Refused(const Error& error) = 0;  // those of Answers::Submit
  virtual void Accepted() = 0;
  // Whether pieces and ends are told; else only the whole, in Done.
  virtual bool wants_pieces() const { return true; }
  // Text may be empty where tokens are not (engine/answer.h).
  virtual void Piece(int choice, const engine::AnswerPiece& piece) = 0;
  // The choice has ended, and has not failed.
  virtual void Ended(int /*choice*/, engine::FinishReason /*reason*/) {}
  // For one that wants it: how far the prompt's computation has come.
  virtual bool wants_progress() const { return false; }
  virtual void Progress(const engine::PromptProgress& /*progress*/) {}
  virtual void Done(std::vector<Result<engine::Answer>> answers) = 0;
};

// What a loaded model does, as of its last step.
struct EngineReading {
  engine::SchedulerCounters scheduler;
  kv::KvUse kv;
  kv::PrefixCounters cache;
  Histogram step_rows{kRows};  // rows of each step: of prompts, answers and proposals
};

// An engine and its answers. Made anywhere, then touched by the engine loop alone.
class HostedEngine {
 public:
  HostedEngine(std::unique_ptr<engine::Engine> engine, const engine::SchedulerOptions& options)
      : engine_(std::move(engine)), answers_(*engine_, options) {}

  // Constant: from any thread.
  const model::Model& model() const { return engine_->model(); }
  std::int64_t context() const { return engine_->context(); }
  const engine::Engine& engine() const { return *engine_; }

  EngineReading reading() const {
    const std::lock_guard lock(mutex_);
    return reading_;
  }

 private:
  friend class EngineLoop;
  void Read();  // after each step

  std::unique_ptr<engine::Engine> engine_;
  engine::Answers answers_;
  mutable std::mutex mutex_;  // guards reading_
  EngineReading reading_;
};

class EngineLoop {
 public:
  // Most submissions that have not reached a scheduler, and most events that the event loop has not
  // taken. The scheduler's own queue comes behind the first.
  static constexpr std::size_t kMostCommands = 1024;
  static constexpr std::size_t kMostEvents = 16'384;

  // A request on its way; what is asked about it later names it.
  struct Job;
  using JobRef = std::shared_ptr<Job>;
  // Runs a function on the event loop, soon, in the order of the calls.
  using Post = std::function<void(std::function<void()>)>;

  explicit EngineLoop(Post post);
  ~EngineLoop();  // requests that are left are cancelled; nobody hears of it
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  void Add(std::shared_ptr<HostedEngine> engine);
  // Its requests are cancelled first. The engine goes on the engine loop's thread, unless others
  // hold it.
  void Remove(std::shared_ptr<HostedEngine> engine);

  static JobRef NewJob();
  // Errors: kBusy. The rest is told to the listener.
  [[nodiscard]] Result<void> Submit(const JobRef& job, std::shared_ptr<HostedEngine> engine,
                                    engine::AnswerRequest request,
                                    std::shared_ptr<AnswerListener> listener);
  // As Answers'. `done` hears on the event loop whether it worked.
  using Told = std::function<void(Result<void>)>;
  void Append(const JobRef& job, std::vector<std::int32_t> tokens, Told done);
  void Update(const JobRef& job, std::vector<std::int32_t> tokens, Told done);
  void Finish(const JobRef& job, Told done);
  // Before the next step its memory is free. Also before Submit: then it is refused.
  void Cancel(const JobRef& job);

 private:
  using Command = std::function<void()>;
  using Event = std::function<void()>;

  void Push(Command command);
  void Run();
  std::int64_t ObeyAll();
  void Begin(const JobRef& job, engine::AnswerRequest request);
  void Tell(Event event);
  void Flush();
  bool StepAll();
  void Sleep();

  const Post post_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Command> commands_;
  std::size_t submissions_ = 0;  // among commands_
  std::size_t untaken_ = 0;      // events that the event loop has not taken
  bool stopping_ = false;
  std::stop_source stop_;

  // The engine loop's own.
  std::vector<std::shared_ptr<HostedEngine>> engines_;
  std::vector<Event> events_;

  std::thread thread_;  // last: it uses the rest
};

}  // namespace cairn::server
