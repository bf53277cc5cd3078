// SPDX-License-Identifier: Apache-2.0
// Ctrl-C in run and chat: stops the answer, clears the line, ends the program while nothing else
// can be meant. Ctrl-Z: the shell finds its terminal as it was, and after `fg` the chat finds its
// own.
//
// SIGINT, SIGTERM, SIGHUP and SIGTSTP are blocked in every thread and read by one thread of this
// object, so that what they do is ordinary code. Make it before other threads exist: they inherit
// the mask; and after child processes, which would inherit it too.
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

  // From here on Ctrl-C ends the program, as before the first call of any of these.
  void BeginWaiting();
  // From here on Ctrl-C makes typing_descriptor() readable, and so does coming back from Ctrl-Z.
  // Forgets what came before.
  void BeginTyping();
  // From here on Ctrl-C requests a stop of the token returned.
  std::stop_token BeginAnswer();

  enum class Event { kNone, kInterrupted, kResumed };
  int typing_descriptor() const { return typed_; }
  // What made the descriptor readable; it is readable again only when something else comes.
  Event TakeEvent();

 private:
  enum class Mode { kWaiting, kTyping, kAnswering };
  void Watch(int signals);
  void OnSignal(int signal);
  void Suspend();

  sigset_t before_;
  std::optional<termios> terminal_;  // put back before a signal ends the program
  int typed_ = -1;                   // eventfd: something happened while typing
  int leave_ = -1;                   // eventfd: ends the thread
  std::mutex mutex_;                 // guards mode_, event_ and stop_
  Mode mode_ = Mode::kWaiting;
  Event event_ = Event::kNone;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace cairn::apps
