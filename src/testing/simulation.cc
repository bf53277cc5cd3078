// SPDX-License-Identifier: Apache-2.0
#include "testing/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "engine/scheduled_run.h"
#include "engine/scheduler.h"

// What a scheduler must not do, done to it from inside.
struct cairn::engine::SchedulerFaults {
  // The change that was sent last keeps one computed position more than is true.
  static void KeepOneTooMany(Scheduler& scheduler, RequestId id) {
    const ScheduledRun& run = *scheduler.requests_.at(id)->runs.front();
    const auto common = static_cast<std::size_t>(run.stream->common);
    if (common < run.tokens.size() && common < run.stream->tokens.size()) ++run.stream->common;
  }
  static void ObeyNow(Scheduler& scheduler) { scheduler.ObeyStreams(); }
};

namespace cairn::testing {
namespace {

using Tokens = std::vector<std::int32_t>;

// How a request must end, and what its choices must say.
struct Expected {
  Tokens answer;          // what an undisturbed choice says, without the end
  std::int64_t most = 0;  // tokens
  std::size_t choices = 0;
  bool may_end_early = false;  // cancelled, or has a deadline
  bool open = false;           // its prompt is not complete: nothing may be said
  std::int64_t fails_ns = 0;   // while it is open, from when on it may fail for want of more
  std::size_t ended = 0;       // choices so far
  bool gone = false;
  std::string complaint;
};

class Recorder final : public engine::TokenChooser {
 public:
  Recorder(Expected& expected, const Clock& clock) : expected_(expected), clock_(clock) {}

  std::optional<std::int32_t> Next(std::span<const float> logits) override {
    if (ended_) Complain("a token was asked for after the end");
    if (expected_.open) Complain("a token was asked for before the prompt was complete");
    const auto largest = std::ranges::max_element(logits) - logits.begin();
    const auto token = static_cast<std::int32_t>(largest);
    if (token == kStubEnd) return std::nullopt;
    said_.push_back(token);
    if (static_cast<std::int64_t>(said_.size()) == expected_.most) return std::nullopt;
    return token;
  }
  void Reused(std::int64_t) override {
    if (!said_.empty()) Complain("reuse was told after the first token");
  }
  void End(engine::Ended how) override {
    Finish();
    const bool whole = how == engine::Ended::kByChooser;
    // Cut short, it says the beginning of the same.
    const bool same = whole ? said_ == expected_.answer
                            : said_.size() <= expected_.answer.size() &&
                                  std::equal(said_.begin(), said_.end(), expected_.answer.begin());
    if (!same) Complain("an answer differs from the one made alone");
    if (how == engine::Ended::kCancelled && !expected_.may_end_early) Complain("nobody cancelled");
    if (how != engine::Ended::kCancelled && expected_.open)
      Complain("ended before it was complete");
  }
  void Fail(const Error& error) override {
    Finish();
    const bool timed_out = expected_.open && clock_.NowNs() >= expected_.fails_ns;
    if (!expected_.may_end_early && !timed_out) Complain("failed: " + error.message);
  }

 private:
  void Finish() {
    if (ended_) Complain("a choice ended twice");
    ended_ = true;
    ++expected_.ended;
  }
  void Complain(const std::string& what) {
    if (expected_.complaint.empty()) expected_.complaint = what;
  }
  Expected& expected_;
  const Clock& clock_;
  Tokens said_;
  bool ended_ = false;
};

Tokens AnswerAlone(const Tokens& prompt, std::int64_t most, std::int64_t context) {
  std::uint64_t hash = 0;
  for (const std::int32_t token : prompt) hash = StubHash(hash, token);
  Tokens text = prompt;
  Tokens answer;
  while (true) {
    const std::int32_t previous = text.size() > 1 ? text[text.size() - 2] : 0;
    const std::int32_t next = StubNext(hash, previous, text.back());
    if (next == kStubEnd) return answer;
    answer.push_back(next);
    text.push_back(next);
    hash = StubHash(hash, next);
    if (static_cast<std::int64_t>(answer.size()) == most ||
        static_cast<std::int64_t>(text.size()) > context) {
      return answer;
    }
  }
}

// A disk of memory: as slow as it is told, and with errors and wrong bytes now and then.
class BadDisk final : public ScratchFile {
 public:
  BadDisk(VirtualClock& clock, double ns_per_byte, std::function<bool()> fails)
      : clock_(clock), ns_per_byte_(ns_per_byte), fails_(std::move(fails)) {}
  Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    Spend(out.size());
    if (fails_()) return Fail(ErrorCode::kIo, "a bad sector");
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(offset);
    std::copy_n(from, out.size(), out.begin());
    if (fails_()) out[out.size() / 2] ^= std::byte{4};
    return {};
  }
  Result<void> WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    Spend(bytes.size());
    if (fails_()) return Fail(ErrorCode::kIo, "a bad sector");
    bytes_.resize(std::max(bytes_.size(), offset + bytes.size()));
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }

 private:
  void Spend(std::size_t bytes) {
    clock_.AdvanceNs(static_cast<std::int64_t>(ns_per_byte_ * static_cast<double>(bytes)));
  }
  VirtualClock& clock_;
  double ns_per_byte_;
  std::function<bool()> fails_;
  std::vector<std::byte> bytes_;
};

class Day {
 public:
  Day(std::uint64_t seed, Plant plant)
      : random_(seed),
        draft_random_(~seed),
        plant_(plant),
        steps_fail_(seed % 10 == 0),
        states_(seed % 4 == 3),
        options_(Options(plant)),
        model_(options_, clock_) {
    engine::SchedulerOptions scheduler;
    scheduler.sequences = Between(1, 16);
    scheduler.propose = Chance(0.7);
    scheduler.cache_secret = seed;
    scheduler.stream_order = static_cast<engine::StreamOrder>(Between(0, 3));
    scheduler.stream_idle_ns = idle_ns_ = Between(1, 20) * 1'000'000'000LL;
    streams_ = Chance(0.7) ? 0.4 : 0;
    if (Chance(0.5)) scheduler.swap = swap_ = MakeSwap();
    if (DraftBetween(1, 10) <= 3) scheduler.draft = MakeDraft();
    scheduler.propose_always = DraftBetween(1, 5) == 1;
    scheduler.clock = std::shared_ptr<const Clock>(std::shared_ptr<void>(), &clock_);
    scheduler_ = std::make_unique<engine::Scheduler>(model_, scheduler);
    for (int i = 0; i < 3; ++i) beginnings_.push_back(Text(Between(20, 400)));
    model_.SetDuringStep([this] { SendPieces(0.03, true); });
  }

  DayReport Run() {
    const int requests = Between(5, 30);
    for (int i = 0; i < requests && !Wrong(); ++i) {
      Arrive();
      // Bursts, or pauses in which everything may end.
      const int steps = Chance(0.5) ? 0 : Between(1, Chance(0.1) ? 400 : 20);
      for (int s = 0; s < steps && !Wrong(); ++s) Step();
    }
    for (int s = 0; s < kMostSteps && !scheduler_->idle() && !Wrong(); ++s) Step();
    if (!scheduler_->idle()) Complain("requests are left: a deadlock, or one starves");
    CheckEnd();
    Report();
    CheckDraft();
    return report_;
  }

 private:
  static constexpr int kMostSteps = 20000;

  int Between(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  int DraftBetween(int low, int high) {
    return low + static_cast<int>(draft_random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool Chance(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }
  StubOptions Options(Plant plant) {
    return {.budget_tiles = static_cast<std::size_t>(Between(10, Chance(0.5) ? 40 : 400)),
            .context = Between(200, 1500),
            .step_rows = Between(16, 200),
            .step_sequences = Between(1, 16),
            .states = states_,
            .plant = plant};
  }
  std::shared_ptr<kv::SwapFile> MakeSwap() {
    constexpr double kNsPerByte[] = {0.01, 1, 100};
    const double fails = Chance(0.3) ? 0.02 : 0;
    auto disk = std::make_unique<BadDisk>(clock_, kNsPerByte[Between(0, 2)],
                                          [this, fails] { return fails > 0 && Chance(fails); });
    const auto most = static_cast<std::size_t>(Between(4, Chance(0.5) ? 20 : 400)) * 4096;
    return std::make_shared<kv::SwapFile>(model_.pool(), std::move(disk), most, clock_);
  }
  // Another model over the same tokens, right as often as it may be, with memory of its own.
  std::shared_ptr<engine::Draft> MakeDraft() {
    constexpr int kErrsIn[] = {0, 1, 3, 10};
    drafter_ = std::make_shared<StubModel>(
        StubOptions{.budget_tiles = static_cast<std::size_t>(DraftBetween(2, 100)),
                    .context = DraftBetween(100, 1500),
                    .step_rows = DraftBetween(1, 200),
                    .step_sequences = DraftBetween(1, 16),
                    .errs_in = kErrsIn[DraftBetween(0, 3)]},
        clock_);
    return std::make_shared<engine::Draft>(
        drafter_, engine::DraftOptions{.vocabulary = kStubVocabulary,
                                       .catch_up_rows = DraftBetween(0, 200),
                                       .cache_secret = 1});
  }
  Tokens Text(int size) {
    Tokens text(static_cast<std::size_t>(size));
    for (std::int32_t& token : text) token = Between(1, kStubVocabulary - 1);
    return text;
  }

  // Of a prompt: nothing, one of the beginnings or a part of it, and some more.
  Tokens Prompt() {
    Tokens prompt;
    if (Chance(0.6)) {
      prompt = beginnings_[static_cast<std::size_t>(Between(0, 2))];
      if (Chance(0.3))
        prompt.resize(static_cast<std::size_t>(Between(1, static_cast<int>(prompt.size()))));
    }
    const Tokens rest = Text(Between(prompt.empty() ? 1 : 0, Chance(0.1) ? 800 : 90));
    prompt.insert(prompt.end(), rest.begin(), rest.end());
    return prompt;
  }

  void Arrive() {
    auto expected = std::make_unique<Expected>();
    expected->most = Between(1, 120);
    expected->choices = static_cast<std::size_t>(Chance(0.2) ? Between(2, 5) : 1);
    engine::Request request;
    request.streaming = Chance(streams_);
    if (!request.streaming || Chance(0.5)) request.prompt = Prompt();
    for (std::size_t c = 0; c < expected->choices; ++c) {
      request.choices.push_back(std::make_unique<Recorder>(*expected, clock_));
    }
    request.priority = Chance(0.3) ? Between(-10, 10) : 0;
    request.tenant = std::string(1, static_cast<char>('a' + Between(0, 2)));
    request.space = static_cast<kv::CacheSpace>(Chance(0.2) ? 1 : 0);
    request.use_cache = !Chance(0.1);
    if (Chance(0.1)) {
      request.deadline_ns = clock_.NowNs() + Between(0, 2'000) * 1'000'000LL;
      expected->may_end_early = true;
    }
    request.gone = [this, e = expected.get()](engine::RequestId id) {
      if (e->gone) Complain("a request was gone twice");
      e->gone = true;
      open_.erase(id);
    };
    ++report_.requests;
    Stream stream{.prompt = request.prompt, .pieces = Between(0, 8), .abandoned = Chance(0.1)};
    const bool streaming = request.streaming;
    if (!streaming) expected->answer = Alone(request.prompt, *expected);
    const auto id = scheduler_->Submit(std::move(request));
    if (!id) {
      if (id.error().code != ErrorCode::kLimit) Complain("refused: " + id.error().message);
      return;
    }
    if (streaming) {
      expected->open = true;
      expected->fails_ns = clock_.NowNs() + idle_ns_;
      open_[*id] = std::move(stream);
      ++report_.streams;
    }
    expected_[*id] = std::move(expected);
  }

  Tokens Alone(const Tokens& prompt, const Expected& expected) const {
    return AnswerAlone(prompt, expected.most, options_.context);
  }

  // --- prompts in pieces: what a client sends, between steps or while one runs

  struct Stream {
    Tokens prompt;  // as it is known to the client
    int pieces = 0;
    bool abandoned = false;  // after its pieces
  };

  void SendPieces(double chance, bool during_step) {
    std::vector<engine::RequestId> ids;
    for (const auto& [id, stream] : open_) {
      if (Chance(chance)) ids.push_back(id);
    }
    for (const engine::RequestId id : ids) SendPiece(id);
    if (during_step && !ids.empty() && plant_ == Plant::kChangeDuringStep) {
      engine::SchedulerFaults::ObeyNow(*scheduler_);
    }
  }

  void SendPiece(engine::RequestId id) {
    Stream& stream = open_.at(id);
    if (stream.pieces == 0) {
      if (!stream.abandoned) FinishStream(id, stream);
      return;
    }
    --stream.pieces;
    if (Chance(0.6)) {
      const Tokens piece = Text(Chance(0.1) ? 0 : Between(1, Chance(0.05) ? 2000 : 120));
      Tokens all = stream.prompt;
      all.insert(all.end(), piece.begin(), piece.end());
      Sent(id, stream, scheduler_->Append(id, piece), std::move(all));
      return;
    }
    Tokens revised = Revised(stream.prompt);
    const auto done = scheduler_->Update(id, revised);
    if (done && plant_ == Plant::kUpdateKeepsOneTooMany) {
      engine::SchedulerFaults::KeepOneTooMany(*scheduler_, id);
    }
    Sent(id, stream, done, std::move(revised));
  }

  // A beginning of the old prompt (at times all or nothing of it) and then something else, or what
  // had followed with a token less, which moves all that is behind.
  Tokens Revised(const Tokens& old) {
    const int size = static_cast<int>(old.size());
    const int parted = Chance(0.1) ? size : Between(0, size);
    Tokens revised(old.begin(), old.begin() + parted);
    if (Chance(0.3) && parted < size) {
      revised.insert(revised.end(), old.begin() + parted + 1, old.end());
    } else if (Chance(0.7)) {
      const Tokens rest = Text(Between(1, 150));
      revised.insert(revised.end(), rest.begin(), rest.end());
    }
    return revised;
  }

  void Sent(engine::RequestId id, Stream& stream, const Result<void>& done, Tokens prompt) {
    if (done) {
      stream.prompt = std::move(prompt);
      expected_.at(id)->fails_ns = clock_.NowNs() + idle_ns_;
    } else if (done.error().code != ErrorCode::kLimit) {
      Complain("a message was refused: " + done.error().message);
    }
  }

  void FinishStream(engine::RequestId id, const Stream& stream) {
    const auto done = scheduler_->Finish(id);
    if (done.has_value() == stream.prompt.empty()) Complain("an empty prompt was finished");
    if (!done) return;
    Expected& expected = *expected_.at(id);
    expected.answer = Alone(stream.prompt, expected);
    expected.open = false;
    open_.erase(id);
    if (scheduler_->Append(id, {})) Complain("a message after the finish was taken");
  }

  void Step() {
    if (Chance(0.02)) clock_.AdvanceNs(Between(1, 500) * 1'000'000LL);  // a stall
    if (Chance(0.03) && !expected_.empty()) {
      auto it = expected_.begin();
      std::advance(it, Between(0, static_cast<int>(expected_.size()) - 1));
      it->second->may_end_early = true;
      scheduler_->RequestCancel(it->first);
    }
    SendPieces(0.1, false);
    if (steps_fail_ && Chance(0.01)) FailStep();
    if (drafter_ && DraftBetween(1, 100) == 1) drafter_->FailNextStep();
    std::stop_source stop;
    if (Chance(0.01)) stop.request_stop();
    const bool worked = scheduler_->Step(stop.get_token());
    if (!worked) clock_.AdvanceNs(Between(1, 200) * 1'000'000LL);  // until something comes
    model_.FailNextStep(false);  // there may have been none, and the next has other requests
    const kv::KvUse use = model_.pool().use();
    if (use.reserved > model_.budget_bytes()) Complain("the budget is exceeded");
    if (use.used + use.kept != use.reserved) Complain("used and kept are not what is reserved");
  }

  void FailStep() {
    model_.FailNextStep();
    for (const auto& [id, expected] : expected_) expected->may_end_early = true;
  }

  void CheckEnd() {
    for (const auto& [id, e] : expected_) {
      if (!e->complaint.empty()) Complain(fmt::format("request {}: {}", id, e->complaint));
      if (!Wrong() && (!e->gone || e->ended != e->choices)) {
        Complain(fmt::format("request {}: {} of {} choices ended", id, e->ended, e->choices));
      }
    }
    if (Wrong()) return;
    scheduler_->DropCache();
    if (model_.pool().use().used != 0) Complain("tiles are held and nobody is there");
    if (swap_ && swap_->counters().bytes != 0) Complain("swapped tiles are left");
  }

  void CheckDraft() {
    if (!drafter_) return;
    report_.accepted_of_draft = report_.accepted;
    if (!drafter_->complaint().empty()) Complain("the draft model: " + drafter_->complaint());
    if (Wrong()) return;
    scheduler_.reset();  // and with it the draft
    if (drafter_->pool().use().used != 0) Complain("the draft model holds tiles of nobody");
  }

  void Complain(const std::string& what) {
    if (report_.complaint.empty()) report_.complaint = what;
  }
  bool Wrong() {
    if (!model_.complaint().empty()) Complain(model_.complaint());
    return !report_.complaint.empty();
  }

  void Report() {
    const engine::SchedulerCounters counters = scheduler_->counters();
    Wrong();
    report_.steps = model_.steps();
    report_.preempted = counters.preempted;
    report_.reused_rows = counters.reused_rows;
    report_.accepted = counters.accepted;
    report_.cancelled = counters.cancelled;
    report_.failed = counters.failed;
    report_.pushed_out = counters.pushed_out;
    report_.invalidated_rows = counters.invalidated_rows;
    report_.lost_rows = counters.lost_rows;
    report_.swapped_in = counters.swapped_in;
  }

  std::mt19937_64 random_;
  std::mt19937_64
      draft_random_;  // its own, so that days are what they were before there were drafts
  Plant plant_;
  double streams_ = 0;  // of the requests
  std::int64_t idle_ns_ = 0;
  bool steps_fail_;  // on some days: what runs then may end early, so the others check more
  bool states_;      // on some days the model has them
  VirtualClock clock_;
  StubOptions options_;
  StubModel model_;
  std::shared_ptr<StubModel> drafter_;
  std::map<engine::RequestId, std::unique_ptr<Expected>> expected_;
  std::shared_ptr<kv::SwapFile> swap_;
  std::unique_ptr<engine::Scheduler> scheduler_;  // dies before what its choosers know
  std::map<engine::RequestId, Stream> open_;
  std::vector<Tokens> beginnings_;
  DayReport report_;
};

}  // namespace

DayReport SimulateDay(std::uint64_t seed, Plant plant) { return Day(seed, plant).Run(); }

}  // namespace cairn::testing
