// SPDX-License-Identifier: Apache-2.0
// STREAM by hand: threads that stay on their units and meet at std::barrier before and after each
// loop.
#include <barrier>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "contender.h"
#include "owned_arrays.h"
#include "parallel/executor.h"

namespace cairn::bench {
namespace {

class Threads : public Contender {
 public:
  explicit Threads(int threads) : threads_(threads), start_(threads), end_(threads) {
    const parallel::Machine machine = parallel::ThisMachine();
    for (int t = 1; t < threads; ++t) {
      const int cpu = machine.units[static_cast<std::size_t>(t) % machine.units.size()].cpu;
      pool_.emplace_back([this, t, cpu] {
        parallel::internal::StayOn({cpu});
        while (true) {
          start_.arrive_and_wait();
          if (!job_) return;
          job_(t);
          end_.arrive_and_wait();
        }
      });
    }
    parallel::internal::StayOn({machine.units[0].cpu});
  }
  ~Threads() override {
    job_ = nullptr;
    start_.arrive_and_wait();
    for (std::thread& thread : pool_) thread.join();
  }
  bool Prepare(std::int64_t n) override {
    n_ = n;
    arrays_ = owned_.Allocate(n);
    if (arrays_.a == nullptr) return false;
    Loop([](double* a, double* b, double* c, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i) {
        a[i] = 1;
        b[i] = 2;
        c[i] = 0;
      }
    });
    return true;
  }
  Arrays Results() override { return arrays_; }
  void Probe() override {
    Loop([](double* a, double*, double*, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i) a[i] = 2 * a[i];
    });
  }
  void CopyLoop() override {
    Loop([](double* a, double*, double* c, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i) c[i] = a[i];
    });
  }
  void CopyMemmove() override {
    Loop([](double* a, double*, double* c, std::int64_t size) {
      std::memmove(c, a, static_cast<std::size_t>(size) * sizeof(double));
    });
  }
  void Scale(double s) override {
    Loop([s](double*, double* b, double* c, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i) b[i] = s * c[i];
    });
  }
  void Add() override {
    Loop([](double* a, double* b, double* c, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i) c[i] = a[i] + b[i];
    });
  }
  void Triad(double s) override {
    Loop([s](double* a, double* b, double* c, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i) a[i] = b[i] + s * c[i];
    });
  }
  void Empty() override {
    Run([](int) { asm volatile(""); });
  }

 private:
  template <typename F>
  void Run(const F& job) {
    job_ = std::cref(job);
    start_.arrive_and_wait();
    job(0);
    end_.arrive_and_wait();
  }
  template <typename F>
  void Loop(F kernel) {
    Run([this, kernel](int t) {
      const std::int64_t begin = t * n_ / threads_, end = (t + 1) * n_ / threads_;
      kernel(arrays_.a + begin, arrays_.b + begin, arrays_.c + begin, end - begin);
    });
  }

  const std::int64_t threads_;
  std::barrier<> start_, end_;
  std::function<void(int)> job_;
  std::vector<std::thread> pool_;
  OwnedArrays owned_;
  Arrays arrays_;
  std::int64_t n_ = 0;
};

}  // namespace

std::unique_ptr<Contender> MakeThreads(int threads) { return std::make_unique<Threads>(threads); }

}  // namespace cairn::bench
