// SPDX-License-Identifier: Apache-2.0
// Ctrl-C in the chat: stops the answer, clears the line, leaves while nothing else can be meant.
//
// SIGINT, SIGTERM and SIGHUP are blocked in every thread and read by one thread of this object, so
// that what they do is ordinary code. Make it before other threads exist: they inherit the mask.
// Threads: its own; members are called by the main thread.
// Owns: the thread, two descriptors, and the signal mask until it goes.
#pragma once

#include <signal.h>
#include <termios.h>

#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

namespace cairn::apps {

class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // From here on Ctrl-C makes typing_descriptor() readable (as before the first call it ends the
  // program).
  void BeginTyping();
  // From here on Ctrl-C requests a stop of the token returned.
  std::stop_token BeginAnswer();

  // Readable when Ctrl-C came while typing; Clear takes it back.
  int typing_descriptor() const { return typed_; }
  void Clear();

 private:
  enum class Mode { kStarting, kTyping, kAnswering };
  void Watch(int signals);
  void OnSignal(int signal);

  sigset_t before_;
  std::optional<termios> terminal_;  // put back before a signal ends the program
  int typed_ = -1;                   // eventfd: Ctrl-C while typing
  int leave_ = -1;                   // eventfd: ends the thread
  std::mutex mutex_;                 // guards mode_ and stop_
  Mode mode_ = Mode::kStarting;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace cairn::apps
