// SPDX-License-Identifier: Apache-2.0
#include "apps/session.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <system_error>

#include "apps/json.h"
#include "apps/output_file.h"
#include "apps/text.h"
#include "base/file.h"

namespace cairn::apps {

std::string Talk::ToNote() const {
  if (is_text) return ToJson(boost::json::object{{"text", text}});
  return "{\"messages\": " + conversation.ToJsonText() + "}";
}

Result<Talk> Talk::FromNote(std::string_view note) {
  boost::system::error_code error;
  const boost::json::value value =
      boost::json::parse(boost::json::string_view(note.data(), note.size()), error);
  const boost::json::object* object = error ? nullptr : value.if_object();
  const boost::json::value* text = object == nullptr ? nullptr : object->if_contains("text");
  Talk talk;
  if (text != nullptr && text->is_string()) {
    talk.is_text = true;
    talk.text = std::string(text->get_string());
    return talk;
  }
  talk.conversation = OR_RETURN(Conversation::FromJsonText(note));
  return talk;
}

bool IsThere(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

bool IsSessionFile(const std::string& path) {
  SystemFiles files;
  const auto file = files.OpenToRead(path);
  if (!file) return false;
  std::array<char, kv::kSessionMagicBytes> beginning{};
  const auto read = (*file)->ReadAt(0, std::as_writable_bytes(std::span(beginning)));
  return read && kv::IsSessionFile({beginning.data(), *read});
}

Result<LoadedTalk> LoadTalk(engine::SessionFiles& sessions, const std::string& path, bool is_text) {
  SystemFiles files;
  engine::LoadedSession loaded = OR_RETURN(sessions.Load(files, path));
  auto talk = Talk::FromNote(loaded.note);
  if (!talk) return std::unexpected(std::move(talk).error().Within("the note of '" + path + "'"));
  if (talk->is_text != is_text) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is the session of {}", path,
                            talk->is_text ? "a text that is continued: `cairn run --raw` goes on "
                                            "with it"
                                          : "a conversation, and this continues a text as it is"));
  }
  return LoadedTalk{.talk = std::move(*talk), .cost = loaded.cost};
}

Result<engine::SessionCost> SaveTalk(engine::SessionFiles& sessions, const std::string& path,
                                     const Talk& talk, std::span<const std::int32_t> tokens,
                                     const Clock& clock) {
  const std::int64_t start = clock.NowNs();
  SystemFiles files;
  OutputFile file = OR_RETURN(OutputFile::Create(files, path));
  engine::SessionCost cost = OR_RETURN(sessions.Save(
      tokens, talk.ToNote(), [&](std::span<const std::byte> bytes) { return file.Append(bytes); }));
  OR_RETURN(file.Finish());
  cost.seconds = static_cast<double>(clock.NowNs() - start) * 1e-9;
  return cost;
}

std::string Describe(std::string_view what, const engine::SessionCost& cost) {
  const double megabytes = static_cast<double>(cost.bytes) * 1e-6;
  return fmt::format("{} {} tokens, {} in {:.3f} s ({:.0f} MB/s)", what, cost.tokens,
                     HumanBytes(cost.bytes), cost.seconds,
                     cost.seconds > 0 ? megabytes / cost.seconds : 0);
}

}  // namespace cairn::apps
