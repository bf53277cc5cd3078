// SPDX-License-Identifier: Apache-2.0
// cairn convert: a folder of Hugging Face's libraries to a GGUF file.
#include "model/convert.h"

#include <fmt/format.h>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/output_file.h"
#include "apps/text.h"

namespace cairn::apps {
namespace {

struct ConvertOptions {
  std::string folder;
  std::string out;
  std::string name;  // empty: the folder's
  std::string pre;   // empty: the one that tokenizer.json describes
};

Result<void> Convert(const ConvertOptions& o, Console& console) {
  SystemFiles files;
  OutputFile file = OR_RETURN(OutputFile::Create(files, o.out));
  std::uint64_t written = 0;
  auto done =
      model::ConvertFolder(o.folder, {.name = o.name, .pre = o.pre},
                           [&](std::span<const std::byte> bytes) -> Result<void> {
                             written += bytes.size();
                             console.Progress(fmt::format("{} written", HumanBytes(written)));
                             return file.Append(bytes);
                           });
  console.EndProgress();
  OR_RETURN(done);
  OR_RETURN(file.Finish());
  console.Note(fmt::format("{}: {}", o.out, HumanBytes(written)));
  return {};
}

}  // namespace

void AddConvert(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<ConvertOptions>();
  CLI::App* command = NewCommand(app, kModels, "convert", "A folder of safetensors to a GGUF file",
                                 "cairn convert ./all-MiniLM-L6-v2 minilm.gguf");
  command
      ->add_option("FOLDER", o->folder,
                   fmt::format("A folder with config.json, tokenizer.json and safetensors; its "
                               "model_type is one of: {}",
                               model::ConvertibleTypes()))
      ->type_name("")
      ->required();
  command->add_option("OUT", o->out, "The GGUF file to write")
      ->type_name("")
      ->required()
      ->check(NotEmpty());
  command->add_option("--name", o->name, "What the model calls itself (default: the folder's name)")
      ->type_name("NAME");
  command
      ->add_option("--pre", o->pre,
                   "Pre-tokenizer in place of the one that tokenizer.json describes (cairn support "
                   "lists them)")
      ->type_name("NAME");
  OnChosen(*command, chosen, o, Convert);
}

}  // namespace cairn::apps
