// SPDX-License-Identifier: Apache-2.0
// Texts that are put aside with their keys and values and go on later, in another process.
//
// What is saved is what the prefix cache has of a text; what is loaded is given to the cache, where
// the next prompt that begins with it finds it. So nothing here decides an answer: it is the same
// bytes with the file, without it, and had the process never ended (docs/formats/session.md). Of a
// model with states nothing is saved but the note: its texts are computed again.
// Threads: that of the Answers, between its steps.
// Borrows the Answers, and its engine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "engine/answers.h"
#include "kv/session_file.h"

namespace cairn::engine {

struct SessionCost {
  std::int64_t tokens = 0;  // whose keys and values are in the file
  std::uint64_t bytes = 0;  // of the file
  double seconds = 0;
};

struct LoadedSession {
  std::string note;
  SessionCost cost;
};

class SessionFiles {
 public:
  explicit SessionFiles(Answers& answers) : answers_(answers) {}

  // Writes what is known of the beginning of `tokens` (nothing is a beginning too), and a note for
  // the reader. Errors: as kv::WriteSession.
  [[nodiscard]] Result<SessionCost> Save(std::span<const std::int32_t> tokens,
                                         std::string_view note, const kv::SessionSink& sink);
  // Errors: as kv::ReadSession and FileSystem::OpenToRead, naming the path.
  [[nodiscard]] Result<LoadedSession> Load(FileSystem& files, const std::string& path);

 private:
  const kv::SessionOrigin& origin();

  Answers& answers_;
  std::optional<kv::SessionOrigin> origin_;  // once it was needed: a pass over the weights
};

}  // namespace cairn::engine
