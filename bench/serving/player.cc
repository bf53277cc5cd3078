// SPDX-License-Identifier: Apache-2.0
#include "player.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>

namespace cairn::bench {
namespace {

constexpr double kMs = 1e-6;  // of a nanosecond

class Player {
 public:
  Player(engine::Answers& answers, std::span<const TraceRequest> trace, const PlayOptions& options)
      : answers_(answers), trace_(trace), options_(options) {
    played_.requests.resize(trace.size());
  }

  [[nodiscard]] Result<Played> Run(const std::function<void()>& after_step) {
    const engine::SchedulerCounters before = answers_.scheduler().counters();
    played_.begin = Now();
    due_ = played_.begin;
    for (int i = 0; !open() && i < options_.clients; ++i) SubmitNext(Now());
    while (ended_ < trace_.size() && !error_) {
      while (open() && next_ < trace_.size() && NextDue() <= Now()) {
        due_ = NextDue();
        SubmitNext(due_);
      }
      const std::int64_t begin = Now();
      const bool busy = answers_.Step();
      if (busy) {
        played_.step_ns += Now() - begin;
        if (after_step) after_step();
      } else if (next_ < trace_.size()) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(NextDue() - Now()));
      }
    }
    if (error_) return std::unexpected(*error_);
    played_.end = Now();
    Subtract(before);
    return std::move(played_);
  }

 private:
  std::int64_t Now() const { return answers_.engine().clock().NowNs(); }
  bool open() const { return options_.rate > 0; }
  std::int64_t NextDue() const {
    return due_ + std::llround(trace_[next_].gap / options_.rate * 1e9);
  }

  void SubmitNext(std::int64_t asked) {
    if (next_ == trace_.size()) return;
    const TraceRequest& request = trace_[next_];
    RequestTimes& times = played_.requests[next_];
    times.asked = asked;
    engine::AnswerRequest wanted{
        .prompt = request.prompt,
        .options = {.max_tokens = request.answer,
                    .ignore_end = true,
                    .sampling = {.temperature = options_.temperature, .seed = next_}}};
    ++next_;
    const auto submitted = answers_.Submit(
        std::move(wanted),
        {.piece =
             [this, &times](int, const engine::AnswerPiece&) {
               times.pieces.push_back(Now());
               return true;
             },
         .ended = {},
         .progress = {},
         .done = [this, &times](
                     std::vector<Result<engine::Answer>> made) { Note(made.front(), times); }});
    if (!submitted) error_ = submitted.error();
  }

  void Note(const Result<engine::Answer>& answer, RequestTimes& times) {
    ++ended_;
    if (!answer) {
      error_ = answer.error();
      return;
    }
    times.ended = Now();
    times.tokens = static_cast<std::int64_t>(answer->tokens.size());
    times.prompt = answer->prompt_tokens;
    times.reused = answer->reused_tokens;
    if (!open()) SubmitNext(Now());
  }

  void Subtract(const engine::SchedulerCounters& before) {
    engine::SchedulerCounters& c = played_.counters;
    c = answers_.scheduler().counters();
    played_.model_ns = c.model_ns - before.model_ns;
    c.steps -= before.steps;
    c.prompt_rows -= before.prompt_rows;
    c.answer_rows -= before.answer_rows;
    c.preempted -= before.preempted;
    c.proposed -= before.proposed;
    c.accepted -= before.accepted;
  }

  engine::Answers& answers_;
  std::span<const TraceRequest> trace_;
  PlayOptions options_;
  std::size_t next_ = 0, ended_ = 0;
  std::int64_t due_ = 0;  // when the request before the next one arrived
  std::optional<Error> error_;
  Played played_;
};

}  // namespace

Result<Played> Play(engine::Answers& answers, std::span<const TraceRequest> trace,
                    const PlayOptions& options, const std::function<void()>& after_step) {
  return Player(answers, trace, options).Run(after_step);
}

double Percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto rank = std::ceil(p * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

boost::json::object Figures(const Played& played) {
  std::vector<double> first, between;
  std::int64_t tokens = 0, prompt = 0, reused = 0;
  for (const RequestTimes& times : played.requests) {
    tokens += times.tokens;
    prompt += times.prompt;
    reused += times.reused;
    if (times.pieces.empty()) continue;
    first.push_back(static_cast<double>(times.pieces.front() - times.asked) * kMs);
    for (std::size_t i = 1; i < times.pieces.size(); ++i) {
      between.push_back(static_cast<double>(times.pieces[i] - times.pieces[i - 1]) * kMs);
    }
  }
  const double seconds = static_cast<double>(played.end - played.begin) * 1e-9;
  const auto own = static_cast<double>(played.step_ns - played.model_ns);
  return {
      {"requests", played.requests.size()},
      {"seconds", seconds},
      {"output_tokens_per_s", static_cast<double>(tokens) / seconds},
      {"prompt_tokens_per_s", static_cast<double>(prompt) / seconds},
      {"requests_per_s", static_cast<double>(played.requests.size()) / seconds},
      {"first_p50_ms", Percentile(first, 0.5)},
      {"first_p99_ms", Percentile(first, 0.99)},
      {"between_p50_ms", Percentile(between, 0.5)},
      {"between_p99_ms", Percentile(between, 0.99)},
      {"output_tokens", tokens},
      {"prompt_tokens", prompt},
      {"cached_tokens", reused},
      {"steps", played.counters.steps},
      {"preempted", played.counters.preempted},
      {"proposed", played.counters.proposed},
      {"accepted", played.counters.accepted},
      {"scheduler_share", own / static_cast<double>(std::max<std::int64_t>(played.step_ns, 1))}};
}

}  // namespace cairn::bench
