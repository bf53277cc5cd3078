// SPDX-License-Identifier: Apache-2.0
// The example of docs/parallel.md, as it stands there.
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/algorithms.h"
#include "parallel/algorithms_reduce.h"
#include "parallel/vector.h"

namespace cairn {
namespace {

Result<double> Norm(std::size_t n) {
  using namespace parallel;
  // One target per memory node that this process may use, its workers pinned.
  const auto executor = OR_RETURN(Executor::Create(NumaDomains(ThisMachine())));
  // Every page is touched first by the worker that will read it.
  const BlockAllocator<float> allocator(*executor);
  auto x = OR_RETURN(Vector<float>::Create(allocator, n, 2.0f));
  Transform(kPar.On(*executor), x.begin(), x.end(), x.begin(), [](float v) { return 1 + v; });
  // The same bits for any number of workers, in chunks of uneven size or not.
  return std::sqrt(TransformReduce(kPar.On(*executor).With(GuidedChunk{64}), x.begin(), x.end(),
                                   0.0, std::plus<>(), [](float v) { return double{v} * v; }));
}

TEST(ParallelExampleTest, GivesTheNormOfThrees) {
  for (const std::size_t n : {0, 1, 100'000}) {
    const auto norm = Norm(n);
    ASSERT_TRUE(norm.has_value()) << norm.error().message;
    EXPECT_NEAR(*norm, 3 * std::sqrt(static_cast<double>(n)), 1e-9);
  }
}

}  // namespace
}  // namespace cairn
