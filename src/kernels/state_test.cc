// SPDX-License-Identifier: Apache-2.0
// Convolutions and walks of states against their formulas (rows_ref.h), to the bit.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/rows_ref.h"

namespace cairn::kernels {
namespace {

std::vector<float> Values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

class StateTest : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels = KernelsFor(GetParam());
};

void ExpectSameBits(float got, float want) {
  ASSERT_EQ(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(want))
      << got << " and " << want;
}

TEST_P(StateTest, ConvolveEqualsTheFormula) {
  constexpr float kGuard = -12345.0f;
  for (const int taps : {1, 2, 3, 4, 7}) {
    for (const int n : {1, 5, 15, 16, 17, 40, 64, 100}) {
      const std::ptrdiff_t stride = (n + 15) / 16 * 16;
      const auto x = Values(static_cast<std::size_t>(taps * n), 1);
      const auto w = Values(static_cast<std::size_t>(taps * stride), 2);
      const auto bias = Values(static_cast<std::size_t>(n), 3);
      std::vector<const float*> rows;
      for (int j = 0; j < taps; ++j) rows.push_back(x.data() + j * n);
      for (const float* b : {static_cast<const float*>(nullptr), bias.data()}) {
        std::vector<float> y(static_cast<std::size_t>(n) + 1, kGuard);
        kernels.convolve(rows.data(), w.data(), stride, b, taps, n, y.data());
        for (int i = 0; i < n; ++i) {
          std::vector<float> of_x, of_w;
          for (int j = 0; j < taps; ++j) {
            of_x.push_back(x[static_cast<std::size_t>(j * n + i)]);
            of_w.push_back(w[static_cast<std::size_t>(j * stride + i)]);
          }
          ExpectSameBits(y[static_cast<std::size_t>(i)],
                         ref::Convolved(of_x.data(), of_w.data(), b == nullptr ? b : b + i, taps));
        }
        EXPECT_EQ(y.back(), kGuard);
      }
    }
  }
}

// A block of channels over a few rows, beside the formula channel by channel.
enum class Rule { kHead, kApart, kDelta };
class Walk {
 public:
  Walk(int channels, int size, Rule rule)
      : channels_(channels),
        size_(size),
        apart_(rule == Rule::kApart),
        delta_(rule == Rule::kDelta),
        x_(Values(static_cast<std::size_t>(kRows * channels), 1)),
        dt_(Values(static_cast<std::size_t>(kRows * channels), 2)),
        b_(Values(static_cast<std::size_t>(kRows * size), 3)),
        c_(Values(static_cast<std::size_t>(kRows * size), 4)),
        rate_(Values(static_cast<std::size_t>(channels * size), 5)),
        skip_(Values(static_cast<std::size_t>(channels), 6)),
        share_(Values(kRows, 8)),
        out_(static_cast<std::size_t>(kRows * channels)) {
    for (float& dt : dt_) dt = ref::Softplus(dt);
    for (float& rate : rate_) rate = -ref::Softplus(3 * rate);
    for (float& share : share_) share = ref::Sigmoid(share);
  }

  ScanView ViewFrom(int row) {
    return {.x = {x_.data() + row * channels_, channels_},
            .dt = {dt_.data() + row * channels_, channels_},
            .b = {b_.data() + row * size_, size_},
            .c = {c_.data() + row * size_, size_},
            .share = delta_ ? ConstRowsView(share_.data() + row, 1) : ConstRowsView(),
            .out = {out_.data() + row * channels_, channels_},
            .rate = rate_.data(),
            .rate_stride = channels_,
            .skip = skip_.data(),
            .channels = channels_,
            .size = size_,
            .apart = apart_};
  }

  void ExpectFormula(const std::vector<float>& begin, const std::vector<float>& end) const {
    for (int ch = 0; ch < channels_; ++ch) {
      std::vector<float> state, rate;
      for (int n = 0; n < size_; ++n) {
        state.push_back(At(begin, n, ch));
        rate.push_back(apart_ ? At(rate_, n, ch) : rate_[0]);
      }
      for (int r = 0; r < kRows; ++r) {
        const float *b = b_.data() + r * size_, *c = c_.data() + r * size_;
        const float dt = At(dt_, r, apart_ ? ch : 0);
        const float y = delta_ ? ref::WalkedByDelta(At(x_, r, ch), dt, rate_[0],
                                                    share_[static_cast<std::size_t>(r)], b, c,
                                                    size_, state.data())
                               : ref::Walked(At(x_, r, ch), dt, rate.data(), b, c,
                                             skip_[static_cast<std::size_t>(apart_ ? ch : 0)],
                                             size_, state.data());
        ExpectSameBits(At(out_, r, ch), y);
      }
      for (int n = 0; n < size_; ++n) {
        ExpectSameBits(At(end, n, ch), state[static_cast<std::size_t>(n)]);
      }
    }
  }

  static constexpr int kRows = 5;

 private:
  float At(const std::vector<float>& v, int row, int channel) const {
    return v[static_cast<std::size_t>(row * channels_ + channel)];
  }

  int channels_, size_;
  bool apart_, delta_;
  std::vector<float> x_, dt_, b_, c_, rate_, skip_, share_, out_;
};

TEST_P(StateTest, AWalkEqualsTheFormulaAtOnceAndRowByRow) {
  for (const Rule rule : {Rule::kHead, Rule::kApart, Rule::kDelta}) {
    for (const int channels : {16, 32, 48, 64, 80, 128}) {
      for (const int size : {1, 16, 33}) {
        SCOPED_TRACE(testing::Message()
                     << static_cast<int>(rule) << " " << channels << " " << size);
        const auto begin = Values(static_cast<std::size_t>(channels * size), 7);
        std::vector<float> end(begin.size());
        Walk walk(channels, size, rule);
        kernels.scan(walk.ViewFrom(0), Walk::kRows, begin.data(), end.data());
        walk.ExpectFormula(begin, end);
        std::vector<float> state = begin;
        Walk again(channels, size, rule);
        for (int r = 0; r < Walk::kRows; ++r) {
          kernels.scan(again.ViewFrom(r), 1, state.data(), state.data());
        }
        again.ExpectFormula(begin, state);
      }
    }
  }
}

TEST_P(StateTest, AWalkThatBeginsWithNothingBeginsWithZeros) {
  for (const Rule rule : {Rule::kHead, Rule::kDelta}) {
    const std::vector<float> zeros(64 * 16);
    std::vector<float> end(zeros.size(), 5.0f);
    Walk walk(64, 16, rule);
    kernels.scan(walk.ViewFrom(0), Walk::kRows, nullptr, end.data());
    walk.ExpectFormula(zeros, end);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, StateTest, testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace cairn::kernels
