// SPDX-License-Identifier: Apache-2.0
// cairn list: the models on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "model/summary.h"

namespace cairn::apps {
namespace {

struct ListOptions {
  bool json = false;
};

struct Row {
  std::string name;  // what MODEL may be
  std::uint64_t bytes = 0;
  std::string architecture;
  std::string format;
  std::string path;
  std::string problem;  // why the file cannot be read; empty: it can
};

// What the file itself says.
Row LookInto(Row row) {
  const auto opened = model::OpenModelFile(row.path);
  if (!opened) {
    row.problem = opened.error().message;
    return row;
  }
  row.bytes = opened->gguf.file_bytes();
  const model::Summary summary = model::Summarise(opened->gguf);
  row.architecture = summary.architecture;
  row.format = summary.format;
  return row;
}

std::vector<Row> RowsOf(const std::vector<model::StoredFile>& files,
                        const std::vector<model::FoundModel>& others) {
  std::vector<Row> rows;
  for (const model::StoredFile& stored : files) {
    rows.push_back(
        LookInto({.name = stored.entry != nullptr ? std::string(stored.entry->name) : stored.file,
                  .bytes = stored.bytes,
                  .path = stored.path}));
  }
  for (const model::FoundModel& found : others) {
    rows.push_back(LookInto({.name = found.name, .bytes = found.bytes, .path = found.path}));
  }
  return rows;
}

void PrintTable(const std::vector<Row>& rows, const model::Store& store, Console& console) {
  std::size_t width = 5;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  if (rows.empty()) console.Write(fmt::format("no models in {}\n", store.folder()));
  for (const Row& row : rows) {
    if (&row == &rows.front()) {
      console.Write(fmt::format("{:{}}  {:>8}  {:12}  {:7}  path\n", "name", width, "size",
                                "architecture", "format"));
    }
    console.Write(row.problem.empty()
                      ? fmt::format("{:{}}  {:>8}  {:12}  {:7}  {}\n", row.name, width,
                                    HumanBytes(row.bytes), row.architecture, row.format, row.path)
                      : fmt::format("{:{}}  {:>8}  unreadable: {}\n", row.name, width,
                                    HumanBytes(row.bytes), row.problem));
  }
  bool first = true;
  for (const model::CatalogueEntry& entry : store.catalogue()) {
    if (std::ranges::find(rows, entry.name, &Row::name) != rows.end()) continue;
    console.Write(fmt::format("{}  {:{}}  {:>8}  {}\n",
                              first ? "\nto be had with `cairn pull`:\n" : "", entry.name, width,
                              HumanBytes(entry.bytes), entry.about));
    first = false;
  }
}

Result<void> List(const ListOptions& o, Console& console) {
  const model::Store store = OR_RETURN(OpenStore());
  const std::vector<Row> rows = RowsOf(OR_RETURN(store.List()), store.ListOthers());
  if (!o.json) {
    PrintTable(rows, store, console);
    return {};
  }
  boost::json::array models;
  for (const Row& row : rows) {
    boost::json::object model{{"name", row.name}, {"bytes", row.bytes}, {"path", row.path}};
    if (row.problem.empty()) {
      model["architecture"] = row.architecture;
      model["format"] = row.format;
    } else {
      model["problem"] = row.problem;
    }
    models.push_back(std::move(model));
  }
  console.WriteJson(boost::json::object{{"folder", store.folder()}, {"models", std::move(models)}});
  return {};
}

}  // namespace

void AddList(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<ListOptions>();
  CLI::App* command = NewCommand(app, kModels, "list", "The models on this machine",
                                 "cairn list\ncairn list --json");
  AddJson(*command, o->json);
  OnChosen(*command, chosen, o, List);
}

}  // namespace cairn::apps
