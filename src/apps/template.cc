// SPDX-License-Identifier: Apache-2.0
// cairn template: the prompt that a chat template makes of messages.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <optional>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/prompt.h"
#include "apps/text.h"
#include "base/clock.h"
#include "model/chat_template.h"

namespace cairn::apps {
namespace {

struct TemplateOptions {
  std::string source;
  std::string messages;
  std::string tools;
  bool add_generation_prompt = false;
  std::optional<std::string> bos;
  std::optional<std::string> eos;
};

struct Source {
  std::string text;
  std::string bos;
  std::string eos;
};

bool IsGguf(const std::string& path) {
  SystemFiles files;
  const auto file = files.OpenToRead(path);
  std::byte magic[4] = {};
  if (!file) return false;
  const auto got = (*file)->ReadAt(0, magic);
  return got && *got == 4 && std::string_view(reinterpret_cast<const char*>(magic), 4) == "GGUF";
}

// A file that is no GGUF is the template itself; everything else is a MODEL.
Result<Source> FindSource(const std::string& name, Console& console) {
  const model::Store store = OR_RETURN(OpenStore());
  if (store.FindEntry(name) == nullptr && access(name.c_str(), F_OK) == 0 && !IsGguf(name)) {
    return Source{.text = OR_RETURN(ReadTemplateFile(name)), .bos = "", .eos = ""};
  }
  const OpenedFile opened = OR_RETURN(OpenFile(name, console));
  const auto text = opened.gguf.GetString("tokenizer.chat_template");
  if (!text) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} has no chat template; give the file of one", opened.path));
  }
  Source source{.text = std::string(*text), .bos = "", .eos = ""};
  if (const auto vocabulary = model::ReadVocabulary(opened.gguf)) {
    source.bos = model::TokenText(*vocabulary, vocabulary->bos);
    source.eos = model::TokenText(*vocabulary, vocabulary->eos);
  }
  return source;
}

Result<boost::json::value> ReadJson(const std::string& path) {
  const std::string text = OR_RETURN(path == "-" ? ReadStandardInput() : ReadTextFile(path));
  boost::system::error_code error;
  auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("{} is no JSON: {}", path == "-" ? "standard input" : path, error.message()));
  }
  return value;
}

Result<void> Template(const TemplateOptions& o, Console& console) {
  const Source source = OR_RETURN(FindSource(o.source, console));
  const boost::json::value messages = OR_RETURN(ReadJson(o.messages));
  if (!messages.is_array()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--messages {}: expected a JSON array of messages with 'role' and "
                            "'content'",
                            o.messages));
  }
  std::optional<boost::json::value> tools;
  if (!o.tools.empty()) tools = OR_RETURN(ReadJson(o.tools));
  auto parsed = model::ChatTemplate::Parse(source.text);
  if (!parsed) return std::unexpected(std::move(parsed).error().Within(o.source));
  auto rendered = parsed->Render({.messages = messages,
                                  .tools = tools ? &*tools : nullptr,
                                  .add_generation_prompt = o.add_generation_prompt,
                                  .bos_token = o.bos.value_or(source.bos),
                                  .eos_token = o.eos.value_or(source.eos),
                                  .now = LocalTime});
  if (!rendered) return std::unexpected(std::move(rendered).error().Within(o.source));
  console.Write(rendered->Text());
  return {};
}

}  // namespace

void AddTemplate(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<TemplateOptions>();
  CLI::App* command =
      NewCommand(app, kMeasure, "template", "The prompt that a chat template makes of messages",
                 "cairn template smollm2 --messages chat.json --add-generation-prompt\n"
                 "cairn template my.jinja --messages chat.json --tools tools.json --bos '<s>'\n"
                 "# chat.json: [{\"role\": \"user\", \"content\": \"Hello\"}]");
  command
      ->add_option("FILE_OR_MODEL", o->source,
                   "A file with a Jinja template, or a MODEL (its own template)")
      ->type_name("")
      ->required();
  command->add_option("--messages", o->messages, "JSON array of messages; - is standard input")
      ->type_name("M.json")
      ->required();
  command->add_option("--tools", o->tools, "JSON array of tools; without it, `tools` is none")
      ->type_name("T.json");
  command->add_flag("--add-generation-prompt", o->add_generation_prompt,
                    "End with what comes before the model's answer");
  command->add_option("--bos", o->bos, "Value of bos_token (default: the model's)")->type_name("S");
  command->add_option("--eos", o->eos, "Value of eos_token (default: the model's)")->type_name("S");
  OnChosen(*command, chosen, o, Template);
}

}  // namespace cairn::apps
