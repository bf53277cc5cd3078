// SPDX-License-Identifier: Apache-2.0
// cairn run: one answer.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "apps/answer.h"
#include "apps/answer_view.h"
#include "apps/chat.h"
#include "apps/command.h"
#include "apps/form.h"
#include "apps/interrupts.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/prompt.h"
#include "apps/session.h"
#include "apps/text.h"
#include "apps/trace_file.h"
#include "engine/answers.h"

namespace cairn::apps {
namespace {

struct RunOptions {
  std::string model;
  std::optional<std::string> prompt;
  bool raw = false;
  bool json = false;
  bool verbose = false;
  std::string trace;
  FormOptions form;
  AnswerOptions answer;
};

// Whether the prompt is a message of a conversation; else it is a text that goes on.
bool IsMessage(const model::Model& model, const RunOptions& o) {
  return !o.raw && (model.chat_template() || !o.answer.chat_template.empty());
}

// Adds the prompt to what was said before.
Result<void> AddPrompt(const model::Model& model, const std::string& text, const RunOptions& o,
                       Talk& talk) {
  if (talk.is_text) {
    if (!o.answer.system.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("--system needs a chat template and {}; put the instructions into "
                              "the prompt",
                              o.raw ? "--raw uses none" : model.path() + " has none"));
    }
    talk.text += text;
    return {};
  }
  if (Trim(text).empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the prompt is empty; give one, or @FILE, or write it to standard input");
  }
  if (!o.answer.system.empty()) talk.conversation.SetSystem(o.answer.system);
  talk.conversation.Add("user", text);
  return {};
}

Result<std::vector<std::int32_t>> Encode(const model::Model& model, const RunOptions& o,
                                         const Talk& talk) {
  if (talk.is_text) return model::EncodeText(model, talk.text);
  const PromptMaker maker = OR_RETURN(PromptMaker::Create(model, o.answer.chat_template));
  return maker.Encode(talk.conversation.messages());
}

// What the session's file holds, or a new talk. `cost` where there was one.
Result<Talk> BeginTalk(engine::Answers& answers, engine::SessionFiles& sessions,
                       const RunOptions& o, std::string& cost) {
  const bool is_text = !IsMessage(answers.engine().model(), o);
  const std::string& path = o.answer.session;
  if (path.empty() || !IsThere(path)) return Talk{.is_text = is_text};
  LoadedTalk loaded = OR_RETURN(LoadTalk(sessions, path, is_text));
  cost = Describe("session: loaded", loaded.cost) + "\n";
  return std::move(loaded.talk);
}

// Keeps the talk and the answer in the session's file.
Result<void> EndTalk(engine::Answers& answers, engine::SessionFiles& sessions, const RunOptions& o,
                     const std::string& answer, Talk& talk, std::string& cost) {
  if (o.answer.session.empty()) return {};
  if (talk.is_text) {
    talk.text += answer;
  } else {
    talk.conversation.Add("assistant", answer);
  }
  // A template that refuses a conversation which ends with an answer costs its keys and values
  // only.
  const auto tokens =
      Encode(answers.engine().model(), o, talk).value_or(std::vector<std::int32_t>());
  cost += Describe("session: saved", OR_RETURN(SaveTalk(sessions, o.answer.session, talk, tokens,
                                                        answers.engine().clock()))) +
          "\n";
  return {};
}

Result<void> Answer(const RunOptions& o, const std::string& text, Console& console) {
  auto form = OR_RETURN(ReadForm(o.form));
  if (form != nullptr && !o.answer.stop.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "--stop cannot stand beside a form of the answer: what it cuts would not be of it");
  }
  // A pull comes before Interrupts, whose signal mask its processes would inherit.
  const std::string path = OR_RETURN(FindModel(o.model, console));
  OR_RETURN(FindDraft(o.answer.proposals, console));
  Interrupts interrupts;
  const auto trace = OR_RETURN(TraceFile::Create(o.trace));
  const Answerer answerer = OR_RETURN(OpenAnswerer(path,
                                                   {.threads = o.answer.threads,
                                                    .kv = o.answer.kv,
                                                    .kv_memory = o.answer.kv_memory,
                                                    .kv_backend = o.answer.kv_backend,
                                                    .context = o.answer.context,
                                                    .pinned = o.answer.pinned,
                                                    .observer = trace->observer()},
                                                   o.answer.proposals, console));
  engine::Engine* const engine = answerer.engine.get();
  engine::SchedulerOptions scheduling{.sequences = 1};
  answerer.Propose(scheduling);
  engine::Answers answers(*engine, scheduling);
  engine::SessionFiles sessions(answers);
  std::string session_cost;
  Talk talk = OR_RETURN(BeginTalk(answers, sessions, o, session_cost));
  OR_RETURN(AddPrompt(engine->model(), text, o, talk));
  const auto prompt = OR_RETURN(Encode(engine->model(), o, talk));
  const std::stop_token stop = interrupts.BeginAnswer();
  AnswerView view(console, nullptr, "", "", true);
  const engine::TextSink sink = [&](std::string_view piece) { return view.Write(piece); };
  const auto answer = OR_RETURN(answers.Generate(prompt,
                                                 {.max_tokens = o.answer.max_tokens,
                                                  .stop = o.answer.stop,
                                                  .sampling = o.answer.sampling,
                                                  .grammar = std::move(form)},
                                                 o.json ? engine::TextSink() : sink, stop));
  view.Finish();
  if (o.json) {
    console.WriteJson(AnswerJson(answer, o.answer.sampling.seed));
  } else if (!answer.text.ends_with('\n')) {
    console.Write("\n");
  }
  if (const std::string cut = CutNotice(answer, *engine); !cut.empty()) console.Note(cut);
  OR_RETURN(trace->Finish(console));
  // An answer that was stopped leaves the session as it was: the question can be asked again.
  if (!stop.stop_requested()) {
    OR_RETURN(EndTalk(answers, sessions, o, answer.text, talk, session_cost));
  }
  if (o.verbose) {
    console.WriteError(session_cost + Statistics(answer, *engine, o.answer.sampling.seed) +
                       ProposalStatistics(answers.scheduler().counters(), answerer.draft.get()) +
                       MemoryStatistics(*engine, answers.scheduler()));
  }
  if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped by Ctrl-C");
  return {};
}

Result<void> Run(const RunOptions& o, Console& console) {
  if (!o.prompt && isatty(STDIN_FILENO) != 0) {
    if (!o.raw && !o.json && !o.form.any()) return Chat(o.model, o.answer, o.verbose, console);
    return Fail(ErrorCode::kInvalidArgument,
                "there is no prompt; give one, or @FILE, or write it to standard input");
  }
  const std::string text =
      o.prompt ? OR_RETURN(ReadArgument(*o.prompt)) : OR_RETURN(ReadStandardInput());
  return Answer(o, text, console);
}

}  // namespace

void AddRun(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<RunOptions>();
  CLI::App* command =
      NewCommand(app, kTalk, "run", "One answer, streamed as it is made",
                 "cairn run smollm2 \"Name three rivers.\"\n"
                 "cairn run smollm2 --temp 0 -v @question.txt\n"
                 "cairn run smollm2 --session trip \"And which is the longest?\"\n"
                 "cairn run smollm2 --schema person.json \"Invent a person.\"\n"
                 "git diff | cairn run smollm2 --system \"Summarise this change.\"\n"
                 "cairn run gemma3 \"The capital of France is\" -n 12 --temp 0");
  AddModel(*command, o->model);
  command
      ->add_option("PROMPT", o->prompt,
                   "The question; @FILE reads a file, - standard input. Without it: standard "
                   "input, or the chat where that is a terminal")
      ->type_name("");
  command->add_flag("--raw", o->raw, "Continue the prompt as it is: no chat template");
  AddJson(*command, o->json);
  command->add_flag("-v,--verbose", o->verbose, "Statistics on standard error afterwards");
  AddTrace(*command, o->trace);
  AddFormOptions(*command, o->form);
  AddAnswerOptions(*command, o->answer);
  OnChosen(*command, chosen, o, Run);
}

}  // namespace cairn::apps
