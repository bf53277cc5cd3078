// SPDX-License-Identifier: Apache-2.0
#include "testing/engine_helpers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace cairn::testing {

std::vector<std::string> FixturesIn(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

std::unique_ptr<engine::Engine> MakeEngine(const std::shared_ptr<const model::Model>& model,
                                           const engine::EngineOptions& options) {
  auto engine = engine::Engine::Create(model, options);
  if (!engine) fmt::print(stderr, "{}\n", engine.error().message);
  CAIRN_CHECK(engine.has_value());
  return *std::move(engine);
}

engine::Sequence MakeSequence(engine::Engine& engine) { return engine.NewSequence(); }

LogitRows Append(engine::Engine& engine, engine::Sequence& sequence,
                 std::span<const std::int32_t> tokens, std::int64_t sampled) {
  if (sampled < 0) sampled = static_cast<std::int64_t>(tokens.size());
  LogitRows rows(static_cast<std::size_t>(sampled));
  const auto done =
      engine.Prefill(sequence, tokens, sampled, [&](int, int row, std::span<const float> logits) {
        rows[static_cast<std::size_t>(row)].assign(logits.begin(), logits.end());
      });
  if (!done) fmt::print(stderr, "{}\n", done.error().message);
  CAIRN_CHECK(done.has_value());
  return rows;
}

LogitRows LogitsOf(engine::Engine& engine, std::span<const std::int32_t> tokens) {
  engine::Sequence sequence = MakeSequence(engine);
  return Append(engine, sequence, tokens);
}

LogitRows Rows(const LogitRows& all, std::int64_t from) { return {all.begin() + from, all.end()}; }

void SoilKv(engine::Engine& engine) {
  const auto size = static_cast<int>(std::min<std::int64_t>(engine.context(), 256));
  engine::Sequence sequence = MakeSequence(engine);
  Append(engine, sequence, RandomTokens(engine.model(), size, 999));
}

bool SameBytes(const LogitRows& a, const LogitRows& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size() ||
        std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace cairn::testing
