// SPDX-License-Identifier: Apache-2.0
// The program `cairn`: parses the command line, runs one subcommand, turns its result into an exit
// code: 0 done, 1 failed, 2 the command line makes no sense.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <new>
#include <string_view>

#include "apps/command.h"
#include "apps/help.h"
#include "base/error.h"

namespace cairn::apps {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr const char* kOverview = "Cairn runs language models on the CPU of this machine.";
constexpr const char* kExamples =
    "First steps:\n"
    "  cairn chat smollm2                        talk to a small model (fetched once, 98 MB)\n"
    "  cairn run smollm2 \"Name three rivers.\"    one answer\n"
    "  cairn doctor                              what this machine has and what it lacks\n"
    "\n"
    "`cairn COMMAND --help` explains a command. CAIRN_HOME names the folder of models,\n"
    "CAIRN_ISA forces an instruction set (avx512, avx2, portable).\n";

using AddFunction = void (*)(CLI::App&, Chosen&);
constexpr AddFunction kCommands[] = {
    AddRun,        AddChat,     AddPull,   AddList,       AddShow,  AddRemove, AddTokenize,
    AddDetokenize, AddTemplate, AddLogits, AddPerplexity, AddBench, AddDoctor,
};

void Build(CLI::App& app, Chosen& chosen, const Console& console) {
  app.name("cairn");
  app.formatter(std::make_shared<HelpFormatter>(console.columns()));
  app.set_help_flag("-h,--help", "Explain the command");
  app.set_version_flag("--version", "cairn " CAIRN_VERSION);
  app.get_option("--version")->description("Print the version");
  app.footer(kExamples);
  for (const AddFunction add : kCommands) add(app, chosen);
}

// One sentence about what is wrong with the command line.
std::string Explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  const auto commands =
      app.get_subcommands([&](const CLI::App* command) { return command->get_name() == word; });
  std::string text = error.what();
  while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  if (commands.empty()) {
    if (!word.starts_with('-')) {
      return fmt::format("there is no command '{}'; `cairn --help` lists them all", word);
    }
    return fmt::format("{}; see `cairn --help`", text);
  }
  return fmt::format("{}; see `cairn {} --help`", text, word);
}

int Run(int argc, char** argv, Console& console) {
  CLI::App app{kOverview};
  Chosen chosen;
  Build(app, chosen, console);
  if (argc <= 1) {
    console.Write(app.help());
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    console.Write(app.help());
    return 0;
  } catch (const CLI::CallForVersion& version) {
    console.Write(version.what());
    console.Write("\n");
    return 0;
  } catch (const CLI::ParseError& error) {
    console.Note(Explain(app, error, argc, argv));
    return kUsage;
  }
  if (!chosen.run) {
    console.Note("no command given; `cairn --help` lists them all");
    return kUsage;
  }
  const Result<void> result = chosen.run(console);
  if (!result && !console.closed()) {
    console.Note(result.error().message);
    return kFailed;
  }
  return 0;
}

int Main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // a closed pipe is an answer of write(2)
  Console console(STDOUT_FILENO, STDERR_FILENO);
  int code = kFailed;
  try {
    code = Run(argc, argv, console);
  } catch (const std::bad_alloc&) {
    console.Note("out of memory; a smaller --context or a smaller model needs less");
  } catch (const std::exception& error) {
    console.Note(
        fmt::format("unexpected failure of a library: {}; please report it", error.what()));
  }
  console.EndProgress();
  if (const Result<void> written = console.Finish(); !written) {
    console.Note(written.error().message);
    code = kFailed;
  }
  return code;
}

}  // namespace
}  // namespace cairn::apps

int main(int argc, char** argv) { return cairn::apps::Main(argc, argv); }
