// SPDX-License-Identifier: Apache-2.0
// What frames texts: begin and end tokens, whether prompts get them, chat templates.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <filesystem>

#include "base/file.h"
#include "model/import_tokenizer.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMostTemplateBytes = std::uint64_t{1} << 20;

// A file of the folder as an object; empty where there is none.
Result<json::object> ObjectOf(const Checkpoint& from, std::string_view file) {
  auto value = OR_RETURN(from.Read(file));
  if (!value || !value->is_object()) return json::object();
  return std::move(value->get_object());
}

// "bos_token": "<s>", or an object with its 'content'.
std::string_view TokenText(const json::object& config, std::string_view key) {
  if (const json::object* token = ObjectAt(config, key)) return TextAt(*token, "content");
  return TextAt(config, key);
}

// Numbers of a member that is one or a list of them, of tokens that there are.
std::vector<std::uint32_t> IdsAt(const json::value* value, std::size_t tokens) {
  std::vector<std::uint32_t> ids;
  const auto add = [&](const json::value& one) {
    const std::int64_t* id = one.if_int64();
    if (id == nullptr || *id < 0 || static_cast<std::uint64_t>(*id) >= tokens) return;
    ids.push_back(static_cast<std::uint32_t>(*id));
  };
  if (value == nullptr) return ids;
  if (value->is_array()) {
    for (const json::value& one : value->get_array()) add(one);
  } else {
    add(*value);
  }
  return ids;
}

// What the post-processor puts around a single text: its template, where it has one.
const json::array* TemplateOf(const json::object& processor) {
  if (TextAt(processor, "type") == "TemplateProcessing") return ArrayAt(processor, "single");
  const json::array* parts = ArrayAt(processor, "processors");
  if (parts == nullptr) return nullptr;
  for (const json::value& part : *parts) {
    if (!part.is_object() || TextAt(part.get_object(), "type") != "TemplateProcessing") continue;
    return ArrayAt(part.get_object(), "single");
  }
  return nullptr;
}

bool IsSpecial(const json::value& piece) {
  return piece.is_object() && piece.get_object().contains("SpecialToken");
}

Result<void> WriteEnds(const Checkpoint& from, const json::object& config,
                       const ImportedTokens& tokens, GgufOutput& out) {
  const json::object generation = OR_RETURN(ObjectOf(from, "generation_config.json"));
  const std::size_t count = tokens.texts.size();
  const auto id_of = [&](std::string_view name) -> std::optional<std::uint32_t> {
    if (const auto id = tokens.Find(TokenText(config, fmt::format("{}_token", name)))) return id;
    const std::string key = fmt::format("{}_token_id", name);
    const auto ids = IdsAt(from.Value(key), count);
    if (!ids.empty()) return ids[0];
    return std::nullopt;
  };
  const std::pair<std::string_view, const char*> kinds[] = {
      {"bos", "tokenizer.ggml.bos_token_id"},
      {"eos", "tokenizer.ggml.eos_token_id"},
      {"pad", "tokenizer.ggml.padding_token_id"},
  };
  for (const auto& [name, key] : kinds) {
    if (const auto id = id_of(name)) out.Set(key, *id);
  }
  // Answers may end with further tokens; files have a place for one.
  const auto eos = id_of("eos");
  for (const std::uint32_t id : IdsAt(generation.if_contains("eos_token_id"), count)) {
    if (eos && id == *eos) continue;
    out.Set("tokenizer.ggml.eot_token_id", id);
    break;
  }
  return {};
}

void WriteFrame(const Checkpoint& from, const json::object& config, GgufOutput& out) {
  const json::object* processor = ObjectAt(from.tokenizer(), "post_processor");
  const json::array* pieces = processor != nullptr ? TemplateOf(*processor) : nullptr;
  const bool framed = pieces != nullptr && !pieces->empty();
  // The configuration's flags rewrite the post-processor when transformers loads a tokenizer.
  out.Set("tokenizer.ggml.add_bos_token",
          FlagAt(config, "add_bos_token", framed && IsSpecial(pieces->front())));
  out.Set("tokenizer.ggml.add_eos_token",
          FlagAt(config, "add_eos_token", framed && IsSpecial(pieces->back())));
}

Result<void> WriteTemplate(const Checkpoint& from, const json::object& config, GgufOutput& out) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  const std::string file = (std::filesystem::path(from.folder()) / "chat_template.jinja").string();
  std::error_code error;
  if (std::filesystem::is_regular_file(file, error)) {
    SystemFiles files;
    out.Set(kKey, OR_RETURN(ReadWholeFile(files, file, kMostTemplateBytes)));
    return {};
  }
  std::string_view text = TextAt(config, "chat_template");
  const json::object own = OR_RETURN(ObjectOf(from, "chat_template.json"));
  if (text.empty()) text = TextAt(own, "chat_template");
  // Several by name: the one that is meant where none is named.
  if (const json::array* list = ArrayAt(config, "chat_template")) {
    for (const json::value& one : *list) {
      if (!one.is_object() || TextAt(one.get_object(), "name") != "default") continue;
      text = TextAt(one.get_object(), "template");
    }
  }
  if (!text.empty()) out.Set(kKey, text);
  return {};
}

}  // namespace

Result<void> ImportConversation(const Checkpoint& from, const ImportedTokens& tokens,
                                GgufOutput& out) {
  const json::object config = OR_RETURN(ObjectOf(from, "tokenizer_config.json"));
  OR_RETURN(WriteEnds(from, config, tokens, out));
  WriteFrame(from, config, out);
  return WriteTemplate(from, config, out);
}

}  // namespace cairn::model
