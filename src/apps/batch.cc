// SPDX-License-Identifier: Apache-2.0
// cairn batch: a file of requests in, a file of answers out.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "apps/answer.h"
#include "apps/batch_output.h"
#include "apps/batch_progress.h"
#include "apps/command.h"
#include "apps/interrupts.h"
#include "apps/line_reader.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/prompt.h"
#include "apps/text.h"
#include "base/check.h"
#include "engine/answers.h"
#include "grammar/answer_form.h"
#include "server/openai_batch.h"

namespace cairn::apps {
namespace {

constexpr int kIdleMs = 100;  // how often a wait for input looks whether it shall stop

struct BatchOptions {
  std::string model;
  std::string in;
  std::string out;
  int parallel = 8;
  bool no_cache = false;
  bool verbose = false;
  std::string chat_template;
  std::int64_t context = 0;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  std::size_t kv_swap = 0;
  Proposals proposals;
  bool pinned = false;
};

// What responses call the model.
std::string NameOf(const std::string& model) {
  return model.ends_with(".gguf") ? std::filesystem::path(model).stem().string() : model;
}

class Batch {
 public:
  Batch(const BatchOptions& options, engine::Answers& answers, LineReader& in, BatchOutput& out,
        Console& console)
      : options_(options),
        answers_(answers),
        face_(server::MakeChatFace(
            answers.engine(), OpenChatPrompt(answers.engine().model(), options.chat_template))),
        in_(in),
        out_(out),
        console_(console),
        progress_(console, answers.engine().clock()),
        ledger_(out.done().ids, out.done().failures) {
    counts_.total = in.CountLines();
  }

  // Until every line has its result, or `stop`.
  [[nodiscard]] Result<void> Run(std::stop_token stop);

 private:
  struct Job {
    std::int64_t line = 0;
    std::string custom_id;
    server::Endpoint endpoint = server::Endpoint::kChat;
    server::AnswerForm form = {};
  };

  [[nodiscard]] Result<void> ReadAhead(const std::stop_token& stop);
  void TakeLine(const std::string& text, bool too_long);
  void Ask(Job job, server::OpenAiRequest request);
  void Finish(const Job& job, const std::vector<Result<engine::Answer>>& answers);
  void Write(const std::string& line);

  const BatchOptions& options_;
  engine::Answers& answers_;
  server::ChatFace face_;
  LineReader& in_;
  BatchOutput& out_;
  Console& console_;
  grammar::CompiledForms forms_;
  BatchProgress progress_;
  BatchCounts counts_;
  server::BatchLedger ledger_;
  int in_flight_ = 0;
  bool ended_ = false;
  Result<void> written_;  // the first failure ends the batch
};

Result<void> Batch::Run(std::stop_token stop) {
  if (out_.done().results > 0 || out_.done().cut) {
    console_.Note(fmt::format("'{}' holds {} results already; going on from there", options_.out,
                              out_.done().results));
  }
  while (written_ && !stop.stop_requested()) {
    OR_RETURN(ReadAhead(stop));
    if (in_flight_ == 0 && ended_) break;
    if (in_flight_ > 0) CAIRN_CHECK(answers_.Step(stop) || in_flight_ == 0);
    const auto steps = answers_.scheduler().counters();
    counts_.live_tokens = steps.answer_rows + steps.accepted;
    progress_.Show(counts_);
  }
  console_.EndProgress();
  if (console_.broken()) return {};  // main() says why, or ends quietly
  OR_RETURN(written_);
  OR_RETURN(out_.Finish());
  progress_.Summarise(counts_);
  if (!stop.stop_requested()) return {};
  // Not the 130 of an answer that a person cut short: what is missing is missing.
  return Fail(ErrorCode::kIo, "stopped by Ctrl-C; the same command goes on from there");
}

// Keeps enough requests waiting that no place of a step stays empty. A pipe that has nothing yet is
// waited for only where nothing else is to be done.
Result<void> Batch::ReadAhead(const std::stop_token& stop) {
  std::string text;
  while (written_ && !ended_ && in_flight_ < 2 * options_.parallel && !stop.stop_requested()) {
    const LineReader::Got got = OR_RETURN(in_.Next(text, in_flight_ == 0 ? kIdleMs : 0));
    if (got == LineReader::Got::kEnd) ended_ = true;
    if (got == LineReader::Got::kEnd || got == LineReader::Got::kNotYet) return {};
    TakeLine(text, got == LineReader::Got::kTooLong);
  }
  return {};
}

void Batch::TakeLine(const std::string& text, bool too_long) {
  if (!too_long && Trim(text).empty()) return;
  const std::int64_t number = in_.number();
  auto turn = ledger_.Take(
      number, too_long ? Fail(ErrorCode::kLimit,
                              fmt::format("it has more than {} bytes", server::kMostBatchLineBytes))
                       : server::ParseBatchLine(text));
  if (!turn.refusal.empty()) {
    ++counts_.failed;
    return Write(turn.refusal);
  }
  if (!turn.line) {
    ++counts_.skipped;
    return;
  }
  Job job{.line = number, .custom_id = std::move(turn.line->custom_id)};
  if (!turn.line->request) {
    Finish(job, {std::unexpected(std::move(turn.line->request).error())});
    return;
  }
  job.endpoint = turn.line->request->endpoint;
  Ask(std::move(job), std::move(*turn.line->request));
}

void Batch::Ask(Job job, server::OpenAiRequest request) {
  const server::Prompt asked_for = TakePrompt(request);
  auto prompt = server::EncodePrompt(answers_.engine(), face_, asked_for);
  if (!prompt) return Finish(job, {std::unexpected(std::move(prompt).error())});
  auto grammar =
      server::GrammarOf(asked_for, prompt->parts, request.form, request.options.stop, forms_);
  if (!grammar) return Finish(job, {std::unexpected(std::move(grammar).error())});
  request.options.grammar = *std::move(grammar);
  job.form = FormOf(request, answers_.engine(), std::move(prompt->parts));
  engine::AnswerRequest asked{.prompt = std::move(prompt->tokens),
                              .options = std::move(request.options),
                              .choices = request.choices,
                              .tenant = std::move(request.tenant),
                              .use_cache = request.use_cache && !options_.no_cache};
  ++in_flight_;
  engine::AnswerSink sink;
  sink.done = [this, job](const std::vector<Result<engine::Answer>>& answers) {
    --in_flight_;
    Finish(job, answers);
  };
  const auto id = answers_.Submit(std::move(asked), std::move(sink));
  if (id) return;
  --in_flight_;
  Finish(job, {std::unexpected(id.error())});
}

void Batch::Finish(const Job& job, const std::vector<Result<engine::Answer>>& answers) {
  const server::Response response =
      server::ToResponse(job.endpoint,
                         {.id = server::BatchResponseId(job.endpoint, job.line),
                          .created_s = static_cast<std::int64_t>(std::time(nullptr)),
                          .model = NameOf(options_.model),
                          .fingerprint = face_.fingerprint},
                         answers, job.form);
  if (response.status == 200) {
    ++counts_.answered;
    counts_.prompt_tokens += answers.front()->prompt_tokens;
    counts_.cached_tokens += answers.front()->reused_tokens;
    for (const auto& answer : answers) {
      counts_.answer_tokens += static_cast<std::int64_t>(answer->tokens.size());
    }
  } else {
    ++counts_.failed;
  }
  Write(server::BatchResult(job.line, job.custom_id, response));
}

void Batch::Write(const std::string& line) {
  if (written_) written_ = out_.Append(line);
}

// A file without a name on a disk, not in memory as /tmp often is.
Result<std::shared_ptr<kv::SwapFile>> OpenSwap(std::size_t bytes, engine::Engine& engine) {
  if (bytes == 0) return nullptr;
  const char* folder = std::getenv("TMPDIR");
  SystemFiles files;
  auto file = OR_RETURN(files.OpenScratch(folder != nullptr ? folder : "/var/tmp"));
  return std::make_shared<kv::SwapFile>(engine.pool(), std::move(file), bytes, engine.clock());
}

Result<void> RunBatch(const BatchOptions& o, Console& console) {
  // A pull comes before Interrupts, whose signal mask its processes would inherit.
  const std::string path = OR_RETURN(FindModel(o.model, console));
  OR_RETURN(FindDraft(o.proposals, console));
  LineReader in = OR_RETURN(LineReader::Open(o.in, server::kMostBatchLineBytes));
  if (in.IsSameFile(o.out)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' cannot be read and written at once; give the results another "
                            "name",
                            o.out));
  }
  Interrupts interrupts;
  BatchOutput out = OR_RETURN(BatchOutput::Open(o.out, console));
  const Answerer answerer = OR_RETURN(OpenAnswerer(path,
                                                   {.threads = o.threads,
                                                    .kv = o.kv,
                                                    .kv_memory = o.kv_memory,
                                                    .kv_backend = o.kv_backend,
                                                    .context = o.context,
                                                    .step_sequences = o.parallel,
                                                    .pinned = o.pinned},
                                                   o.proposals, console));
  engine::Engine* const engine = answerer.engine.get();
  engine::SchedulerOptions scheduling{.sequences = o.parallel,
                                      .waiting = 2 * o.parallel * engine::kMostChoices,
                                      .swap = OR_RETURN(OpenSwap(o.kv_swap, *engine))};
  answerer.Propose(scheduling);
  engine::Answers answers(*engine, scheduling);
  Batch batch(o, answers, in, out, console);
  auto done = batch.Run(interrupts.BeginAnswer());
  if (o.verbose) {
    console.WriteError(ProposalStatistics(answers.scheduler().counters(), answerer.draft.get()) +
                       MemoryStatistics(*engine, answers.scheduler()));
  }
  return done;
}

}  // namespace

void AddBatch(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<BatchOptions>();
  CLI::App* command = NewCommand(
      app, kTalk, "batch", "Answers to a file of requests, many at once",
      "cairn batch smollm2 questions.jsonl answers.jsonl\n"
      "cairn batch smollm2 questions.jsonl answers.jsonl    # again: what is missing\n"
      "zcat questions.jsonl.gz | cairn batch smollm2 - - --parallel 32 > answers.jsonl\n"
      "# a line: {\"custom_id\": \"1\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\",\n"
      "#          \"body\": {\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}}");
  AddModel(*command, o->model);
  command
      ->add_option("IN", o->in,
                   "Requests in OpenAI's batch format, one JSON object a line; - is standard input")
      ->type_name("")
      ->required()
      ->check(NotEmpty());
  command
      ->add_option("OUT", o->out,
                   "Gets a line for each as it is answered, and is gone on with where it exists; - "
                   "is standard output")
      ->type_name("")
      ->required()
      ->check(NotEmpty());
  AddParallel(*command, o->parallel);
  command->add_flag("--no-cache", o->no_cache,
                    "Compute every prompt whole, also where another began with the same text");
  command->add_flag("-v,--verbose", o->verbose,
                    "Statistics of proposals and KV memory on standard error afterwards");
  command
      ->add_option("--chat-template", o->chat_template,
                   "A file with a Jinja chat template, in place of the model's own")
      ->type_name("FILE");
  AddContext(*command, o->context,
             "Tokens a prompt and its answer may have together (default: what the model has and "
             "memory fits)");
  AddKv(*command, o->kv);
  AddKvMemory(*command, o->kv_memory);
  AddKvBackend(*command, o->kv_backend);
  AddKvSwap(*command, o->kv_swap);
  AddPropose(*command, o->proposals);
  AddThreads(*command, o->threads);
  AddPin(*command, o->pinned);
  OnChosen(*command, chosen, o, RunBatch);
}

}  // namespace cairn::apps
