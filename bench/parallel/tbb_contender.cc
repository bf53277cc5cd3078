// SPDX-License-Identifier: Apache-2.0
// STREAM through the standard's parallel algorithms, which run on TBB with this compiler.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <execution>
#include <numeric>
#include <vector>

#include "contender.h"
#include "owned_arrays.h"
#include "parallel/executor.h"

namespace cairn::bench {
namespace {

// Binds each thread as it joins.
class Binder : public tbb::task_scheduler_observer {
 public:
  Binder() : machine_(parallel::ThisMachine()) { observe(true); }
  ~Binder() override { observe(false); }
  void on_scheduler_entry(bool) override {
    const auto slot = static_cast<std::size_t>(tbb::this_task_arena::current_thread_index());
    parallel::internal::StayOn({machine_.units[slot % machine_.units.size()].cpu});
  }

 private:
  const parallel::Machine machine_;
};

class Tbb : public Contender {
 public:
  explicit Tbb(int threads)
      : control_(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads)),
        tasks_(static_cast<std::size_t>(threads)) {
    std::iota(tasks_.begin(), tasks_.end(), 0);
  }
  bool Prepare(std::int64_t n) override {
    n_ = n;
    arrays_ = owned_.Allocate(n);
    if (arrays_.a == nullptr) return false;
    std::fill(kUnseq, arrays_.a, arrays_.a + n, 1.0);
    std::fill(kUnseq, arrays_.b, arrays_.b + n, 2.0);
    std::fill(kUnseq, arrays_.c, arrays_.c + n, 0.0);
    return true;
  }
  Arrays Results() override { return arrays_; }
  void Probe() override {
    std::transform(kUnseq, arrays_.a, arrays_.a + n_, arrays_.a, [](double x) { return 2 * x; });
  }
  void CopyLoop() override {
    std::transform(kUnseq, arrays_.a, arrays_.a + n_, arrays_.c, [](double x) { return x; });
  }
  void CopyMemmove() override { std::copy(kUnseq, arrays_.a, arrays_.a + n_, arrays_.c); }
  void Scale(double s) override {
    std::transform(kUnseq, arrays_.c, arrays_.c + n_, arrays_.b, [s](double x) { return s * x; });
  }
  void Add() override {
    std::transform(kUnseq, arrays_.a, arrays_.a + n_, arrays_.b, arrays_.c,
                   [](double x, double y) { return x + y; });
  }
  void Triad(double s) override {
    std::transform(kUnseq, arrays_.b, arrays_.b + n_, arrays_.c, arrays_.a,
                   [s](double x, double y) { return x + s * y; });
  }
  void Empty() override {
    std::for_each(kUnseq, tasks_.begin(), tasks_.end(), [](int) { asm volatile(""); });
  }

 private:
  static constexpr auto& kUnseq = std::execution::par_unseq;

  tbb::global_control control_;
  Binder binder_;
  std::vector<int> tasks_;
  OwnedArrays owned_;
  Arrays arrays_;
  std::int64_t n_ = 0;
};

}  // namespace

std::unique_ptr<Contender> MakeTbb(int threads) { return std::make_unique<Tbb>(threads); }

}  // namespace cairn::bench
