// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <fmt/format.h>
#include <cmath>
#include "testing/engine_helpers.h"
#include "testing/reference.h"

namespace cairn::engine {
namespace {
using Rows = std::vector<std::vector<double>>;
double Distance(const auto& a, const auto& b) {
  double s = 0; std::size_t n = 0;
  for (std::size_t r = 0; r < a.size(); ++r)
    for (std::size_t i = 0; i < a[r].size(); ++i, ++n) s += (a[r][i]-b[r][i])*(a[r][i]-b[r][i]);
  return std::sqrt(s / static_cast<double>(n));
}
TEST(ReferenceAgreementTest, Explore) {
  for (const auto& spec : testing::AllTinySpecs()) {
    const testing::TinyModel tiny(spec);
    const auto tokens = testing::RandomTokens(*tiny.model(), 80, 3);
    Rows exact(tokens.size()), lossy(tokens.size());
    auto run = [&](bool l, Rows& out) {
      auto rep = testing::RunReference(tiny.model()->program(), tiny.model()->gguf(), tokens, 80, {.threads=2,.canonical_losses = l},
        [&](int r, std::span<const double> x) { out[static_cast<std::size_t>(r)].assign(x.begin(), x.end()); });
      return *rep;
    };
    auto rep = run(false, exact); run(true, lossy);
    auto engine = testing::MakeEngine(tiny.model());
    auto got = testing::LogitsOf(*engine, tokens);
    double sd = 0; std::size_t n = 0;
    for (auto& r : exact) for (double x : r) sd += x * x, ++n;
    sd = std::sqrt(sd / static_cast<double>(n));
    std::vector<double> d1;
    for (std::size_t r = 0; r < 80; ++r) d1.push_back(Distance(std::vector{lossy[r]}, std::vector{got[r]})/sd);
    std::vector<double> late(d1.begin()+40, d1.end());
    std::sort(d1.begin(), d1.end()); std::sort(late.begin(), late.end());
    fmt::print("   rows min {:.7f} q25 {:.7f} med {:.7f}  late min {:.7f} q10 {:.7f} q25 {:.7f} med {:.7f}\n", d1[0], d1[20], d1[40], late[0], late[4], late[10], late[20]);
    fmt::print("{:24} std {:.3f} loss {:.6f} canon-ref {:.6f} canon-lossy {:.7f} predicted {:.6f} n {}\n", testing::NameOf(spec), sd,
      Distance(exact, lossy)/sd, Distance(exact, got)/sd, Distance(lossy, got)/sd, std::sqrt(rep.activation_noise), rep.quantised_matmuls);
  }
}
}  // namespace
}  // namespace cairn::engine
