// SPDX-License-Identifier: Apache-2.0
// STREAM through this project's layer: vectors and loops over one target per processing unit, and
// the same template over the loopback device, with three other types and nothing else.
#include <optional>
#include <vector>

#include "contender.h"
#include "parallel/algorithms.h"
#include "parallel/loopback_executor.h"
#include "parallel/vector.h"

namespace cairn::bench {
namespace {

using parallel::kPar;

struct Processor {
  using Target = std::vector<parallel::Target>;
  using Executor = parallel::Executor;
  template <typename T>
  using Allocator = parallel::BlockAllocator<T>;
};
struct Loopback {
  using Target = std::unique_ptr<parallel::LoopbackDevice>;
  using Executor = parallel::LoopbackExecutor;
  template <typename T>
  using Allocator = parallel::LoopbackAllocator<T>;
};

template <typename Place>
class Layer : public Contender {
 public:
  using Executor = typename Place::Executor;
  using Vector = parallel::Vector<double, typename Place::template Allocator<double>>;

  Layer(typename Place::Target target, std::unique_ptr<Executor> executor)
      : target_(std::move(target)), executor_(std::move(executor)) {}

  bool Prepare(std::int64_t n) override {
    const typename Place::template Allocator<double> allocator(*executor_);
    for (int i = 0; i < 3; ++i) {
      const double value = i == 2 ? 0 : i + 1;
      auto vector = Vector::Create(allocator, static_cast<std::size_t>(n), value);
      if (!vector) return false;
      vectors_[i].emplace(std::move(*vector));
    }
    return true;
  }
  Arrays Results() override {
    for (int i = 0; i < 3; ++i) {
      results_[i].resize(vectors_[i]->size());
      Copy(kPar.On(*executor_), vectors_[i]->begin(), vectors_[i]->end(), results_[i].begin());
    }
    return {results_[0].data(), results_[1].data(), results_[2].data()};
  }
  void Probe() override {
    Transform(kPar.On(*executor_), A().begin(), A().end(), A().begin(),
              [](double x) { return 2 * x; });
  }
  void CopyLoop() override {
    Transform(kPar.On(*executor_), A().begin(), A().end(), C().begin(), [](double x) { return x; });
  }
  void CopyMemmove() override { Copy(kPar.On(*executor_), A().begin(), A().end(), C().begin()); }
  void Scale(double s) override {
    Transform(kPar.On(*executor_), C().begin(), C().end(), B().begin(),
              [s](double x) { return s * x; });
  }
  void Add() override {
    Transform(kPar.On(*executor_), A().begin(), A().end(), B().begin(), C().begin(),
              [](double x, double y) { return x + y; });
  }
  void Triad(double s) override {
    Transform(kPar.On(*executor_), B().begin(), B().end(), C().begin(), A().begin(),
              [s](double x, double y) { return x + s * y; });
  }
  void Empty() override {
    ForEachIndex(kPar.On(*executor_), executor_->workers(), [](std::int64_t) { asm volatile(""); });
  }

 private:
  Vector& A() { return *vectors_[0]; }
  Vector& B() { return *vectors_[1]; }
  Vector& C() { return *vectors_[2]; }

  typename Place::Target target_;  // outlives what is built on it
  std::unique_ptr<Executor> executor_;
  std::optional<Vector> vectors_[3];
  std::vector<double> results_[3];
};

}  // namespace

std::unique_ptr<Contender> MakeCairn(int threads) {
  auto targets = parallel::EachUnit(parallel::ThisMachine());
  if (targets.size() < static_cast<std::size_t>(threads)) return nullptr;
  targets.erase(targets.begin() + threads, targets.end());
  auto executor = parallel::Executor::Create(targets);
  if (!executor) return nullptr;
  return std::make_unique<Layer<Processor>>(std::move(targets), std::move(*executor));
}

std::unique_ptr<Contender> MakeLoopback(std::int64_t launch_ns) {
  auto device = parallel::LoopbackDevice::Create(
      {.memory_bytes = std::size_t{1} << 40, .costs = {.launch_ns = launch_ns}});
  if (!device) return nullptr;
  auto executor = std::make_unique<parallel::LoopbackExecutor>(**device);
  return std::make_unique<Layer<Loopback>>(std::move(*device), std::move(executor));
}

}  // namespace cairn::bench
