// SPDX-License-Identifier: Apache-2.0
// STREAM as it is written for OpenMP: parallel for with its static schedule.
#include <omp.h>

#include <cstring>

#include "contender.h"
#include "owned_arrays.h"
#include "parallel/executor.h"

namespace cairn::bench {
namespace {

class OpenMp : public Contender {
 public:
  explicit OpenMp(int threads) {
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
    const parallel::Machine machine = parallel::ThisMachine();
    // The runtime keeps its threads, so binding them once is enough.
#pragma omp parallel
    parallel::internal::StayOn(
        {machine.units[static_cast<std::size_t>(omp_get_thread_num()) % machine.units.size()].cpu});
  }
  bool Prepare(std::int64_t n) override {
    n_ = n;
    arrays_ = owned_.Allocate(n);
    if (arrays_.a == nullptr) return false;
    double *a = arrays_.a, *b = arrays_.b, *c = arrays_.c;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n; ++i) {
      a[i] = 1;
      b[i] = 2;
      c[i] = 0;
    }
    return true;
  }
  Arrays Results() override { return arrays_; }
  void Probe() override {
    double* a = arrays_.a;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n_; ++i) a[i] = 2 * a[i];
  }
  void CopyLoop() override {
    const double* a = arrays_.a;
    double* c = arrays_.c;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n_; ++i) c[i] = a[i];
  }
  void CopyMemmove() override {
    const std::int64_t threads = omp_get_max_threads();
#pragma omp parallel for schedule(static)
    for (std::int64_t t = 0; t < threads; ++t) {
      const std::int64_t begin = t * n_ / threads, end = (t + 1) * n_ / threads;
      std::memmove(arrays_.c + begin, arrays_.a + begin,
                   static_cast<std::size_t>(end - begin) * sizeof(double));
    }
  }
  void Scale(double s) override {
    double *b = arrays_.b, *c = arrays_.c;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n_; ++i) b[i] = s * c[i];
  }
  void Add() override {
    double *a = arrays_.a, *b = arrays_.b, *c = arrays_.c;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n_; ++i) c[i] = a[i] + b[i];
  }
  void Triad(double s) override {
    double *a = arrays_.a, *b = arrays_.b, *c = arrays_.c;
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n_; ++i) a[i] = b[i] + s * c[i];
  }
  void Empty() override {
    const int threads = omp_get_max_threads();
#pragma omp parallel for schedule(static)
    for (int t = 0; t < threads; ++t) asm volatile("");
  }

 private:
  OwnedArrays owned_;
  Arrays arrays_;
  std::int64_t n_ = 0;
};

}  // namespace

std::unique_ptr<Contender> MakeOpenMp(int threads) { return std::make_unique<OpenMp>(threads); }

}  // namespace cairn::bench
