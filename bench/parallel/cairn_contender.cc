// SPDX-License-Identifier: Apache-2.0
// STREAM through this project's layer: vectors and loops over one target per processing unit.
#include <optional>

#include "contender.h"
#include "parallel/algorithms.h"
#include "parallel/vector.h"

namespace cairn::bench {
namespace {

using parallel::kPar;

class Cairn : public Contender {
 public:
  explicit Cairn(std::unique_ptr<parallel::Executor> executor) : executor_(std::move(executor)) {}

  Arrays Prepare(std::int64_t n) override {
    const parallel::BlockAllocator<double> allocator(*executor_);
    for (int i = 0; i < 3; ++i) {
      const double value = i == 2 ? 0 : i + 1;
      auto vector = parallel::Vector<double>::Create(allocator, static_cast<std::size_t>(n), value);
      if (!vector) return {};
      vectors_[i].emplace(std::move(*vector));
    }
    return {A().data(), B().data(), C().data()};
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
  parallel::Vector<double>& A() { return *vectors_[0]; }
  parallel::Vector<double>& B() { return *vectors_[1]; }
  parallel::Vector<double>& C() { return *vectors_[2]; }

  std::unique_ptr<parallel::Executor> executor_;
  std::optional<parallel::Vector<double>> vectors_[3];
};

}  // namespace

std::unique_ptr<Contender> MakeCairn(int threads) {
  auto targets = parallel::EachUnit(parallel::ThisMachine());
  if (targets.size() < static_cast<std::size_t>(threads)) return nullptr;
  targets.erase(targets.begin() + threads, targets.end());
  auto executor = parallel::Executor::Create(std::move(targets));
  if (!executor) return nullptr;
  return std::make_unique<Cairn>(std::move(*executor));
}

}  // namespace cairn::bench
