// SPDX-License-Identifier: Apache-2.0
#include "apps/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/check.h"

namespace cairn::apps {
namespace {

constexpr int kSignalBase = 128;  // a shell's exit code of a program that a signal ended

void Raise(int event) {
  const std::uint64_t one = 1;
  CAIRN_CHECK(write(event, &one, sizeof one) == sizeof one);
}

}  // namespace

Interrupts::Interrupts() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  termios terminal;
  if (tcgetattr(STDIN_FILENO, &terminal) == 0) terminal_ = terminal;
  struct sigaction stopping;
  if (terminal_ && sigaction(SIGTSTP, nullptr, &stopping) == 0 && stopping.sa_handler == SIG_DFL) {
    sigaddset(&set, SIGTSTP);
  }
  pthread_sigmask(SIG_BLOCK, &set, &before_);
  typed_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  leave_ = eventfd(0, EFD_CLOEXEC);
  const int signals = signalfd(-1, &set, SFD_CLOEXEC);
  CAIRN_CHECK(typed_ >= 0 && leave_ >= 0 && signals >= 0);
  thread_ = std::thread([this, signals] { Watch(signals); });
}

Interrupts::~Interrupts() {
  Raise(leave_);
  thread_.join();
  close(typed_);
  close(leave_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Interrupts::BeginWaiting() {
  const std::lock_guard lock(mutex_);
  mode_ = Mode::kWaiting;
}

void Interrupts::BeginTyping() {
  TakeEvent();
  const std::lock_guard lock(mutex_);
  mode_ = Mode::kTyping;
}

std::stop_token Interrupts::BeginAnswer() {
  const std::lock_guard lock(mutex_);
  mode_ = Mode::kAnswering;
  stop_ = std::stop_source();
  return stop_.get_token();
}

Interrupts::Event Interrupts::TakeEvent() {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  // Nothing to read is fine: nothing happened.
  if (read(typed_, &count, sizeof count) < 0) return Event::kNone;
  return std::exchange(event_, Event::kNone);
}

void Interrupts::Watch(int signals) {
  while (true) {
    pollfd ready[2] = {{signals, POLLIN, 0}, {leave_, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) continue;
    if (ready[1].revents != 0) break;
    signalfd_siginfo info;
    if (read(signals, &info, sizeof info) == sizeof info)
      OnSignal(static_cast<int>(info.ssi_signo));
  }
  close(signals);
}

void Interrupts::OnSignal(int signal) {
  if (signal == SIGTSTP) Suspend();
  const std::lock_guard lock(mutex_);
  if (signal == SIGTSTP || (signal == SIGINT && mode_ == Mode::kTyping)) {
    if (mode_ != Mode::kTyping) return;
    event_ = signal == SIGTSTP ? Event::kResumed : Event::kInterrupted;
    Raise(typed_);
  } else if (signal == SIGINT && mode_ == Mode::kAnswering) {
    stop_.request_stop();
  } else {
    if (terminal_) tcsetattr(STDIN_FILENO, TCSANOW, &*terminal_);
    _exit(kSignalBase + signal);
  }
}

// Stops the process as Ctrl-Z does and returns when it goes on.
void Interrupts::Suspend() {
  termios ours;
  const bool known = terminal_ && tcgetattr(STDIN_FILENO, &ours) == 0;
  if (known) tcsetattr(STDIN_FILENO, TCSADRAIN, &*terminal_);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTSTP);
  raise(SIGTSTP);  // pending for this thread until it is let through; then the whole process stops
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (known) tcsetattr(STDIN_FILENO, TCSADRAIN, &ours);
}

}  // namespace cairn::apps
