// SPDX-License-Identifier: Apache-2.0
#include "parallel/loopback_stream.h"

#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "parallel/executor.h"
#include "parallel/failures.h"

namespace cairn::parallel {
namespace {

thread_local constinit const LoopbackStream* current_stream = nullptr;

}  // namespace

const LoopbackStream* LoopbackStream::Current() { return current_stream; }

Result<std::unique_ptr<LoopbackStream>> LoopbackStream::Create(const LoopbackDevice& owner,
                                                               LoopbackCosts costs) {
  std::unique_ptr<LoopbackStream> stream(new LoopbackStream(owner, std::move(costs)));
  try {
    stream->worker_ = std::thread([raw = stream.get()] { raw->Work(); });
  } catch (const std::system_error&) {
    return Fail(ErrorCode::kLimit, "the system has no thread left for a stream");
  }
  return stream;
}

LoopbackStream::~LoopbackStream() {
  if (!worker_.joinable()) return;
  CAIRN_CHECK(Current() != this);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  came_.notify_one();
  worker_.join();
}

void LoopbackStream::Launch(std::move_only_function<void()> kernel, When when) {
  Queue([this, when, kernel = std::move(kernel)](const std::exception_ptr& error) mutable {
    if (error && when == When::kUnlessFailed) return;
    Pass(costs_.launch_ns);
    const internal::WorkerScope scope(0);
    kernel();
  });
}

void LoopbackStream::Transfer(void* to, const void* from, std::size_t bytes) {
  Queue([=, this](const std::exception_ptr& error) {
    if (error) return;
    Pass(costs_.launch_ns + static_cast<std::int64_t>(bytes) * costs_.byte_ps / 1000);
    if (bytes > 0) std::memmove(to, from, bytes);
  });
}

void LoopbackStream::Callback(std::move_only_function<void(const std::exception_ptr&)> f) {
  Queue(std::move(f));
}

std::future<void> LoopbackStream::Reached() {
  std::promise<void> promise;
  std::future<void> future = promise.get_future();
  Callback([promise = std::move(promise)](const std::exception_ptr& error) mutable {
    error ? promise.set_exception(error) : promise.set_value();
  });
  return future;
}

void LoopbackStream::Wait() {
  CAIRN_CHECK(Current() != this);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this, until = queued_count_] { return done_count_ >= until; });
}

void LoopbackStream::Synchronize() {
  Wait();
  std::exception_ptr error;
  {
    const std::lock_guard lock(mutex_);
    error = std::exchange(error_, nullptr);
  }
  if (!error) return;
  Failures failures;
  failures.Guard(0, [&] { std::rethrow_exception(error); });
  failures.Throw();
}

void LoopbackStream::Queue(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
    ++queued_count_;
  }
  came_.notify_one();
}

void LoopbackStream::Work() {
  current_stream = this;
  std::unique_lock lock(mutex_);
  while (true) {
    came_.wait(lock, [this] { return stopping_ || !commands_.empty(); });
    if (commands_.empty()) return;
    Command command = std::move(commands_.front());
    commands_.pop_front();
    const std::exception_ptr before = error_;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      command(before);
    } catch (...) {
      thrown = std::current_exception();
    }
    command = nullptr;  // what it holds is gone before a waiter goes on
    lock.lock();
    if (thrown && !error_) error_ = std::move(thrown);
    ++done_count_;
    done_.notify_all();
  }
}

void LoopbackStream::Pass(std::int64_t ns) const {
  if (ns <= 0) return;
  if (costs_.pass) return costs_.pass(ns);
  // A sleep ends some 60 us late: it takes the long part, a loop the rest.
  constexpr std::int64_t kLate = 200'000;
  const SystemClock clock;
  const std::int64_t end = clock.NowNs() + ns;
  if (ns > kLate) std::this_thread::sleep_for(std::chrono::nanoseconds(ns - kLate));
  while (clock.NowNs() < end) {
  }
}

}  // namespace cairn::parallel
