// SPDX-License-Identifier: Apache-2.0
#include "engine/session.h"

#include "model/digest.h"

namespace cairn::engine {

const kv::SessionOrigin& SessionFiles::origin() {
  if (!origin_) {
    origin_ = {.model = model::DigestOf(answers_.engine().model()),
               .arithmetic = kernels::kArithmeticVersion};
  }
  return *origin_;
}

Result<SessionCost> SessionFiles::Save(std::span<const std::int32_t> tokens, std::string_view note,
                                       const kv::SessionSink& sink) {
  Engine& engine = answers_.engine();
  const kv::SessionOrigin& made_by = origin();
  const std::int64_t start = engine.clock().NowNs();
  const bool states = engine.pool().layout().has_states();
  Sequence known = states ? engine.NewSequence() : answers_.Recall(tokens);
  const std::uint64_t bytes = OR_RETURN(
      kv::WriteSession(engine.pool().layout(), made_by, known.tokens(), note, known.tiles(), sink));
  return SessionCost{.tokens = known.size(),
                     .bytes = bytes,
                     .seconds = static_cast<double>(engine.clock().NowNs() - start) * 1e-9};
}

Result<LoadedSession> SessionFiles::Load(FileSystem& files, const std::string& path) {
  Engine& engine = answers_.engine();
  const kv::SessionOrigin& ours = origin();
  const std::int64_t start = engine.clock().NowNs();
  const auto file = OR_RETURN(files.OpenToRead(path));
  Sequence sequence = engine.NewSequence();
  const std::int64_t most = engine.pool().layout().has_states() ? 0 : engine.context();
  auto text = kv::ReadSession(*file, ours, {.positions = most, .vocabulary = engine.vocabulary()},
                              engine.pool(), sequence.tiles());
  if (!text) return std::unexpected(std::move(text).error().Within("'" + path + "'"));
  sequence.Adopt(text->tokens);
  answers_.Remember(sequence);
  return LoadedSession{
      .note = std::move(text->note),
      .cost = {.tokens = sequence.size(),
               .bytes = text->bytes,
               .seconds = static_cast<double>(engine.clock().NowNs() - start) * 1e-9}};
}

}  // namespace cairn::engine
