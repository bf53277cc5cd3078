// SPDX-License-Identifier: Apache-2.0
// cairn detokenize: ids to text.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"

namespace cairn::apps {
namespace {

struct DetokenizeOptions {
  std::string model;
  bool special = false;
};

using Ids = std::vector<std::int32_t>;

Result<std::int32_t> CheckId(std::int64_t id, std::size_t index, int vocabulary) {
  if (id >= 0 && id < vocabulary) return static_cast<std::int32_t>(id);
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("token {} of the input is {}, and the model has 0 to {}", index + 1, id,
                          vocabulary - 1));
}

// Numbers with anything between them that is no digit, letter or minus: "1 2", "1, 2", lines.
Result<Ids> ParsePlain(std::string_view text, int vocabulary) {
  constexpr std::string_view kBetween = " \t\r\n,;[]";
  Ids ids;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return ids;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' in the input is no token id; expected whole numbers, or what "
                              "`cairn tokenize --json` prints",
                              word.substr(0, 40)));
    }
    ids.push_back(OR_RETURN(CheckId(id, ids.size(), vocabulary)));
    text.remove_prefix(word.size());
  }
}

// {"tokens": [{"id": 1, ...}, ...]} or {"tokens": [1, 2]}.
Result<Ids> ParseJson(std::string_view text, int vocabulary) {
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  const auto* object = error ? nullptr : value.if_object();
  const auto* member = object == nullptr ? nullptr : object->if_contains("tokens");
  const auto* tokens = member == nullptr ? nullptr : member->if_array();
  if (tokens == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                "the input is no JSON object with 'tokens', as `cairn tokenize --json` prints it");
  }
  Ids ids;
  for (const auto& token : *tokens) {
    const auto* entry = token.if_object();
    const auto* id = entry == nullptr ? &token : entry->if_contains("id");
    const std::int64_t* number = id == nullptr ? nullptr : id->if_int64();
    if (number == nullptr) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("token {} of the input has no whole number as its id", ids.size() + 1));
    }
    ids.push_back(OR_RETURN(CheckId(*number, ids.size(), vocabulary)));
  }
  return ids;
}

Result<void> Detokenize(const DetokenizeOptions& o, Console& console) {
  const OpenedTokenizer opened = OR_RETURN(OpenTokenizer(o.model, console));
  const std::string text = OR_RETURN(ReadStandardInput());
  const int vocabulary = opened.tokenizer.size();
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && text[first] == '{';
  const Ids ids = OR_RETURN(json ? ParseJson(text, vocabulary) : ParsePlain(text, vocabulary));
  console.Write(opened.tokenizer.Decode(ids, o.special));
  return {};
}

}  // namespace

void AddDetokenize(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<DetokenizeOptions>();
  CLI::App* command =
      NewCommand(app, kMeasure, "detokenize", "Token ids on standard input back to text",
                 "echo 19556 28 905 | cairn detokenize smollm2\n"
                 "cairn tokenize smollm2 --json < a.txt | cairn detokenize smollm2 | cmp - a.txt");
  AddModel(*command, o->model);
  command->add_flag("--special", o->special,
                    "Write special tokens too (by default they are text "
                    "for the model only)");
  OnChosen(*command, chosen, o, Detokenize);
}

}  // namespace cairn::apps
