// SPDX-License-Identifier: Apache-2.0
// The experiment of systems/31: answers to prompts that are retrieved while they wait, with a real
// model, without streaming and with it in every order.
//
// Usage: stream_input MODEL.gguf [--short] [--mode append|update|both] [--requests N] [--seed N]
//                     [--load SHARE] [--delay FACTOR] [--memory PROMPTS] [--arms NAME,...]
// The arrival rate is chosen so that computing every prompt once takes `--load` of the machine as
// it was measured at the beginning. KV memory is `--memory` median prompts. Time runs as the steps
// take it, but where there is nothing to do it jumps to the next arrival: so a trace costs only its
// computing, and other work on the machine makes it slower, never the retrieval. Time to first
// token counts from the last piece. Answers have one token, which must be the same in every arm.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "engine/answers.h"
#include "trace.h"

namespace cairn::bench {
namespace {

// The system's time, and what was skipped because nothing was to be done.
class SkippingClock final : public Clock {
 public:
  std::int64_t NowNs() const override { return system_.NowNs() + skipped_ns_; }
  void SkipTo(std::int64_t ns) { skipped_ns_ += std::max<std::int64_t>(ns - NowNs(), 0); }

 private:
  SystemClock system_;
  std::atomic<std::int64_t> skipped_ns_{0};
};

struct Options {
  std::string model;
  std::string mode = "both";
  int requests = 60;
  double load = 0.75, delay = 0.125, memory = 4;
  std::uint64_t seed = 31;
  std::vector<std::string> arms;
};

struct Arm {
  const char* name;
  bool streaming;
  engine::StreamOrder order;
  bool swap = false;  // what gives way goes to a file where that is faster, else computed again
};
constexpr Arm kArms[] = {
    {"none", false, engine::StreamOrder::kFirstCome},
    {"stock", true, engine::StreamOrder::kStock},
    {"FCFS", true, engine::StreamOrder::kFirstCome},
    {"LCAS", true, engine::StreamOrder::kLatestPiece},
    {"MCPS", true, engine::StreamOrder::kMostComputed},
    {"none, swap", false, engine::StreamOrder::kFirstCome, true},
    {"stock, swap", true, engine::StreamOrder::kStock, true},
    {"FCFS, swap", true, engine::StreamOrder::kFirstCome, true},
    {"LCAS, swap", true, engine::StreamOrder::kLatestPiece, true},
    {"MCPS, swap", true, engine::StreamOrder::kMostComputed, true},
};

struct Outcome {
  std::vector<double> first_ms;  // by request: from its last piece to its first token
  std::vector<std::int32_t> tokens;
  double seconds = 0;  // of the whole trace
  engine::SchedulerCounters counters;
};

// One arm over one trace.
class Replay {
 public:
  Replay(const Arm& arm, const std::vector<Retrieval>& trace, bool update, engine::Answers& answers,
         SkippingClock& clock)
      : arm_(arm), trace_(trace), update_(update), answers_(answers), clock_(clock) {
    outcome_.first_ms.resize(trace.size());
    outcome_.tokens.resize(trace.size(), -1);
    for (std::size_t i = 0; i < trace.size(); ++i) {
      for (std::size_t p = 0; p < trace[i].pieces.size(); ++p) {
        if (arm.streaming || p + 1 == trace[i].pieces.size()) {
          events_.insert({trace[i].pieces[p].ns, {i, p}});
        }
      }
    }
  }

  Result<Outcome> Run() {
    const std::int64_t begin = clock_.NowNs();
    auto next = events_.begin();
    while (ended_ < trace_.size()) {
      for (; next != events_.end() && begin + next->first <= clock_.NowNs(); ++next) {
        OR_RETURN(Deliver(next->second.first, next->second.second, begin + next->first));
      }
      if (failed_) return std::unexpected(*failed_);
      if (answers_.Step()) continue;
      if (next == events_.end()) {
        return Fail(ErrorCode::kNumeric, "nothing is to be done and requests are left");
      }
      clock_.SkipTo(begin + next->first);
    }
    outcome_.seconds = static_cast<double>(clock_.NowNs() - begin) * 1e-9;
    outcome_.counters = answers_.scheduler().counters();
    return outcome_;
  }

 private:
  Result<void> Deliver(std::size_t i, std::size_t p, std::int64_t due_ns) {
    const Retrieval& r = trace_[i];
    const bool last = p + 1 == r.pieces.size();
    if (!arm_.streaming) return Ask(i, r.prompt, due_ns);
    if (p == 0) {
      OR_RETURN(Ask(i, r.pieces[0].tokens, due_ns));
    } else if (update_) {
      OR_RETURN(answers_.Update(ids_.at(i), r.pieces[p].tokens));
    } else {
      OR_RETURN(answers_.Append(ids_.at(i), r.pieces[p].tokens));
    }
    if (!last) return {};
    due_[i] = due_ns;
    return answers_.Finish(ids_.at(i));
  }

  Result<void> Ask(std::size_t i, const std::vector<std::int32_t>& prompt, std::int64_t due_ns) {
    engine::AnswerRequest request;
    request.prompt = prompt;
    request.streaming = arm_.streaming;
    request.options.max_tokens = 1;
    request.options.sampling.temperature = 0;
    engine::AnswerSink sink;
    sink.done = [this, i](std::vector<Result<engine::Answer>> answers) {
      ++ended_;
      if (!answers[0]) {
        failed_ = answers[0].error();
        return;
      }
      outcome_.first_ms[i] = static_cast<double>(clock_.NowNs() - due_.at(i)) * 1e-6;
      if (!answers[0]->tokens.empty()) outcome_.tokens[i] = answers[0]->tokens[0];
    };
    due_[i] = due_ns;
    ids_[i] = OR_RETURN(answers_.Submit(std::move(request), std::move(sink)));
    return {};
  }

  const Arm& arm_;
  const std::vector<Retrieval>& trace_;
  bool update_;
  engine::Answers& answers_;
  SkippingClock& clock_;
  std::multimap<std::int64_t, std::pair<std::size_t, std::size_t>> events_;
  std::map<std::size_t, engine::RequestId> ids_;
  std::map<std::size_t, std::int64_t> due_;  // when the last piece came
  std::size_t ended_ = 0;
  std::optional<Error> failed_;
  Outcome outcome_;
};

double Percentile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  return values[at];
}

Result<std::unique_ptr<engine::Engine>> Open(const std::shared_ptr<const model::Model>& model,
                                             std::size_t kv_bytes, std::int64_t context,
                                             const std::shared_ptr<SkippingClock>& clock) {
  return engine::Engine::Create(
      model,
      {.context = context, .kv_memory_bytes = kv_bytes, .step_sequences = 64, .clock = clock});
}

// On a disk, not in memory as other temporary folders are.
Result<std::shared_ptr<kv::SwapFile>> OpenSwap(engine::Engine& engine) {
  const char* folder = std::getenv("TMPDIR");
  SystemFiles files;
  auto file = OR_RETURN(files.OpenScratch(folder != nullptr ? folder : "/var/tmp"));
  return std::make_shared<kv::SwapFile>(engine.pool(), std::move(file), std::size_t{1} << 30,
                                        engine.clock());
}

// Tokens of prompts in a second, the median of a few.
Result<double> Speed(const std::shared_ptr<const model::Model>& model, std::int64_t tokens) {
  const auto clock = std::make_shared<SkippingClock>();
  const auto engine = OR_RETURN(Open(model, 0, 2048, clock));
  engine::Answers answers(*engine, {});
  std::vector<double> speeds;
  for (int i = 0; i < 6; ++i) {
    const std::vector<Retrieval> one = MakeTrace({.requests = 1,
                                                  .longest = tokens,
                                                  .vocabulary = engine->vocabulary(),
                                                  .seed = static_cast<std::uint64_t>(1000 + i)});
    const std::int64_t start = clock->NowNs();
    OR_RETURN(answers.Generate(one[0].prompt, {.max_tokens = 1}, {}));
    if (i == 0) continue;
    speeds.push_back(static_cast<double>(one[0].prompt.size()) /
                     (static_cast<double>(clock->NowNs() - start) * 1e-9));
  }
  return Percentile(speeds, 0.5);
}

Result<void> Compare(const std::shared_ptr<const model::Model>& model, const Options& o,
                     bool update) {
  const std::int64_t median = MedianPrompt(update);
  const auto held = static_cast<std::int64_t>(o.memory * static_cast<double>(median));
  TraceOptions t{.update = update,
                 .requests = o.requests,
                 .delay = o.delay,
                 .longest = std::min<std::int64_t>(held * 3 / 4, 2048),
                 .seed = o.seed};
  const double speed = OR_RETURN(Speed(model, median));
  const auto clock = std::make_shared<SkippingClock>();
  std::size_t token_bytes = 0;
  {
    const auto probe = OR_RETURN(Open(model, 0, 256, clock));
    t.vocabulary = static_cast<int>(model->tokenizer().size());
    token_bytes = probe->kv_bytes_per_token();
  }
  t.per_second = o.load * speed / MeanPrompt(MakeTrace(t));  // lengths do not depend on the rate
  const std::vector<Retrieval> trace = MakeTrace(t);
  fmt::print(
      "{} requests, {}: prompts of {:.0f} tokens on average, {:.2f} a second, retrieved in "
      "{:.2f} s (median); {:.0f} tokens/s measured; KV memory for {} tokens\n\n",
      o.requests, update ? "a search that revises" : "a crawler that appends", MeanPrompt(trace),
      t.per_second, (update ? 3.90 : 8.67) * o.delay, speed, held);
  fmt::print(
      "| arm | P50 ms | P95 | P99 | all, s | gave way | read back | rows computed | lost | "
      "invalidated |\n|---|---|---|---|---|---|---|---|---|---|\n");
  std::vector<std::int32_t> expected;
  for (const Arm& arm : kArms) {
    if (!o.arms.empty() && std::ranges::find(o.arms, arm.name) == o.arms.end()) continue;
    const auto engine = OR_RETURN(Open(model, static_cast<std::size_t>(held) * token_bytes,
                                       std::max(held, t.longest + 64), clock));
    engine::SchedulerOptions options{.sequences = 64, .stream_order = arm.order, .clock = clock};
    if (arm.swap) options.swap = OR_RETURN(OpenSwap(*engine));
    engine::Answers answers(*engine, options);
    const Outcome out = OR_RETURN(Replay(arm, trace, update, answers, *clock).Run());
    if (expected.empty()) expected = out.tokens;
    const auto& c = out.counters;
    const std::int64_t rows = c.prompt_rows + c.answer_rows;
    fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} | {:.1f} | {} | {} | {} | {} | {} |{}\n", arm.name,
               Percentile(out.first_ms, 0.5), Percentile(out.first_ms, 0.95),
               Percentile(out.first_ms, 0.99), out.seconds, c.preempted, c.swapped_in, rows,
               c.lost_rows, c.invalidated_rows, out.tokens == expected ? "" : " ANSWERS DIFFER");
    std::fflush(stdout);
  }
  fmt::print("\n");
  return {};
}

std::optional<Options> Parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = [&] { return std::string(++i < argc ? argv[i] : ""); };
    if (word == "--short") {
      o.requests = 12;
    } else if (word == "--mode") {
      o.mode = value();
    } else if (word == "--requests") {
      o.requests = std::max(1, std::atoi(value().c_str()));
    } else if (word == "--seed") {
      o.seed = std::strtoull(value().c_str(), nullptr, 10);
    } else if (word == "--load") {
      o.load = std::atof(value().c_str());
    } else if (word == "--delay") {
      o.delay = std::atof(value().c_str());
    } else if (word == "--memory") {
      o.memory = std::atof(value().c_str());
    } else if (word == "--arms") {
      std::string names = value();
      for (std::size_t at = 0; at <= names.size();) {
        const std::size_t comma = std::min(names.find(',', at), names.size());
        o.arms.push_back(names.substr(at, comma - at));
        at = comma + 1;
      }
    } else if (!word.starts_with('-') && o.model.empty()) {
      o.model = word;
    } else {
      return std::nullopt;
    }
  }
  const bool known = o.mode == "append" || o.mode == "update" || o.mode == "both";
  if (o.model.empty() || !known || o.load <= 0 || o.delay <= 0 || o.memory < 1) return std::nullopt;
  return o;
}

Result<void> Main(const Options& o) {
  const auto model = OR_RETURN(model::Model::Load(o.model, {}));
  if (o.mode != "update") OR_RETURN(Compare(model, o, false));
  if (o.mode != "append") OR_RETURN(Compare(model, o, true));
  return {};
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  const auto options = cairn::bench::Parse(argc, argv);
  if (!options) {
    fmt::print(
        stderr,
        "usage: stream_input MODEL.gguf [--short] [--mode append|update|both] [--requests N]\n"
        "  [--seed N] [--load SHARE] [--delay FACTOR] [--memory PROMPTS] [--arms NAME,...]\n");
    return 2;
  }
  const auto done = cairn::bench::Main(*options);
  if (!done) fmt::print(stderr, "stream_input: {}\n", done.error().message);
  return done ? 0 : 1;
}
