// SPDX-License-Identifier: Apache-2.0
#include "server/batch_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <ctime>
#include <unordered_set>
#include <utility>

#include "server/json_members.h"
#include "server/openai_response.h"
#include "server/question.h"

namespace cairn::server {
namespace {

constexpr int kPriority = -10;  // everything else comes first
constexpr std::chrono::seconds kPause{1};
constexpr std::uint64_t kMostResultsBytes = std::uint64_t{4} << 30;

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// Calls take(line) for each line with something in it.
template <typename Take>
void EachLine(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!IsBlank(line)) take(line);
  }
}

// Whether a line of results has an answer.
bool IsAnswer(std::string_view line) {
  return line.find(R"("response":{"status_code":200,)") != std::string_view::npos;
}

}  // namespace

struct BatchRun::Line {
  std::int64_t number = 0;
  std::string custom_id;
  OpenAiRequest request;
  std::string model;  // that answers
  std::string fingerprint;
  AnswerForm form;
  std::shared_ptr<const ServedModel> served;
};

class BatchRun::Listener final : public AnswerListener {
 public:
  Listener(std::shared_ptr<BatchRun> run, std::shared_ptr<Line> line)
      : run_(std::move(run)), line_(std::move(line)) {}
  void Refused(const Error& error) override {
    run_->jobs_.erase(job);
    if (error.code == ErrorCode::kBusy) return run_->Later(line_);
    run_->Answered(*line_, {std::unexpected(error)});
  }
  void Accepted() override {}
  bool wants_pieces() const override { return false; }
  void Piece(int /*choice*/, const engine::AnswerPiece& /*piece*/) override {}
  void Done(std::vector<Result<engine::Answer>> answers) override {
    run_->jobs_.erase(job);
    run_->Answered(*line_, answers);
  }
  EngineLoop::JobRef job;

 private:
  std::shared_ptr<BatchRun> run_;
  std::shared_ptr<Line> line_;
};

BatchRun::BatchRun(Api& api, FileStore& files, std::shared_ptr<BatchState> state,
                   std::function<void(Result<void>)> ended)
    : api_(api), files_(files), state_(std::move(state)), ended_(std::move(ended)) {}

// --- its files ---

void BatchRun::Start() {
  boost::asio::post(api_.preparing, [self = shared_from_this()] {
    boost::asio::post(self->api_.loop, [self, read = self->ReadFiles()] { self->Began(read); });
  });
}

Result<BatchRun::Counts> BatchRun::ReadFiles() {
  Counts counts;
  input_ = OR_RETURN(files_.Read(state_->tenant, state_->input));
  EachLine(input_, [&](std::string_view /*line*/) { ++counts.total; });
  OR_RETURN(ReadDone(counts));
  return counts;
}

// The results so far; a last line that is not whole goes.
Result<void> BatchRun::ReadDone(Counts& counts) {
  FileSystem& disk = files_.disk();
  const std::string path = fmt::format("{}/{}.out", files_.folder(), state_->id);
  auto text = ReadWholeFile(disk, path, kMostResultsBytes);
  if (!text && text.error().code != ErrorCode::kNotFound) return std::unexpected(text.error());
  if (text) {
    text->resize(text->rfind('\n') == std::string::npos ? 0 : text->rfind('\n') + 1);
    Result<void> read;
    std::unordered_set<std::string> answered;
    std::unordered_set<std::int64_t> failed;
    EachLine(*text, [&](std::string_view line) {
      const auto record = ParseBatchResult(line);
      if (!record) {
        read = std::unexpected(record.error());
      } else if (record->answered) {
        answered.insert(record->custom_id);
      } else {
        failed.insert(record->line);
      }
      ++(IsAnswer(line) ? counts.completed : counts.failed);
    });
    OR_RETURN(read);
    ledger_ = BatchLedger(std::move(answered), std::move(failed));
    OR_RETURN(WriteWholeFile(disk, path, *text));
  }
  out_ = OR_RETURN(disk.OpenToWrite(path, WriteMode::kAppend));
  return {};
}

void BatchRun::Began(const Result<Counts>& read) {
  if (abandoned_) return;
  if (read) {
    state_->total = read->total;
    state_->completed = read->completed;
    state_->failed = read->failed;
  } else {
    written_ = std::unexpected(read.error());
  }
  Fill();
}

void BatchRun::Write(std::string line, bool answered) {
  ++(answered ? state_->completed : state_->failed);
  boost::asio::post(api_.preparing, [self = shared_from_this(), line = std::move(line)] {
    if (!self->appended_) return;
    self->appended_ = self->out_->Write(std::as_bytes(std::span(line)));
    if (self->appended_) return;
    boost::asio::post(self->api_.loop,
                      [self, failed = self->appended_] { self->written_ = failed; });
  });
}

void BatchRun::Finish() {
  if (std::exchange(concluding_, true)) return;
  boost::asio::post(api_.preparing, [self = shared_from_this(), written = written_] {
    const auto concluded = written ? self->Conclude() : std::unexpected(written.error());
    boost::asio::post(self->api_.loop, [self, files = concluded] {
      if (self->abandoned_) return;
      if (!files) return self->ended_(std::unexpected(files.error()));
      self->state_->output = files->output;
      self->state_->errors = files->errors;
      self->ended_({});
    });
  });
}

// The lines become files of the tenant, then they go.
Result<BatchRun::Files> BatchRun::Conclude() {
  FileSystem& disk = files_.disk();
  const std::string path = fmt::format("{}/{}.out", files_.folder(), state_->id);
  OR_RETURN(appended_);
  OR_RETURN(out_->Sync());
  OR_RETURN(out_->Close());
  out_.reset();
  const std::string text = OR_RETURN(ReadWholeFile(disk, path, kMostResultsBytes));
  std::string answers, failures;
  EachLine(text, [&](std::string_view line) {
    (IsAnswer(line) ? answers : failures).append(line).append("\n");
  });
  const auto keep = [&](const char* name, const std::string& lines,
                        std::string& id) -> Result<void> {
    if (lines.empty()) return {};
    id = OR_RETURN(files_.Add(state_->tenant, fmt::format("{}_{}.jsonl", state_->id, name),
                              "batch_output", lines))
             .id;
    return {};
  };
  Files files;
  OR_RETURN(keep("output", answers, files.output));
  OR_RETURN(keep("error", failures, files.errors));
  OR_RETURN(disk.Remove(path));
  return files;
}

// --- its lines ---

void BatchRun::Fill() {
  const int most = 2 * api_.options.scheduler.sequences;
  while (written_ && !cancelled_ && !abandoned_ && in_flight_ < most && at_ < input_.size()) {
    const std::string_view rest = std::string_view(input_).substr(at_);
    const std::string_view line = rest.substr(0, rest.find('\n'));
    at_ += std::min(rest.size(), line.size() + 1);
    ++number_;
    if (!IsBlank(line)) TakeLine(number_, line);
  }
  const bool nothing_left = at_ >= input_.size() || cancelled_ || !written_;
  if (in_flight_ == 0 && nothing_left && !abandoned_) Finish();
}

void BatchRun::TakeLine(std::int64_t number, std::string_view text) {
  auto turn = ledger_.Take(number, ParseBatchLine(text));
  if (!turn.refusal.empty()) return Write(std::move(turn.refusal), false);
  if (!turn.line) return;
  auto line = std::make_shared<Line>();
  line->number = number;
  line->custom_id = std::move(turn.line->custom_id);
  ++in_flight_;
  if (!turn.line->request) return Answered(*line, {std::unexpected(turn.line->request.error())});
  line->request = std::move(*turn.line->request);
  if (PathOf(line->request.endpoint) != state_->endpoint) {
    return Answered(
        *line, {Fail(ErrorCode::kInvalidArgument, "its url is not the batch's endpoint", "url")});
  }
  Ask(line);
}

void BatchRun::Ask(const std::shared_ptr<Line>& line) {
  std::string name = line->request.model;
  if (name.empty() && !state_->models.empty()) name = state_->models.front();
  if (!state_->models.empty() && std::ranges::count(state_->models, name) == 0) {
    return Answered(*line, {Fail(ErrorCode::kNotFound, "the key may not use that model", "model")});
  }
  api_.models.Use(name, [self = shared_from_this(),
                         line](const Result<std::shared_ptr<const ServedModel>>& model) {
    if (model) return self->Encode(line, *model);
    if (model.error().code == ErrorCode::kBusy) return self->Later(line);
    self->Answered(*line, {std::unexpected(model.error())});
  });
}

// On the thread that prepares, so that long lines keep no client waiting.
void BatchRun::Encode(const std::shared_ptr<Line>& line,
                      const std::shared_ptr<const ServedModel>& model) {
  boost::asio::post(api_.preparing, [self = shared_from_this(), line, model] {
    const auto encode = [&]() -> Result<PromptTokens> {
      OpenAiRequest taken = line->request;  // a line that has to wait is encoded again
      const Prompt asked_for = TakePrompt(taken);
      PromptTokens prompt =
          OR_RETURN(EncodePrompt(model->engine->engine(), model->face, asked_for));
      line->request.options.grammar = OR_RETURN(
          GrammarOf(asked_for, prompt.parts, taken.form, taken.options.stop, self->api_.forms));
      return prompt;
    };
    boost::asio::post(self->api_.loop, [self, line, model, prompt = encode()]() mutable {
      self->Submit(line, model, std::move(prompt));
    });
  });
}

void BatchRun::Submit(const std::shared_ptr<Line>& line,
                      const std::shared_ptr<const ServedModel>& model,
                      Result<PromptTokens> prompt) {
  if (abandoned_) return;
  line->model = model->id;
  line->fingerprint = model->face.fingerprint;
  line->served = model;
  if (!prompt) return Answered(*line, {std::unexpected(std::move(prompt).error())});
  if (cancelled_) return Answered(*line, {Fail(ErrorCode::kCancelled, "the batch was cancelled")});
  const OpenAiRequest& request = line->request;
  line->form = FormOf(request, model->engine->engine(), std::move(prompt->parts));
  engine::AnswerRequest asked{.prompt = std::move(prompt->tokens),
                              .options = request.options,
                              .choices = request.choices,
                              .priority = kPriority,
                              .tenant = state_->tenant.empty() ? request.tenant : state_->tenant,
                              .space = SpaceOf(state_->tenant),
                              .use_cache = request.use_cache};
  auto listener = std::make_shared<Listener>(shared_from_this(), line);
  listener->job = EngineLoop::NewJob();
  const auto submitted =
      api_.engines.Submit(listener->job, model->engine, std::move(asked), listener);
  if (!submitted) return Later(line);
  jobs_.insert(listener->job);
}

// Too many wait already, or the model is not there yet.
void BatchRun::Later(const std::shared_ptr<Line>& line) {
  line->served.reset();
  auto timer = std::make_shared<boost::asio::steady_timer>(api_.loop, kPause);
  timer->async_wait(
      [self = shared_from_this(), line, timer](const boost::system::error_code& error) {
        if (error || self->abandoned_) return;
        if (!self->cancelled_) return self->Ask(line);
        self->Answered(*line, {Fail(ErrorCode::kCancelled, "the batch was cancelled")});
      });
}

void BatchRun::Answered(const Line& line, const std::vector<Result<engine::Answer>>& answers) {
  if (abandoned_) return;
  --in_flight_;
  const bool dropped =
      cancelled_ && !answers.front() && answers.front().error().code == ErrorCode::kCancelled;
  if (!dropped) {
    const Response response =
        ToResponse(line.request.endpoint,
                   {.id = BatchResponseId(line.request.endpoint, line.number),
                    .created_s = static_cast<std::int64_t>(std::time(nullptr)),
                    .model = line.model,
                    .fingerprint = line.fingerprint},
                   answers, line.form);
    Write(BatchResult(line.number, line.custom_id, response), response.status == 200);
  }
  // Not from within Fill, which would call itself line by line.
  boost::asio::post(api_.loop, [self = shared_from_this()] { self->Fill(); });
}

void BatchRun::Cancel() {
  cancelled_ = true;
  for (const auto& job : jobs_) api_.engines.Cancel(job);
  if (!input_.empty()) Fill();
}

}  // namespace cairn::server
