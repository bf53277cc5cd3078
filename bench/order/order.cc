// SPDX-License-Identifier: Apache-2.0
// The experiment of systems/13: what the canonical order of sums costs beside a free one, how often
// an engine with a free order answers otherwise when its company changes, and what it is worth as a
// proposer whose tokens the canonical order confirms.
//
// Usage: order_ISA MODEL.gguf TEXT [--prompts N] [--tokens N] [--rounds N]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "answers_of.h"
#include "base/file.h"
#include "decoding.h"

namespace cairn::bench {
namespace {

struct Options {
  std::string model, text;
  int prompts = 200;
  int tokens = 128;
  int rounds = 7;
};

struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread SpreadOf(std::vector<double> values) {
  std::ranges::sort(values);
  return {values[values.size() / 2], values.front(), values.back()};
}

using ModelPointer = std::shared_ptr<const model::Model>;

// Both orders in turn.
Result<void> CompareSpeed(const ModelPointer& model, const Options& o) {
  const auto canonical = OR_RETURN(Open(model, nullptr));
  const auto free = OR_RETURN(Open(model, &FreeOrder()));
  fmt::print(
      "| sequences decoding | canonical, tokens/s | free order, tokens/s | canonical : free |\n"
      "|---|---|---|---|\n");
  for (const int sequences : {1, 2, 3, 8}) {
    std::vector<double> ours, theirs, ratios;
    for (int round = 0; round < o.rounds; ++round) {
      const bool first = round % 2 == 0;
      double speeds[2];
      for (const int side : {first ? 0 : 1, first ? 1 : 0}) {
        speeds[side] = OR_RETURN(DecodeSpeed(side == 0 ? *canonical : *free, sequences, 128));
      }
      ours.push_back(speeds[0]);
      theirs.push_back(speeds[1]);
      ratios.push_back(speeds[0] / speeds[1]);
    }
    const Spread a = SpreadOf(ours), b = SpreadOf(theirs), ratio = SpreadOf(ratios);
    fmt::print(
        "| {} | {:.0f} [{:.0f} {:.0f}] | {:.0f} [{:.0f} {:.0f}] | {:.3f} [{:.3f} {:.3f}] |\n",
        sequences, a.median, a.least, a.most, b.median, b.least, b.most, ratio.median, ratio.least,
        ratio.most);
  }
  return {};
}

// Answers of one order, alone and in company: which differ, and after how many tokens.
Result<void> CompareCompany(const char* name, engine::Engine& engine,
                            const std::vector<Tokens>& prompts, const Options& o) {
  const Made alone = OR_RETURN(MakeAnswers(engine, prompts, o.tokens, 1));
  const Made together = OR_RETURN(MakeAnswers(engine, prompts, o.tokens, 8));
  std::vector<double> spans;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto parted = std::ranges::mismatch(alone.answers[i], together.answers[i]);
    if (parted.in1 == alone.answers[i].end()) continue;
    spans.push_back(static_cast<double>(parted.in1 - alone.answers[i].begin()));
  }
  fmt::print("{}: {} of {} greedy answers of {} tokens differ between alone and 8 at once", name,
             spans.size(), prompts.size(), o.tokens);
  if (!spans.empty())
    fmt::print(", where they do after {:.0f} tokens (median)", SpreadOf(spans).median);
  fmt::print("\n");
  return {};
}

// A fast path proposes, the canonical one confirms.
Result<void> ComparePropose(const ModelPointer& model, const std::vector<Tokens>& prompts,
                            const Options& o) {
  const auto canonical = OR_RETURN(Open(model, nullptr));
  const Made plain = OR_RETURN(MakeAnswers(*canonical, prompts, o.tokens, 1));
  struct Proposer {
    const char* name;
    const kernels::Kernels* kernels;
    kernels::KvFormat kv;
  };
  const Proposer proposers[] = {{"free order", &FreeOrder(), kernels::KvFormat::kF16},
                                {"q8 KV", nullptr, kernels::KvFormat::kQ8}};
  fmt::print(
      "| proposer | guesses | refused | of 1,000 | time, of that without | answers |\n"
      "|---|---|---|---|---|---|\n");
  for (const Proposer& p : proposers) {
    const auto fast = OR_RETURN(Open(model, p.kernels, p.kv));
    const Made made = OR_RETURN(MakeAnswers(*canonical, prompts, o.tokens, 1, fast));
    const std::int64_t refused = made.guessed - made.right;
    fmt::print("| {} | {} | {} | {:.2f} | {:.2f} | {} |\n", p.name, made.guessed, refused,
               1000.0 * static_cast<double>(refused) /
                   static_cast<double>(std::max<std::int64_t>(1, made.guessed)),
               made.seconds / plain.seconds, made.answers == plain.answers ? "the same" : "DIFFER");
  }
  return {};
}

Result<void> Main(const Options& o) {
  const auto model = OR_RETURN(model::Model::Load(o.model, {}));
  SystemFiles files;
  const std::string text = OR_RETURN(ReadWholeFile(files, o.text, 1 << 20));
  const auto prompts = OR_RETURN(PromptsOf(*model, text, o.prompts));
  fmt::print("{}, {}\n\n", o.model.substr(o.model.rfind('/') + 1),
             kernels::IsaName(FreeOrder().isa));
  OR_RETURN(CompareSpeed(model, o));
  fmt::print("\n");
  {
    const auto free = OR_RETURN(Open(model, &FreeOrder()));
    OR_RETURN(CompareCompany("free order", *free, prompts, o));
    const auto canonical = OR_RETURN(Open(model, nullptr));
    OR_RETURN(CompareCompany("canonical", *canonical, prompts, o));
  }
  fmt::print("\n");
  return ComparePropose(model, prompts, o);
}

bool Parse(int argc, char** argv, Options& o) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    int* number = word == "--prompts"  ? &o.prompts
                  : word == "--tokens" ? &o.tokens
                  : word == "--rounds" ? &o.rounds
                                       : nullptr;
    if (number != nullptr && i + 1 < argc) {
      *number = std::max(1, std::atoi(argv[++i]));
    } else if (o.model.empty()) {
      o.model = word;
    } else {
      o.text = word;
    }
  }
  return !o.text.empty();
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Options options;
  if (!cairn::bench::Parse(argc, argv, options)) {
    fmt::print(stderr,
               "usage: order_ISA MODEL.gguf TEXT [--prompts N] [--tokens N] [--rounds N]\n");
    return 2;
  }
  const auto done = cairn::bench::Main(options);
  if (!done) fmt::print(stderr, "order: {}\n", done.error().message);
  return done ? 0 : 1;
}
