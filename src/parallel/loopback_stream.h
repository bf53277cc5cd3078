// SPDX-License-Identifier: Apache-2.0
// A stream of the loopback device (loopback_device.h): a queue of commands and the one worker
// thread that does them, in the order in which they came. Two streams know no order between them.
//
// A command that throws puts the stream in error. Later commands may need what it should have
// done, so they are passed over until Synchronize has handed the exception to a waiter; then the
// stream takes work again. Callbacks and work marked kAlways are done in spite of an error.
// Time is injected: a launch and a byte of a transfer cost what LoopbackCosts says, before the
// work is done.
// Threads: every member from any thread, except that what waits (Wait, Synchronize, the
//   destructor) must not be called by the stream's own worker. Owns: its thread.
// Errors: exceptions of commands, thrown as failures.h says; std::bad_alloc where a command cannot
//   be queued.
// Cost: a command takes memory for its closure, and two thread switches when waited for.
// Sheet: 07, "Faithful CPU reproduction" (b).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace cairn::parallel {

class LoopbackDevice;

struct LoopbackCosts {
  std::int64_t launch_ns = 0;  // of every kernel and every transfer
  std::int64_t byte_ps = 0;    // picoseconds per byte of a transfer
  // Lets `ns` pass, on the stream's worker. Empty: the worker waits so long. Must not throw.
  std::function<void(std::int64_t ns)> pass;
};

class LoopbackStream {
 public:
  enum class When { kUnlessFailed, kAlways };

  // Errors: kLimit where the system has no thread left. `owner` must outlive the stream.
  [[nodiscard]] static Result<std::unique_ptr<LoopbackStream>> Create(const LoopbackDevice& owner,
                                                                      LoopbackCosts costs);
  // Does what is queued first; an exception that nobody has taken is dropped.
  ~LoopbackStream();
  LoopbackStream(const LoopbackStream&) = delete;
  LoopbackStream& operator=(const LoopbackStream&) = delete;

  // Queues a kernel. It counts as worker 0 of a bulk operation (CurrentWorker).
  void Launch(std::move_only_function<void()> kernel, When when = When::kUnlessFailed);
  // Queues a copy; the ranges may overlap and must stay valid until it is done. Addresses are those
  // that the worker uses (LoopbackDevice::Local).
  void Transfer(void* to, const void* from, std::size_t bytes);
  // Queues f(error): null, or what put the stream in error. Costs nothing.
  void Callback(std::move_only_function<void(const std::exception_ptr&)> f);
  // Ready when everything queued so far is done; holds the stream's error then. By a callback.
  [[nodiscard]] std::future<void> Reached();

  // Returns when everything queued so far is done. An error stays with the stream.
  void Wait();
  // Waits, takes the stream out of its error and throws it.
  void Synchronize();

  // The stream whose worker this thread is, or null.
  static const LoopbackStream* Current();
  const LoopbackDevice& owner() const { return owner_; }

 private:
  using Command = std::move_only_function<void(const std::exception_ptr&)>;

  LoopbackStream(const LoopbackDevice& owner, LoopbackCosts costs)
      : owner_(owner), costs_(std::move(costs)) {}
  void Queue(Command command);
  void Work();
  void Pass(std::int64_t ns) const;

  const LoopbackDevice& owner_;
  const LoopbackCosts costs_;
  std::mutex mutex_;
  std::condition_variable came_, done_;
  std::deque<Command> commands_;    // guarded by mutex_, as what follows
  std::uint64_t queued_count_ = 0;  // since the beginning
  std::uint64_t done_count_ = 0;
  std::exception_ptr error_;
  bool stopping_ = false;
  std::thread worker_;
};

}  // namespace cairn::parallel
