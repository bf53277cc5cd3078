// SPDX-License-Identifier: Apache-2.0
// The shell in which a person talks to a model: reads messages, runs commands, shows answers.
// Threads: the main thread.
// Borrows everything that its constructor is given by reference.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/chat_settings.h"
#include "apps/console.h"
#include "apps/conversation.h"
#include "apps/interrupts.h"
#include "apps/line_editor.h"
#include "apps/options.h"
#include "apps/prompt.h"
#include "apps/session.h"
#include "engine/answers.h"

namespace cairn::apps {

class ChatShell {
 public:
  ChatShell(engine::Answers& answers, PromptMaker prompts, const AnswerOptions& options,
            bool statistics, LineEditor& editor, Interrupts& interrupts, Console& console);

  // Goes on with the conversation in a file, or with a new one where it is not there; `path` empty:
  // nothing. Errors: as LoadTalk.
  [[nodiscard]] Result<void> OpenSession(const std::string& path);
  // Writes the conversation there if it is another now. Errors: as SaveTalk.
  [[nodiscard]] Result<void> CloseSession();

  // Until the person leaves. Errors: kInvalidArgument where nobody sat there to react and some
  // lines of the input were refused.
  [[nodiscard]] Result<void> Loop();

  // What Tab completes: commands and settings.
  static std::vector<std::string> Completions();

 private:
  struct Command {
    const char* name;
    const char* argument;
    const char* help;
    void (ChatShell::*run)(const std::string& argument);
  };
  static const std::vector<Command>& Commands();

  std::optional<std::string> ReadMessage(bool& interrupted);
  // Whether the question and its answer stand in the conversation now.
  bool Ask(const std::string& question);
  std::optional<std::vector<std::int32_t>> PromptThatFits();
  std::string TooLong(std::int64_t tokens) const;
  [[nodiscard]] Result<engine::SessionCost> SaveSession(const std::string& path);
  [[nodiscard]] Result<engine::SessionCost> LoadSession(const std::string& path);
  void ShowEnd(const engine::Answer& answer);
  void RunCommand(std::string_view line);
  void Say(std::string_view text);
  // On standard output where it is a terminal that shows the chat, else on standard error.
  void Complain(std::string_view text);

  void Help(const std::string&);
  void Clear(const std::string&);
  void Retry(const std::string&);
  void Undo(const std::string&);
  void System(const std::string&);
  void Save(const std::string&);
  void Load(const std::string&);
  void Set(const std::string&);
  void Stats(const std::string&);
  void Bye(const std::string&) { leaving_ = true; }

  engine::Answers& answers_;
  engine::Engine& engine_;
  PromptMaker prompts_;
  const AnswerOptions& options_;
  LineEditor& editor_;
  Interrupts& interrupts_;
  Console& console_;
  ChatSettings settings_;
  Conversation conversation_;
  engine::SessionFiles sessions_;
  std::string session_;        // the file of --session
  std::string session_holds_;  // the conversation in it, as JSON
  std::optional<engine::Answer> last_;
  bool leaving_ = false;
  bool failed_ = false;  // something went wrong where nobody is there to react
};

}  // namespace cairn::apps
