// SPDX-License-Identifier: Apache-2.0
// Logits depend on the model and the tokens alone (docs/canonical.md): equal to the bit over
// instruction sets, threads, chunks, company and history. The models are tiny; real ones are proved
// by tests/prove and `make prove`.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <ranges>

#include "testing/engine_helpers.h"

namespace cairn::engine {
namespace {

using testing::LogitRows;
using testing::MakeEngine;
using testing::MakeSequence;
using testing::RandomTokens;
using testing::SameBytes;
using testing::TinyModel;
using testing::TinySpec;

constexpr int kTokens = 150;  // over two tiles of positions, and past every window

// Both architectures, the kinds of arithmetic: float, int8, int8 with minima, K blocks; experts
// among which rows choose; and states.
std::vector<TinySpec> FewSpecs() {
  std::vector<TinySpec> specs;
  for (const TinySpec& spec : testing::AllTinySpecs()) {
    const bool llama = spec.architecture == "llama";
    using tensor::Format;
    if (spec.format == (llama ? Format::kF16 : Format::kBF16) ||
        spec.format == (llama ? Format::kQ4_1 : Format::kQ8_0) || spec.format == Format::kQ4_K ||
        (!llama && spec.format == Format::kQ6_K)) {
      specs.push_back(spec);
    }
  }
  using tensor::Format;
  for (const Format format : {Format::kF32, Format::kQ4_K}) {
    specs.push_back({.format = format, .experts = 7, .experts_used = 2, .seed = 5});
  }
  specs.push_back({.architecture = "granitehybrid", .format = Format::kF32, .tied = false});
  return specs;
}

LogitRows Reference(const TinyModel& tiny, std::span<const std::int32_t> tokens) {
  const auto engine =
      MakeEngine(tiny.model(), {.threads = 1, .isa = kernels::Isa::kPortable, .step_rows = 1});
  return testing::LogitsOf(*engine, tokens);
}

TEST(SameBytesTest, EveryFormatHasOneResultOnEveryInstructionSet) {
  for (const TinySpec& spec : testing::AllTinySpecs()) {
    const TinyModel tiny(spec);
    const auto tokens = RandomTokens(*tiny.model(), 70, 11);
    const LogitRows expected = Reference(tiny, tokens);
    for (const kernels::Isa isa : kernels::AvailableIsas()) {
      const auto engine = MakeEngine(tiny.model(), {.threads = 2, .isa = isa});
      EXPECT_TRUE(SameBytes(testing::LogitsOf(*engine, tokens), expected))
          << testing::NameOf(spec) << " on " << kernels::IsaName(isa);
    }
  }
}

struct Cut {
  int threads, chunk;
};
// Few, since threads that outnumber the cores spin at every barrier.
constexpr Cut kCuts[] = {{1, kTokens}, {2, kTokens}, {1, 1}, {2, 7}, {2, 64}, {4, 64}};

TEST(SameBytesTest, ThreadsAndChunksChangeNothing) {
  for (const TinySpec& spec : FewSpecs()) {
    const TinyModel tiny(spec);
    const auto tokens = RandomTokens(*tiny.model(), kTokens, 12);
    const LogitRows expected = Reference(tiny, tokens);
    for (const kernels::Isa isa : kernels::AvailableIsas()) {
      for (const auto& [threads, chunk] : kCuts) {
        const auto engine =
            MakeEngine(tiny.model(), {.threads = threads, .isa = isa, .step_rows = chunk});
        ASSERT_TRUE(SameBytes(testing::LogitsOf(*engine, tokens), expected))
            << testing::NameOf(spec) << " on " << kernels::IsaName(isa) << ", " << threads
            << " threads, chunks of " << chunk;
      }
    }
  }
}

TEST(SameBytesTest, EveryFormatOfKvHasOneResult) {
  for (const kernels::KvFormat kv : {kernels::KvFormat::kF32, kernels::KvFormat::kQ8}) {
    for (const TinySpec& spec : FewSpecs()) {
      const TinyModel tiny(spec);
      const auto tokens = RandomTokens(*tiny.model(), kTokens, 13);
      const auto logits = [&](kernels::Isa isa, int threads, int chunk) {
        const auto engine = MakeEngine(
            tiny.model(), {.threads = threads, .isa = isa, .kv = kv, .step_rows = chunk});
        return testing::LogitsOf(*engine, tokens);
      };
      const LogitRows expected = logits(kernels::Isa::kPortable, 1, 1);
      EXPECT_FALSE(SameBytes(expected, Reference(tiny, tokens))) << "the format is not used";
      for (const kernels::Isa isa : kernels::AvailableIsas()) {
        ASSERT_TRUE(SameBytes(logits(isa, 2, kTokens), expected)) << kernels::IsaName(isa);
        ASSERT_TRUE(SameBytes(logits(isa, 2, 7), expected)) << kernels::IsaName(isa);
      }
    }
  }
}

// Eight sequences advance by random numbers of rows in steps of random company, and sample a random
// number of them.
TEST(SameBytesTest, CompanyInAStepChangesNothing) {
  constexpr std::size_t kSequences = 8;
  for (const TinySpec& spec : FewSpecs()) {
    const TinyModel tiny(spec);
    const auto engine = MakeEngine(tiny.model(), {.threads = 2, .step_rows = 128});
    std::mt19937 random(5);
    std::vector<std::vector<std::int32_t>> texts;
    std::vector<LogitRows> expected;
    std::vector<Sequence> sequences;
    for (std::size_t s = 0; s < kSequences; ++s) {
      texts.push_back(RandomTokens(*tiny.model(), 90 + static_cast<int>(9 * s), 100 + s));
      expected.push_back(testing::LogitsOf(*engine, texts.back()));
      sequences.push_back(MakeSequence(*engine));
    }
    int compared = 0;
    const auto done = [&](std::size_t s) {
      return static_cast<std::size_t>(sequences[s].size()) == texts[s].size();
    };
    while (!std::ranges::all_of(std::views::iota(std::size_t{0}, kSequences), done)) {
      std::vector<StepEntry> entries;
      std::vector<std::size_t> who, first_sampled;
      std::vector<std::size_t> order(kSequences);
      std::iota(order.begin(), order.end(), 0);
      std::ranges::shuffle(order, random);
      for (const std::size_t s : order) {
        if (done(s) || random() % 4 == 0) continue;
        const auto at = static_cast<std::size_t>(sequences[s].size());
        const std::size_t rows = std::min<std::size_t>(texts[s].size() - at, 1 + random() % 16);
        const std::size_t sampled = random() % (rows + 1);
        entries.push_back({.sequence = &sequences[s],
                           .tokens = std::span(texts[s]).subspan(at, rows),
                           .sampled = static_cast<int>(sampled),
                           .failure = {}});
        who.push_back(s);
        first_sampled.push_back(at + rows - sampled);
      }
      const auto stepped =
          engine->Step(entries, [&](int e, int row, std::span<const float> logits) {
            const auto entry = static_cast<std::size_t>(e);
            const auto& alone =
                expected[who[entry]][first_sampled[entry] + static_cast<std::size_t>(row)];
            ASSERT_EQ(std::memcmp(alone.data(), logits.data(), logits.size_bytes()), 0)
                << testing::NameOf(spec) << ", sequence " << who[entry] << ", position "
                << first_sampled[entry] + static_cast<std::size_t>(row);
            ++compared;
          });
      ASSERT_TRUE(stepped) << stepped.error().message;
    }
    EXPECT_GT(compared, 200);
  }
}

TEST(SameBytesTest, AnEndThatWasCutOffLeavesNoTrace) {
  for (const TinySpec& spec : FewSpecs()) {
    const TinyModel tiny(spec);
    const auto engine = MakeEngine(tiny.model());
    const auto tokens = RandomTokens(*tiny.model(), kTokens, 13);
    const auto other = RandomTokens(*tiny.model(), 100, 14);
    const LogitRows expected = testing::LogitsOf(*engine, tokens);
    for (const int keep : {0, 1, 63, 64, 65, 128, kTokens - 1}) {
      testing::SoilKv(*engine);
      Sequence sequence = MakeSequence(*engine);
      const auto head = std::span(tokens).first(static_cast<std::size_t>(keep));
      if (keep > 0) testing::Append(*engine, sequence, head, 0);
      testing::Append(*engine, sequence, other, 1);
      const std::int64_t kept = sequence.tiles().UsableSize(keep);
      EXPECT_EQ(kept, spec.architecture == "granitehybrid" ? keep / 64 * 64 : keep);
      sequence.Truncate(kept);
      const auto tail = std::span(tokens).subspan(static_cast<std::size_t>(kept));
      const LogitRows rest = testing::Append(*engine, sequence, tail);
      EXPECT_TRUE(SameBytes(rest, LogitRows(expected.begin() + kept, expected.end())))
          << testing::NameOf(spec) << ", kept " << keep;
    }
  }
}

TEST(SameBytesTest, TwoSequencesTurnByTurnDoNotMix) {
  for (const TinySpec& spec : FewSpecs()) {
    const TinyModel tiny(spec);
    const auto engine = MakeEngine(tiny.model());
    const auto a = RandomTokens(*tiny.model(), 100, 15);
    const auto b = RandomTokens(*tiny.model(), 100, 16);
    const LogitRows expected_a = testing::LogitsOf(*engine, a);
    const LogitRows expected_b = testing::LogitsOf(*engine, b);
    Sequence first = MakeSequence(*engine), second = MakeSequence(*engine);
    for (std::size_t at = 0; at < 100; at += 10) {
      const auto i = static_cast<std::ptrdiff_t>(at);
      const LogitRows rows_a = testing::Append(*engine, first, std::span(a).subspan(at, 10));
      const LogitRows rows_b = testing::Append(*engine, second, std::span(b).subspan(at, 10));
      ASSERT_TRUE(
          SameBytes(rows_a, LogitRows(expected_a.begin() + i, expected_a.begin() + i + 10)));
      ASSERT_TRUE(
          SameBytes(rows_b, LogitRows(expected_b.begin() + i, expected_b.begin() + i + 10)));
    }
  }
}

// If logits did not depend on position, token and company at all, the tests above would pass too.
TEST(SameBytesTest, OneOtherTokenChangesTheRowsAfterItAndNoneBefore) {
  const TinyModel tiny({});
  const auto engine = MakeEngine(tiny.model());
  auto tokens = RandomTokens(*tiny.model(), 100, 17);
  const LogitRows before = testing::LogitsOf(*engine, tokens);
  tokens[40] = (tokens[40] + 1) % tiny.model()->tokenizer().size();
  const LogitRows after = testing::LogitsOf(*engine, tokens);
  for (std::size_t row = 0; row < 100; ++row) {
    EXPECT_EQ(before[row] == after[row], row < 40) << row;
  }
}

}  // namespace
}  // namespace cairn::engine
