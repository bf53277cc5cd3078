// SPDX-License-Identifier: Apache-2.0
// cairn chat: a conversation.
#include "apps/chat.h"

#include "apps/chat_shell.h"
#include "apps/command.h"
#include "apps/open.h"
#include "engine/answers.h"

namespace cairn::apps {

Result<void> Chat(const std::string& model, const AnswerOptions& options, bool statistics,
                  Console& console) {
  // A pull comes before Interrupts, whose signal mask its processes would inherit.
  const std::string path = OR_RETURN(FindModel(model, console));
  OR_RETURN(FindDraft(options.proposals, console));
  Interrupts interrupts;
  const Answerer answerer = OR_RETURN(OpenAnswerer(path,
                                                   {.threads = options.threads,
                                                    .kv = options.kv,
                                                    .kv_memory = options.kv_memory,
                                                    .kv_backend = options.kv_backend,
                                                    .context = options.context,
                                                    .pinned = options.pinned},
                                                   options.proposals, console));
  engine::Engine* const engine = answerer.engine.get();
  PromptMaker prompts = OR_RETURN(PromptMaker::Create(engine->model(), options.chat_template));
  engine::SchedulerOptions scheduling{.sequences = 1};
  answerer.Propose(scheduling);
  engine::Answers answers(*engine, scheduling);
  const model::Store store = OR_RETURN(OpenStore());
  LineEditor editor(store.folder() + "/.chat-history", ChatShell::Completions(), interrupts);
  ChatShell shell(answers, std::move(prompts), options, statistics, editor, interrupts, console);
  OR_RETURN(shell.OpenSession(options.session));
  auto ended = shell.Loop();
  OR_RETURN(shell.CloseSession());
  return ended;
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
                 "cairn chat smollm2 --session diary\n"
                 "cairn chat smollm2 --system \"Answer in one sentence.\" --temp 0");
  AddModel(*command, o->model);
  command->add_flag("-v,--verbose", o->verbose, "Statistics after every answer");
  AddAnswerOptions(*command, o->answer);
  OnChosen(*command, chosen, o, [](const ChatOptions& options, Console& console) {
    return Chat(options.model, options.answer, options.verbose, console);
  });
}

}  // namespace cairn::apps
