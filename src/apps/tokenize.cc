// SPDX-License-Identifier: Apache-2.0
// cairn tokenize: text to ids and pieces.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apps/command.h"
#include "apps/json.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "model/utf8.h"

namespace cairn::apps {
namespace {

struct TokenizeOptions {
  std::string model;
  bool json = false;
  bool no_bos = false;
  bool special = false;
};

// A piece on one line of a terminal: control characters and line breaks as escapes.
std::string Shown(std::string_view piece) {
  std::string out;
  for (const char c : piece) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

Result<void> Tokenize(const TokenizeOptions& o, Console& console) {
  const OpenedTokenizer opened = OR_RETURN(OpenTokenizer(o.model, console));
  const std::string text = OR_RETURN(ReadStandardInput());
  const model::Tokenizer& tokenizer = opened.tokenizer;
  const auto ids = OR_RETURN(tokenizer.Encode(text, !o.no_bos, o.special));
  if (!o.json) {
    for (const std::int32_t id : ids) {
      if (!console.Write(fmt::format("{:6} {}\n", id, Shown(tokenizer.Piece(id))))) return {};
    }
    return {};
  }
  // Written as it is made: a large text would be a larger tree of values.
  console.Write("{\"tokens\": [");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::string piece;
    model::AppendWellFormed(tokenizer.Piece(ids[i]), piece);
    const boost::json::object token{{"id", ids[i]}, {"piece", piece}};
    if (!console.Write((i == 0 ? "" : ", ") + ToJson(token))) return {};
  }
  console.Write("]}\n");
  return {};
}

}  // namespace

void AddTokenize(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      NewCommand(app, kMeasure, "tokenize", "Standard input to token ids and pieces",
                 "echo \"Hello, world\" | cairn tokenize smollm2\n"
                 "printf '<|im_start|>user' | cairn tokenize smollm2 --special --json\n"
                 "# every byte counts, the final newline too");
  AddModel(*command, o->model);
  AddJson(*command, o->json);
  command->add_flag("--no-bos", o->no_bos, "Add nothing before or after the text");
  command->add_flag("--special", o->special, "Take special tokens written in the text as such");
  OnChosen(*command, chosen, o, Tokenize);
}

}  // namespace cairn::apps
