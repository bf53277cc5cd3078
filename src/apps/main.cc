// SPDX-License-Identifier: Apache-2.0
// The program `cairn`: parses the command line, runs one subcommand, turns its result into an exit
// code: 0 done, 1 failed, 2 the command line makes no sense, 130 stopped by Ctrl-C.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/help.h"
#include "apps/serve_settings.h"
#include "apps/usage_error.h"
#include "base/error.h"

namespace cairn::apps {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kInterrupted = 130;  // what a shell calls a program that Ctrl-C ended

constexpr const char* kOverview = "Cairn runs language models on the CPU of this machine.";
constexpr const char* kExamples =
    "First steps:\n"
    "  cairn chat smollm2                        talk to a small model (fetched once, 98 MB)\n"
    "  cairn run smollm2 \"Name three rivers.\"    one answer\n"
    "  cairn doctor                              what this machine has and what it lacks\n"
    "\n"
    "`cairn COMMAND --help` explains a command. CAIRN_HOME names the folder of models,\n"
    "CAIRN_ISA forces an instruction set (avx512, avx_vnni, avx2, neon, portable).\n";

using AddFunction = void (*)(CLI::App&, Chosen&);
constexpr AddFunction kCommands[] = {
    AddRun,    AddChat,     AddBatch,      AddEmbed,    AddRerank,   AddServe,
    AddPull,   AddList,     AddShow,       AddConvert,  AddQuantize, AddImportance,
    AddRemove, AddTokenize, AddDetokenize, AddTemplate, AddLogits,   AddPerplexity,
    AddBench,  AddVerify,   AddTop,        AddDoctor,   AddSupport,
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

// The words after the program's name; `help [COMMAND]` is another spelling of `[COMMAND] --help`.
std::vector<std::string> Arguments(int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.resize(std::min<std::size_t>(arguments.size(), 1));
    arguments.emplace_back("--help");
  }
  return arguments;
}

int Run(const std::vector<std::string>& arguments, Console& console) {
  CLI::App app{kOverview};
  Chosen chosen;
  Build(app, chosen, console);
  if (arguments.empty()) {
    console.Write(HelpText(app));
    return 0;
  }
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp& help) {
    const std::string& word = arguments.front();
    if (!word.starts_with('-') && FindCommand(app, word) == nullptr) {
      console.Note(ExplainUsage(app, help, arguments));
      return kUsage;
    }
    console.Write(HelpText(app));
    return 0;
  } catch (const CLI::CallForVersion& version) {
    console.Write(version.what());
    console.Write("\n");
    return 0;
  } catch (const CLI::ParseError& error) {
    console.Note(ExplainUsage(app, error, arguments));
    return kUsage;
  }
  if (!chosen.run) {
    console.Note("no command given; `cairn --help` lists them all");
    return kUsage;
  }
  const Result<void> result = chosen.run(console);
  if (!result && result.error().code == ErrorCode::kCancelled) return kInterrupted;
  if (!result && !console.closed()) {
    console.Note(result.error().message);
    return kFailed;
  }
  return 0;
}

// A descriptor that was closed when the program began would be given to the next file opened, and
// an answer be written into a model. Opened the wrong way round, it stays unusable.
void HoldStandardDescriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) >= 0) continue;
    open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // takes the lowest: this
  }
}

int Main(int argc, char** argv) {
  HoldStandardDescriptors();
  signal(SIGPIPE, SIG_IGN);  // a closed pipe is an answer of write(2)
  Console console(STDOUT_FILENO, STDERR_FILENO);
  int code = kFailed;
  try {
    const auto words = WithSettingsFile(Arguments(argc, argv));
    if (!words) console.Note(words.error().message);
    code = words ? Run(*words, console) : kUsage;
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
