// SPDX-License-Identifier: Apache-2.0
// How a subcommand joins the program: one file, one Add function, one line in main.cc's table.
// Threads: parsing and commands run on the main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "apps/console.h"
#include "base/error.h"

namespace cairn::apps {

// What the command line asks for, once it is parsed.
struct Chosen {
  std::function<Result<void>(Console&)> run;
};

// Groups of the overview that `cairn` alone prints.
inline constexpr const char* kTalk = "Talk to a model";
inline constexpr const char* kModels = "Models on this machine";
inline constexpr const char* kMeasure = "Look inside and measure";

// A subcommand of `app`. `examples` are whole lines without indentation, one command each.
CLI::App* NewCommand(CLI::App& app, const char* group, const char* name, const char* summary,
                     const char* examples);

// Runs `body(options, console)` when `command` is the one on the command line.
template <typename Options, typename Body>
void OnChosen(CLI::App& command, Chosen& chosen, const std::shared_ptr<Options>& options,
              Body body) {
  command.final_callback([&chosen, options, body] {
    chosen.run = [options, body](Console& console) { return body(*options, console); };
  });
}

void AddRun(CLI::App& app, Chosen& chosen);
void AddChat(CLI::App& app, Chosen& chosen);
void AddBatch(CLI::App& app, Chosen& chosen);
void AddEmbed(CLI::App& app, Chosen& chosen);
void AddRerank(CLI::App& app, Chosen& chosen);
void AddServe(CLI::App& app, Chosen& chosen);
void AddPull(CLI::App& app, Chosen& chosen);
void AddList(CLI::App& app, Chosen& chosen);
void AddConvert(CLI::App& app, Chosen& chosen);
void AddQuantize(CLI::App& app, Chosen& chosen);
void AddImportance(CLI::App& app, Chosen& chosen);
void AddShow(CLI::App& app, Chosen& chosen);
void AddRemove(CLI::App& app, Chosen& chosen);
void AddTokenize(CLI::App& app, Chosen& chosen);
void AddDetokenize(CLI::App& app, Chosen& chosen);
void AddTemplate(CLI::App& app, Chosen& chosen);
void AddLogits(CLI::App& app, Chosen& chosen);
void AddPerplexity(CLI::App& app, Chosen& chosen);
void AddBench(CLI::App& app, Chosen& chosen);
void AddVerify(CLI::App& app, Chosen& chosen);
void AddTop(CLI::App& app, Chosen& chosen);
void AddDoctor(CLI::App& app, Chosen& chosen);
void AddSupport(CLI::App& app, Chosen& chosen);

}  // namespace cairn::apps
