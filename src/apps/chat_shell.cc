// SPDX-License-Identifier: Apache-2.0
#include "apps/chat_shell.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/answer.h"
#include "apps/answer_view.h"
#include "apps/text.h"
#include "apps/word_wrap.h"

namespace cairn::apps {
namespace {

constexpr const char* kPrompt = ">>> ";
constexpr const char* kContinuation = "... ";
constexpr std::string_view kBlock = "\"\"\"";

}  // namespace

ChatShell::ChatShell(engine::Answers& answers, PromptMaker prompts, const AnswerOptions& options,
                     bool statistics, LineEditor& editor, Interrupts& interrupts, Console& console)
    : answers_(answers),
      engine_(answers.engine()),
      prompts_(std::move(prompts)),
      options_(options),
      editor_(editor),
      interrupts_(interrupts),
      console_(console),
      sessions_(answers) {
  settings_.sampling = options.sampling;
  settings_.max_tokens = std::max<std::int64_t>(0, options.max_tokens);
  settings_.stats = statistics;
  conversation_.SetSystem(options.system);
}

// One message: a line, lines that end in a backslash with the next one, or a block in three quotes.
// Nothing at the end of the input.
std::optional<std::string> ChatShell::ReadMessage(bool& interrupted) {
  std::string message;
  bool block = false;
  for (bool first = true;; first = false) {
    Line line = editor_.Read(first ? kPrompt : kContinuation);
    interrupted = line.end == LineEnd::kInterrupted;
    if (interrupted) {
      if (first && line.text.empty()) Say("Ctrl-D or /bye leaves.");
      return std::string();
    }
    if (line.end == LineEnd::kEndOfFile) {
      if (first) return std::nullopt;
      return message;  // what was typed counts; the next read ends the chat
    }
    std::string_view text = line.text;
    if (first && text.starts_with(kBlock)) {
      block = true;
      text.remove_prefix(kBlock.size());
      if (text.empty()) continue;
    }
    if (block) {
      const std::size_t end = text.find(kBlock);
      message += text.substr(0, end);
      if (end != std::string_view::npos) return message.append(text.substr(end + kBlock.size()));
      message += '\n';
    } else if (text.ends_with('\\')) {
      message += text.substr(0, text.size() - 1);
      message += '\n';
    } else {
      message += text;
      return message;
    }
  }
}

// A sentence for a person whose conversation does not fit, with what can be done.
std::string ChatShell::TooLong(std::int64_t tokens) const {
  const bool alone = conversation_.turns() == 1;
  std::string text =
      fmt::format("the message was not sent: {} {} tokens, and the context holds {}; {}",
                  alone ? "it has" : "with it the conversation has", tokens, engine_.context(),
                  alone ? "shorten it" : "/undo takes the last exchange back, /clear begins anew");
  if (const std::int64_t most = engine_.model().context_length(); most > engine_.context()) {
    text += fmt::format(", --context {} is the most that this model has", most);
  }
  return text;
}

// The tokens of the conversation, or nothing and a word about why.
std::optional<std::vector<std::int32_t>> ChatShell::PromptThatFits() {
  auto prompt = prompts_.Encode(conversation_.messages());
  if (!prompt) {
    Complain(prompt.error().message);
    return std::nullopt;
  }
  const auto size = static_cast<std::int64_t>(prompt->size());
  if (size < engine_.context()) return std::move(*prompt);
  Complain(TooLong(size));
  return std::nullopt;
}

bool ChatShell::Ask(const std::string& question) {
  conversation_.Add("user", question);
  const auto prompt = PromptThatFits();
  if (!prompt) {
    conversation_.TakeLastQuestion();
    return false;
  }
  const std::stop_token stop = interrupts_.BeginAnswer();
  auto answer = [&] {
    AnswerView view(console_, &editor_, kPrompt, fmt::format("(reading {} tokens)", prompt->size()),
                    settings_.wrap);
    return answers_.Generate(
        *prompt,
        {.max_tokens = settings_.max_tokens > 0 ? settings_.max_tokens : -1,
         .stop = options_.stop,
         .sampling = settings_.sampling},
        [&](std::string_view text) { return view.Write(text); }, stop);
  }();
  if (!answer) {
    conversation_.TakeLastQuestion();
    Say("");
    Complain(answer.error().message);
    return false;
  }
  const bool kept = answer->reason != engine::FinishReason::kCancelled || !answer->text.empty();
  if (kept) {
    conversation_.Add("assistant", answer->text);
  } else {
    conversation_.TakeLastQuestion();
  }
  ShowEnd(*answer);
  last_ = std::move(*answer);
  return kept;
}

// What comes after the text of an answer.
void ChatShell::ShowEnd(const engine::Answer& answer) {
  if (answer.reason == engine::FinishReason::kCancelled) {
    console_.Write(answer.text.empty() ? "(stopped; not kept)" : " (stopped)");
  }
  console_.Write(editor_.is_terminal() && !answer.text.ends_with('\n') ? "\n\n" : "\n");
  console_.Flush();
  if (const std::string cut = CutNotice(answer, engine_); !cut.empty()) {
    Complain(cut + "; /undo takes this exchange back, /clear begins anew");
  }
  if (settings_.stats) console_.WriteError(Statistics(answer, engine_, settings_.sampling.seed));
}

void ChatShell::Say(std::string_view text) {
  console_.Write(console_.out_is_terminal() ? Wrapped(text, console_.columns())
                                            : std::string(text));
  console_.Write("\n");
  console_.Flush();
}

void ChatShell::Complain(std::string_view text) {
  if (editor_.is_terminal()) return Say(fmt::format("! {}", text));
  failed_ = true;
  console_.Note(text);
}

Result<engine::SessionCost> ChatShell::SaveSession(const std::string& path) {
  // A template that refuses a conversation which ends with an answer costs its keys and values
  // only.
  const auto tokens =
      prompts_.Encode(conversation_.messages()).value_or(std::vector<std::int32_t>());
  const Talk talk{.is_text = false, .conversation = conversation_, .text = {}};
  return SaveTalk(sessions_, path, talk, tokens, engine_.clock());
}

Result<engine::SessionCost> ChatShell::LoadSession(const std::string& path) {
  LoadedTalk loaded = OR_RETURN(LoadTalk(sessions_, path, false));
  conversation_ = std::move(loaded.talk.conversation);
  last_.reset();
  return loaded.cost;
}

Result<void> ChatShell::OpenSession(const std::string& path) {
  session_ = path;
  session_holds_ = conversation_.ToJsonText();
  if (path.empty() || !IsThere(path)) return {};
  const std::string system = conversation_.system();
  const engine::SessionCost cost = OR_RETURN(LoadSession(path));
  session_holds_ = conversation_.ToJsonText();
  if (!system.empty()) conversation_.SetSystem(system);
  if (settings_.stats) console_.WriteError(Describe("session: loaded", cost) + "\n");
  return {};
}

Result<void> ChatShell::CloseSession() {
  if (session_.empty() || conversation_.ToJsonText() == session_holds_) return {};
  const engine::SessionCost cost = OR_RETURN(SaveSession(session_));
  if (settings_.stats) console_.WriteError(Describe("session: saved", cost) + "\n");
  return {};
}

Result<void> ChatShell::Loop() {
  if (editor_.is_terminal()) {
    Say(fmt::format("{}, context {} tokens. /help lists the commands, Ctrl-D leaves.",
                    std::filesystem::path(engine_.model().path()).filename().string(),
                    engine_.context()));
  }
  while (!leaving_ && !console_.broken()) {
    bool interrupted = false;
    const auto message = ReadMessage(interrupted);
    if (!message) break;
    const std::string_view text = Trim(*message);
    if (interrupted || text.empty()) continue;
    // A blank before the slash makes a message of it.
    if (message->starts_with('/') && !text.contains('\n')) {
      RunCommand(text);
    } else {
      Ask(*message);
    }
  }
  if (failed_)
    return Fail(ErrorCode::kInvalidArgument, "some lines of the input were not answered");
  return {};
}

}  // namespace cairn::apps
