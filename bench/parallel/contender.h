// SPDX-License-Identifier: Apache-2.0
// One way to run the loops of STREAM in parallel, for stream_bench.
//
// All contenders are compiled with the same flags and get their pages the same way (page_block.h,
// huge pages where allowed), each touches them first with its own static split, and each binds its
// threads. There are two copies, because a memmove may stream past the caches and a loop of
// ordinary stores may not: comparing one with the other shows a difference that is none of the
// layer's. Threads: one caller; every call is complete when it returns.
#pragma once

#include <cstdint>
#include <memory>

namespace cairn::bench {

struct Arrays {
  double* a = nullptr;
  double* b = nullptr;
  double* c = nullptr;
};

class Contender {
 public:
  virtual ~Contender() = default;
  // Arrays of n elements, a = 1, b = 2, c = 0; false where there is no memory. Called once.
  virtual bool Prepare(std::int64_t n) = 0;
  // The arrays as they stand, for the host to read; valid until the next call.
  virtual Arrays Results() = 0;
  virtual void Probe() = 0;          // a = 2 a
  virtual void CopyLoop() = 0;       // c = a, element by element
  virtual void CopyMemmove() = 0;    // c = a, the library's copy
  virtual void Scale(double s) = 0;  // b = s c
  virtual void Add() = 0;            // c = a + b
  virtual void Triad(double s) = 0;  // a = b + s c
  virtual void Empty() = 0;          // a region with one empty task per thread
};

std::unique_ptr<Contender> MakeCairn(int threads);
// The same code on the loopback device, which is one thread; a launch takes `launch_ns`.
std::unique_ptr<Contender> MakeLoopback(std::int64_t launch_ns);
std::unique_ptr<Contender> MakeOpenMp(int threads);
std::unique_ptr<Contender> MakeThreads(int threads);
std::unique_ptr<Contender> MakeTbb(int threads);

}  // namespace cairn::bench
