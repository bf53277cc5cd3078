// SPDX-License-Identifier: Apache-2.0
// cairn rm: removes a model from the model folder.
#include <fmt/format.h>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/text.h"

namespace cairn::apps {
namespace {

struct RemoveOptions {
  std::vector<std::string> names;
};

Result<void> Remove(const RemoveOptions& o, Console& console) {
  const model::Store store = OR_RETURN(OpenStore());
  for (const std::string& name : o.names) {
    const std::uint64_t freed = OR_RETURN(store.Remove(name));
    console.Write(fmt::format("removed {} ({})\n", name, HumanBytes(freed)));
  }
  return {};
}

}  // namespace

void AddRemove(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<RemoveOptions>();
  CLI::App* command = NewCommand(app, kModels, "rm", "Remove models from the model folder",
                                 "cairn rm gemma3\n"
                                 "cairn rm other-model.gguf");
  command->add_option("NAME", o->names, "Short names, or names of files in the model folder")
      ->type_name("")
      ->required();
  OnChosen(*command, chosen, o, Remove);
}

}  // namespace cairn::apps
