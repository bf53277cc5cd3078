// SPDX-License-Identifier: Apache-2.0
// What --session, /save and /load keep on disk: a conversation, or a text that is continued, with
// its keys and values (engine/session.h). The note of the file is the conversation itself.
// Threads: the main thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "apps/conversation.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/session.h"

namespace cairn::apps {

struct Talk {
  bool is_text = false;       // a text that is continued as it is
  Conversation conversation;  // where it is none
  std::string text;           // where it is one

  // {"messages": [...]} or {"text": "..."}
  std::string ToNote() const;
  // Errors: kCorrupt.
  [[nodiscard]] static Result<Talk> FromNote(std::string_view note);
};

struct LoadedTalk {
  Talk talk;
  engine::SessionCost cost;
};

// Whether anything is there: then it must be a session that can be loaded, and is not written over.
bool IsThere(const std::string& path);
// Whether a file is there that begins as a session file does.
bool IsSessionFile(const std::string& path);

// Errors: as SessionFiles::Load; kInvalidArgument where it is not the kind that is wanted.
[[nodiscard]] Result<LoadedTalk> LoadTalk(engine::SessionFiles& sessions, const std::string& path,
                                          bool is_text);
// `tokens`: what the model reads of the talk. The file appears when it is whole; the time counts
// until then. Errors: as SessionFiles::Save, kIo.
[[nodiscard]] Result<engine::SessionCost> SaveTalk(engine::SessionFiles& sessions,
                                                   const std::string& path, const Talk& talk,
                                                   std::span<const std::int32_t> tokens,
                                                   const Clock& clock);

// "loaded 2000 tokens, 46.1 MB in 0.021 s (2190 MB/s)"
std::string Describe(std::string_view what, const engine::SessionCost& cost);

}  // namespace cairn::apps
