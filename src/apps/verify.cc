// SPDX-License-Identifier: Apache-2.0
// cairn verify: the proof that answers do not depend on how they are made.
#include "engine/verify.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <sstream>

#include "apps/command.h"
#include "apps/interrupts.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/prompt.h"
#include "apps/text.h"
#include "apps/verify_server.h"
#include "parallel/topology.h"

namespace cairn::apps {
namespace {

struct VerifyCommand {
  std::string model;
  std::string prompts;
  int count = 40;
  std::int64_t max_tokens = 32;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  bool json = false;
  std::string url, server_model;
};

constexpr const char* kOpenings[] = {
    "Once upon a time there was a",
    "The three largest rivers of Europe are",
    "Write a list of numbers: one, two, three,",
    "def add(a, b):\n    return a + b\n\ndef add(a, b, c):\n",
    "Dear customer, thank you for your message of the",
    "Q: What is the capital of France?\nA:",
    "In the beginning the universe was",
    "To make bread you need flour, water, salt and",
};

// Prompts of many lengths; every third repeats itself, every other one is drawn, not greedy.
Result<std::vector<engine::VerifyPrompt>> MakePrompts(const model::Tokenizer& tokenizer,
                                                      const VerifyCommand& o) {
  std::vector<std::string> texts;
  if (o.prompts.empty()) {
    for (int i = 0; i < o.count; ++i) {
      std::string text;
      const int repeats = i % 3 == 2 ? 2 + i % 7 : 1;
      for (int r = 0; r < repeats; ++r) {
        text += kOpenings[static_cast<std::size_t>(i + r * (i % 2)) % std::size(kOpenings)];
        if (r + 1 < repeats) text += "\n\n";
      }
      texts.push_back(i < static_cast<int>(std::size(kOpenings)) ? text
                                                                 : fmt::format("{}. {}", i, text));
    }
  } else {
    std::istringstream lines(OR_RETURN(ReadArgument("@" + o.prompts)));
    for (std::string line; std::getline(lines, line);) {
      if (!Trim(line).empty()) texts.push_back(line);
    }
    if (texts.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' has no prompts; one in each line was expected", o.prompts));
    }
  }
  std::vector<engine::VerifyPrompt> prompts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    engine::VerifyPrompt prompt{.tokens = OR_RETURN(tokenizer.Encode(texts[i], true)),
                                .sampling = {}};
    if (i % 2 == 0) prompt.sampling.temperature = 0;
    prompt.sampling.seed = i;
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

struct Row {
  std::string isa, way;
  int threads = 0;
  std::uint64_t hash = 0;
  std::size_t different = 0;
  double seconds = 0;
  engine::WayResult result;
};

void Print(const Row& row, Console& console) {
  std::string what;
  if (row.result.reused > 0) what += fmt::format(", {} tokens from the cache", row.result.reused);
  if (row.result.accepted > 0) what += fmt::format(", {} proposals kept", row.result.accepted);
  if (row.result.guessed > 0) {
    what += fmt::format(
        ", {} of {} guesses refused ({:.2f} %)", row.result.refused, row.result.guessed,
        100.0 * static_cast<double>(row.result.refused) / static_cast<double>(row.result.guessed));
  }
  if (row.result.invalidated > 0) {
    what += fmt::format(", {} tokens revised", row.result.invalidated);
  }
  if (row.result.preempted > 0) what += fmt::format(", {} preempted", row.result.preempted);
  console.Write(
      fmt::format("{:<8} {:>2} threads  {:<32} {:016x} {:>7.1f} s{}{}\n", row.isa, row.threads,
                  row.way, row.hash, row.seconds, what,
                  row.different > 0 ? fmt::format("  {} ANSWERS DIFFER", row.different) : ""));
  console.Flush();
}

boost::json::object JsonOf(const Row& row) {
  return {{"isa", row.isa},
          {"threads", row.threads},
          {"way", row.way},
          {"hash", fmt::format("{:016x}", row.hash)},
          {"different", row.different},
          {"seconds", row.seconds},
          {"reused_tokens", row.result.reused},
          {"accepted", row.result.accepted},
          {"guessed", row.result.guessed},
          {"refused", row.result.refused},
          {"invalidated", row.result.invalidated},
          {"preempted", row.result.preempted}};
}

// Runs every way and compares with the first.
class Verification {
 public:
  Verification(const std::shared_ptr<const model::Model>& model,
               const std::vector<engine::VerifyPrompt>& prompts, const VerifyCommand& command,
               Console& console)
      : model_(model), prompts_(prompts), command_(command), console_(console) {}

  [[nodiscard]] Result<void> Run(const std::vector<kernels::Isa>& isas,
                                 const std::vector<int>& threads, const std::stop_token& stop);
  // Here alone, then by a server in its ways.
  [[nodiscard]] Result<void> RunServer(const ServerAddress& address, kernels::Isa isa, int threads,
                                       const std::stop_token& stop);
  std::size_t different() const { return different_; }
  std::string hash() const { return fmt::format("{:016x}", engine::HashOf(expected_)); }
  const boost::json::array& rows() const { return rows_; }

 private:
  [[nodiscard]] Result<void> Try(const engine::Way& way, kernels::Isa isa, int threads,
                                 const std::stop_token& stop);
  void Take(Row row);

  const std::shared_ptr<const model::Model>& model_;
  const std::vector<engine::VerifyPrompt>& prompts_;
  const VerifyCommand& command_;
  Console& console_;
  std::vector<std::vector<std::int32_t>> expected_;  // by prompt, from the first way
  std::size_t different_ = 0;
  boost::json::array rows_;
};

Result<void> Verification::Run(const std::vector<kernels::Isa>& isas,
                               const std::vector<int>& threads, const std::stop_token& stop) {
  for (const kernels::Isa isa : isas) {
    for (const int count : threads) {
      const bool thorough = isa == isas.front() && count == threads.back();
      for (const engine::Way& way : engine::AllWays()) {
        if (thorough || way.everywhere) OR_RETURN(Try(way, isa, count, stop));
      }
    }
  }
  return {};
}

Result<void> Verification::Try(const engine::Way& way, kernels::Isa isa, int threads,
                               const std::stop_token& stop) {
  const engine::VerifyOptions options{.max_tokens = command_.max_tokens, .kv = command_.kv};
  const auto start = std::chrono::steady_clock::now();
  Row row{.isa = std::string(kernels::IsaName(isa)), .way = way.name, .threads = threads};
  row.result = OR_RETURN(engine::AnswerIn(way, isa, threads, model_, prompts_, options, stop));
  row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Take(std::move(row));
  return {};
}

Result<void> Verification::RunServer(const ServerAddress& address, kernels::Isa isa, int threads,
                                     const std::stop_token& stop) {
  OR_RETURN(Try(engine::AllWays().front(), isa, threads, stop));
  for (const ServerWay& way : AllServerWays()) {
    const auto start = std::chrono::steady_clock::now();
    Row row{.isa = "server", .way = way.name, .threads = way.at_once};
    row.result.answers = OR_RETURN(
        AnswersOfServer(address, command_.server_model, way, prompts_, command_.max_tokens, stop));
    row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    Take(std::move(row));
  }
  return {};
}

void Verification::Take(Row row) {
  row.hash = engine::HashOf(row.result.answers);
  if (expected_.empty()) expected_ = row.result.answers;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    row.different += row.result.answers[i] != expected_[i] ? 1 : 0;
  }
  different_ += row.different;
  if (command_.json) {
    rows_.push_back(JsonOf(row));
  } else {
    Print(row, console_);
  }
}

Result<void> Verify(const VerifyCommand& o, Console& console) {
  const std::string path = OR_RETURN(FindModel(o.model, console));
  Interrupts interrupts;
  const std::stop_token stop = interrupts.BeginAnswer();
  const auto model = OR_RETURN(model::Model::Load(path, {.pre = ForcedPreTokenizer()}));
  const auto prompts = OR_RETURN(MakePrompts(model->tokenizer(), o));
  std::vector<int> threads{1};
  if (parallel::UsableCores() > 1) threads.push_back(parallel::UsableCores());
  std::vector<kernels::Isa> isas = kernels::AvailableIsas();
  std::ranges::reverse(isas);
  if (std::getenv("CAIRN_ISA") != nullptr) isas = {OR_RETURN(ChosenIsa())};

  Verification verification(model, prompts, o, console);
  if (o.url.empty()) {
    OR_RETURN(verification.Run(isas, threads, stop));
  } else {
    const ServerAddress address = OR_RETURN(ParseServerUrl(o.url));
    OR_RETURN(verification.RunServer(address, isas.front(), threads.back(), stop));
  }
  const std::size_t different = verification.different();
  if (o.json) {
    console.WriteJson(boost::json::object{{"model", path},
                                          {"prompts", prompts.size()},
                                          {"hash", verification.hash()},
                                          {"different", different},
                                          {"rows", verification.rows()}});
  }
  if (different > 0) {
    return Fail(
        ErrorCode::kNumeric,
        fmt::format("{} answers differ from those made alone; please report it", different));
  }
  if (!o.json) {
    console.Write(fmt::format("verified {}: {} prompts, the same answers in every way, hash {}\n",
                              path, prompts.size(), verification.hash()));
  }
  return {};
}

}  // namespace

void AddVerify(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<VerifyCommand>();
  CLI::App* command =
      NewCommand(app, kMeasure, "verify", "Prove that answers do not depend on how they are made",
                 "cairn verify smollm2\n"
                 "cairn verify gemma3 --prompts questions.txt -n 64\n"
                 "cairn verify smollm2 --url http://127.0.0.1:8080    # a server that runs");
  AddModel(*command, o->model);
  command
      ->add_option("--prompts", o->prompts,
                   "A file with a prompt in each line, instead of the built-in ones")
      ->type_name("FILE");
  command->add_option("--count", o->count, "How many built-in prompts [40]")
      ->check(WholeNumber(1, 10000))
      ->type_name("N");
  command->add_option("-n,--max-tokens", o->max_tokens, "Tokens of each answer at most [32]")
      ->check(WholeNumber(1, kMostContextTokens))
      ->type_name("N");
  command
      ->add_option("--url", o->url,
                   "Compare the answers made here alone with those of a server that runs, one at a "
                   "time, many at once and from its cache; CAIRN_API_KEY is its key")
      ->type_name("URL")
      ->check(NotEmpty());
  command
      ->add_option("--server-model", o->server_model, "What the server calls the model [its first]")
      ->type_name("NAME")
      ->check(NotEmpty());
  AddKv(*command, o->kv);
  AddJson(*command, o->json);
  OnChosen(*command, chosen, o, Verify);
}

}  // namespace cairn::apps
