// SPDX-License-Identifier: Apache-2.0
// What a line that begins with a slash does in the chat.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "apps/answer.h"
#include "apps/chat_shell.h"
#include "apps/help.h"
#include "apps/output_file.h"
#include "apps/text.h"
#include "base/file.h"

namespace cairn::apps {
namespace {

// "~/x" as a shell reads it.
std::string WithoutTilde(const std::string& path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home != nullptr ? home + path.substr(1) : path;
}

// The beginning of a message on one line of a terminal.
std::string Beginning(std::string_view message) {
  constexpr std::size_t kShown = 60;
  std::string_view line = message.substr(0, message.find('\n'));
  std::size_t end = std::min(line.size(), kShown);
  while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  line = line.substr(0, end);
  return std::string(line) + (line.size() < message.size() ? "..." : "");
}

}  // namespace

const std::vector<ChatShell::Command>& ChatShell::Commands() {
  static const std::vector<Command> commands = {
      {"/help", "", "this list", &ChatShell::Help},
      {"/clear", "", "forget the conversation (the system instructions stay)", &ChatShell::Clear},
      {"/retry", "", "another answer to the last question", &ChatShell::Retry},
      {"/undo", "", "take the last question and its answer back", &ChatShell::Undo},
      {"/system", "[TEXT|off]", "show, set or remove the system instructions", &ChatShell::System},
      {"/save", "FILE", "keep the conversation with its keys and values; NAME.json: its messages",
       &ChatShell::Save},
      {"/load", "FILE", "go on with a saved conversation", &ChatShell::Load},
      {"/set", "[NAME VALUE]", "show or change temp, top-k, seed, ...", &ChatShell::Set},
      {"/stats", "", "speed of the last answer, room left in the context", &ChatShell::Stats},
      {"/bye", "", "leave (so does Ctrl-D)", &ChatShell::Bye},
  };
  return commands;
}

std::vector<std::string> ChatShell::Completions() {
  std::vector<std::string> words;
  for (const Command& command : Commands()) words.emplace_back(command.name);
  for (const std::string& name : ChatSettings::Names()) words.push_back("/set " + name);
  return words;
}

void ChatShell::RunCommand(std::string_view line) {
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  const std::string argument(Trim(line.substr(name.size())));
  if (name == "/exit" || name == "/quit") return Bye(argument);
  if (name == "/?") return Help(argument);
  const auto& commands = Commands();
  const auto command = std::ranges::find(commands, name, &Command::name);
  if (command == commands.end()) {
    return Complain(
        fmt::format("there is no command {}; /help lists them, and a message may begin "
                    "with a blank before its slash",
                    Beginning(name)));
  }
  (this->*command->run)(argument);
}

void ChatShell::Help(const std::string&) {
  const HelpFormatter rows(console_.columns());
  std::string text;
  for (const Command& command : Commands()) {
    text += rows.Row(fmt::format("{} {}", command.name, command.argument), command.help);
  }
  text += '\n';
  text += rows.Row("TEXT \\", "goes on in the next line");
  text += rows.Row("\"\"\"TEXT\"\"\"", "a message of several lines");
  text += rows.Row("Ctrl-C", "stops the answer, clears the line");
  text += rows.Row("Ctrl-R", "searches in what was typed before");
  text += rows.Row("Tab", "completes a command");
  console_.Write(text);
  console_.Flush();
}

void ChatShell::Clear(const std::string&) {
  conversation_.Clear();
  last_.reset();
  Say("The conversation is forgotten.");
}

void ChatShell::Retry(const std::string&) {
  Conversation before = conversation_;
  const std::string question = conversation_.TakeLastQuestion();
  if (question.empty()) return Complain("there is no question yet");
  if (settings_.sampling.temperature == 0) {
    conversation_ = std::move(before);
    return Complain("at temp 0 the answer would be the same; /set temp 0.8 makes answers differ");
  }
  ++settings_.sampling.seed;  // the same seed would give the same answer
  if (!Ask(question)) conversation_ = std::move(before);
}

void ChatShell::Undo(const std::string&) {
  const std::string question = conversation_.TakeLastQuestion();
  if (question.empty()) return Complain("there is nothing to take back");
  Say("Taken back: " + Beginning(question));
}

void ChatShell::System(const std::string& argument) {
  if (!argument.empty()) conversation_.SetSystem(argument == "off" ? "" : argument);
  Say(conversation_.system().empty() ? "No system instructions."
                                     : "System instructions: " + conversation_.system());
}

void ChatShell::Save(const std::string& argument) {
  if (argument.empty()) return Complain("/save needs the name of a file");
  const std::string path = WithoutTilde(argument);
  if (std::filesystem::exists(path) && !IsSessionFile(path)) {
    const auto old = ReadTextFile(path);
    if (!old || !Conversation::FromJsonText(*old)) {
      return Complain(
          fmt::format("{} is there already and is no saved conversation; give another name", path));
    }
  }
  const std::size_t messages = conversation_.messages().size();
  if (!path.ends_with(".json")) {
    const auto saved = SaveSession(path);
    if (!saved) return Complain(saved.error().message);
    return Say(fmt::format("Saved {} messages to {}: {}.", messages, path,
                           Describe("keys and values of", *saved)));
  }
  const std::string text = conversation_.ToJsonText();
  SystemFiles files;
  const auto saved = [&]() -> Result<void> {
    OutputFile file = OR_RETURN(OutputFile::Create(files, path));
    OR_RETURN(file.Append(std::as_bytes(std::span(text))));
    return file.Finish();
  }();
  if (!saved) return Complain(saved.error().message);
  Say(fmt::format("Saved {} messages to {}.", messages, path));
}

void ChatShell::Load(const std::string& argument) {
  if (argument.empty()) return Complain("/load needs the name of a file");
  const std::string path = WithoutTilde(argument);
  if (IsSessionFile(path)) {
    const auto loaded = LoadSession(path);
    if (!loaded) return Complain(loaded.error().message);
    return Say(fmt::format("Loaded {} messages from {}: {}.", conversation_.messages().size(), path,
                           Describe("keys and values of", *loaded)));
  }
  const auto text = ReadTextFile(path);
  if (!text) return Complain(text.error().message);
  auto loaded = Conversation::FromJsonText(*text);
  if (!loaded) {
    return Complain(fmt::format("{} is not what /save writes: {}", path, loaded.error().message));
  }
  conversation_ = std::move(*loaded);
  last_.reset();
  Say(fmt::format("Loaded {} messages from {}.", conversation_.messages().size(), path));
}

void ChatShell::Set(const std::string& argument) {
  if (argument.empty()) {
    console_.Write(settings_.Describe());
    console_.Flush();
    return;
  }
  const std::size_t space = argument.find_first_of(" \t");
  const std::string name = argument.substr(0, space);
  const std::string value(space == std::string::npos ? "" : Trim(argument.substr(space)));
  if (value.empty()) return Complain("/set needs a name and a value; /set alone shows them");
  const auto set = settings_.Set(name, value);
  if (!set) return Complain(set.error().message);
  Say(fmt::format("{} is {} now.", name, value));
}

void ChatShell::Stats(const std::string&) {
  std::string text = last_ ? Statistics(*last_, engine_, settings_.sampling.seed) : "";
  const auto in_use = prompts_.Encode(conversation_.messages());
  text += fmt::format("{} of {} tokens of the context are in use", in_use ? in_use->size() : 0,
                      engine_.context());
  Say(text + "\n" + ProposalStatistics(answers_.scheduler().counters(), nullptr) +
      MemoryStatistics(answers_.engine(), answers_.scheduler()));
}

}  // namespace cairn::apps
