// SPDX-License-Identifier: Apache-2.0
// cairn chat: the shell in which a person talks to a model.
#include "apps/chat.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "apps/answer.h"
#include "apps/chat_settings.h"
#include "apps/command.h"
#include "apps/conversation.h"
#include "apps/interrupts.h"
#include "apps/line_editor.h"
#include "apps/open.h"
#include "apps/prompt.h"
#include "apps/text.h"
#include "base/file.h"
#include "model/new_file.h"

namespace cairn::apps {
namespace {

constexpr const char* kPrompt = ">>> ";
constexpr const char* kContinuation = "... ";
constexpr std::string_view kBlock = "\"\"\"";

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

class ChatShell {
 public:
  ChatShell(engine::Engine& engine, PromptMaker prompts, engine::Sequence sequence,
            const AnswerOptions& options, bool statistics, LineEditor& editor,
            Interrupts& interrupts, Console& console)
      : engine_(engine),
        prompts_(std::move(prompts)),
        sequence_(std::move(sequence)),
        options_(options),
        editor_(editor),
        interrupts_(interrupts),
        console_(console) {
    settings_.sampling = options.sampling;
    settings_.max_tokens = options.max_tokens;
    settings_.stats = statistics;
    conversation_.SetSystem(options.system);
  }

  [[nodiscard]] Result<void> Loop();
  static std::vector<std::string> CommandNames();

 private:
  struct Command {
    const char* name;
    const char* argument;
    const char* help;
    void (ChatShell::*run)(const std::string& argument);
  };
  static const std::vector<Command>& Commands();

  std::optional<std::string> ReadMessage(bool& interrupted);
  void Ask(const std::string& question);
  void RunCommand(std::string_view line);
  void Say(std::string_view text) {
    console_.Write(text);
    console_.Write("\n");
    console_.Flush();
  }
  // On standard output where it is a terminal that shows the chat, else on standard error.
  void Complain(std::string_view text) {
    if (editor_.is_terminal()) return Say(fmt::format("! {}", text));
    failed_ = true;
    console_.Note(text);
  }

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

  engine::Engine& engine_;
  PromptMaker prompts_;
  engine::Sequence sequence_;
  const AnswerOptions& options_;
  LineEditor& editor_;
  Interrupts& interrupts_;
  Console& console_;
  ChatSettings settings_;
  Conversation conversation_;
  std::optional<engine::Answer> last_;
  bool leaving_ = false;
  bool failed_ = false;  // something went wrong where nobody is there to react
};

const std::vector<ChatShell::Command>& ChatShell::Commands() {
  static const std::vector<Command> commands = {
      {"/help", "", "this list", &ChatShell::Help},
      {"/clear", "", "forget the conversation (the system instructions stay)", &ChatShell::Clear},
      {"/retry", "", "another answer to the last question", &ChatShell::Retry},
      {"/undo", "", "take the last question and its answer back", &ChatShell::Undo},
      {"/system", "[TEXT|off]", "show, set or remove the system instructions", &ChatShell::System},
      {"/save", "FILE", "write the conversation as JSON messages", &ChatShell::Save},
      {"/load", "FILE", "go on with a saved conversation", &ChatShell::Load},
      {"/set", "[NAME VALUE]", "show or change temp, top-k, seed, ...", &ChatShell::Set},
      {"/stats", "", "tokens and speed of the last answer, room left in the context",
       &ChatShell::Stats},
      {"/bye", "", "leave (so does Ctrl-D)", &ChatShell::Bye},
  };
  return commands;
}

std::vector<std::string> ChatShell::CommandNames() {
  std::vector<std::string> names;
  for (const Command& command : Commands()) names.emplace_back(command.name);
  return names;
}

// One message: a line, lines that end in a backslash with the next one, or a block in three quotes.
// Nothing at the end of the input.
std::optional<std::string> ChatShell::ReadMessage(bool& interrupted) {
  std::string message;
  bool block = false;
  for (bool first = true;; first = false) {
    Line line = editor_.Read(first ? kPrompt : kContinuation);
    interrupted = line.end == LineEnd::kInterrupted;
    if (interrupted) return std::string();
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
      if (end != std::string_view::npos) return message;
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

void ChatShell::Ask(const std::string& question) {
  conversation_.Add("user", question);
  const auto prompt = prompts_.Encode(conversation_.messages());
  if (!prompt) {
    conversation_.TakeLastQuestion();
    return Complain(prompt.error().message);
  }
  const auto size = static_cast<std::int64_t>(prompt->size());
  if (size >= engine_.context()) {
    conversation_.TakeLastQuestion();
    return Complain(fmt::format(
        "with this message the conversation has {} tokens, and the context holds {}: the message "
        "was not sent; /clear begins anew, /undo takes the last exchange back, a larger --context "
        "holds more (this model: up to {})",
        size, engine_.context(), engine_.model().context_length()));
  }
  const std::stop_token stop = interrupts_.BeginAnswer();
  const engine::TextSink sink = [&](std::string_view text) {
    return console_.Write(text) && console_.Flush();
  };
  auto answer = engine_.Generate(
      sequence_, *prompt,
      {.max_tokens = settings_.max_tokens, .stop = options_.stop, .sampling = settings_.sampling},
      sink, stop);
  if (!answer) {
    conversation_.TakeLastQuestion();
    Say("");
    return Complain(answer.error().message);
  }
  const bool stopped = answer->reason == engine::FinishReason::kCancelled;
  if (stopped && answer->text.empty()) {
    conversation_.TakeLastQuestion();
  } else {
    conversation_.Add("assistant", answer->text);
  }
  if (stopped) console_.Write(answer->text.empty() ? "(stopped; not kept)" : " (stopped)");
  Say(editor_.is_terminal() ? "\n" : "");
  if (const std::string cut = CutNotice(*answer, engine_); !cut.empty()) {
    Complain(cut + "; /clear begins anew, /undo takes this exchange back");
  }
  if (settings_.stats) console_.WriteError(Statistics(*answer, engine_, settings_.sampling.seed));
  last_ = std::move(*answer);
}

void ChatShell::RunCommand(std::string_view line) {
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  const std::string argument(Trim(line.substr(name.size())));
  if (name == "/exit" || name == "/quit") return Bye(argument);
  const auto& commands = Commands();
  const auto command = std::ranges::find(commands, name, &Command::name);
  if (command == commands.end()) {
    return Complain(fmt::format("there is no command {}; /help lists them", name));
  }
  (this->*command->run)(argument);
}

void ChatShell::Help(const std::string&) {
  std::string text;
  for (const Command& command : Commands()) {
    text += fmt::format("  {:22} {}\n", fmt::format("{} {}", command.name, command.argument),
                        command.help);
  }
  Say(text +
      "\n"
      "  A line that ends in \\ goes on in the next one; \"\"\" begins and ends a block of lines.\n"
      "  Ctrl-C stops the answer or clears the line, Ctrl-D leaves, Ctrl-R searches the history.");
}

void ChatShell::Clear(const std::string&) {
  conversation_.Clear();
  last_.reset();
  Say("The conversation is forgotten.");
}

void ChatShell::Retry(const std::string&) {
  const std::string question = conversation_.TakeLastQuestion();
  if (question.empty()) return Complain("there is no question yet");
  ++settings_.sampling.seed;  // the same seed would give the same answer
  Ask(question);
}

void ChatShell::Undo(const std::string&) {
  const std::string question = conversation_.TakeLastQuestion();
  if (question.empty()) return Complain("there is nothing to take back");
  constexpr std::size_t kShown = 60;
  const std::string_view line = std::string_view(question).substr(0, question.find('\n'));
  Say(fmt::format("Taken back: {}{}", line.substr(0, kShown),
                  line.size() > kShown || line.size() < question.size() ? "..." : ""));
}

void ChatShell::System(const std::string& argument) {
  if (!argument.empty()) conversation_.SetSystem(argument == "off" ? "" : argument);
  Say(conversation_.system().empty() ? "No system instructions."
                                     : "System instructions: " + conversation_.system());
}

void ChatShell::Save(const std::string& argument) {
  if (argument.empty()) return Complain("/save needs the name of a file");
  if (std::filesystem::exists(argument)) {
    const auto old = ReadTextFile(argument);
    if (!old || !Conversation::FromJsonText(*old)) {
      return Complain(
          fmt::format("{} is there already and is no saved conversation; give another "
                      "name",
                      argument));
    }
  }
  const std::string text = conversation_.ToJsonText();
  SystemFiles files;
  const auto saved = [&]() -> Result<void> {
    model::NewFile file = OR_RETURN(model::NewFile::Create(files, argument + ".part"));
    OR_RETURN(file.Append(std::as_bytes(std::span(text))));
    return file.Commit(argument);
  }();
  if (!saved) return Complain(saved.error().message);
  Say(fmt::format("Saved {} messages to {}.", conversation_.messages().size(), argument));
}

void ChatShell::Load(const std::string& argument) {
  if (argument.empty()) return Complain("/load needs the name of a file");
  const auto text = ReadTextFile(argument);
  if (!text) return Complain(text.error().message);
  auto loaded = Conversation::FromJsonText(*text);
  if (!loaded) return Complain(std::move(loaded).error().Within(argument).message);
  conversation_ = std::move(*loaded);
  last_.reset();
  Say(fmt::format("Loaded {} messages from {}.", conversation_.messages().size(), argument));
}

void ChatShell::Set(const std::string& argument) {
  if (argument.empty()) return Say(settings_.Describe());
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
  text +=
      fmt::format("{} of {} tokens of the context are in use", sequence_.size(), engine_.context());
  Say(text);
}

Result<void> ChatShell::Loop() {
  if (editor_.is_terminal()) {
    Say(fmt::format("{}, context {} tokens. /help lists the commands, Ctrl-D leaves.",
                    std::filesystem::path(engine_.model().path()).filename().string(),
                    engine_.context()));
  }
  while (!leaving_ && !console_.closed()) {
    bool interrupted = false;
    const auto message = ReadMessage(interrupted);
    if (!message) break;
    const std::string_view text = Trim(*message);
    if (interrupted || text.empty()) continue;
    if (text.starts_with('/') && !text.contains('\n')) {
      RunCommand(text);
    } else {
      Ask(*message);
    }
  }
  if (failed_)
    return Fail(ErrorCode::kInvalidArgument, "some lines of the input were not answered");
  return {};
}

}  // namespace

Result<void> Chat(const std::string& model, const AnswerOptions& options, bool statistics,
                  Console& console) {
  Interrupts interrupts;  // before the engine's threads: they inherit the signal mask
  const auto engine = OR_RETURN(OpenEngine(
      model, {.threads = options.threads, .kv = options.kv, .context = options.context}, console));
  PromptMaker prompts = OR_RETURN(PromptMaker::Create(engine->model(), options.chat_template));
  engine::Sequence sequence = OR_RETURN(engine->NewSequence());
  const model::Store store = OR_RETURN(OpenStore());
  LineEditor editor(store.folder() + "/.chat-history", ChatShell::CommandNames(), interrupts);
  ChatShell shell(*engine, std::move(prompts), std::move(sequence), options, statistics, editor,
                  interrupts, console);
  return shell.Loop();
}

void AddChat(CLI::App& app, Chosen& chosen) {
  struct ChatOptions {
    std::string model;
    bool verbose = false;
    AnswerOptions answer;
  };
  auto o = std::make_shared<ChatOptions>();
  CLI::App* command =
      NewCommand(app, kTalk, "chat", "Talk to a model",
                 "cairn chat smollm2\n"
                 "cairn chat smollm2 --system \"Answer in one sentence.\" --temp 0");
  AddModel(*command, o->model);
  command->add_flag("-v,--verbose", o->verbose, "Statistics after every answer");
  AddAnswerOptions(*command, o->answer);
  OnChosen(*command, chosen, o, [](const ChatOptions& options, Console& console) {
    return Chat(options.model, options.answer, options.verbose, console);
  });
}

}  // namespace cairn::apps
