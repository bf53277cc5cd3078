// SPDX-License-Identifier: Apache-2.0
#include "apps/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apps/text.h"

namespace cairn::apps {
namespace {

double Rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

std::string Line(const char* name, std::int64_t tokens, double seconds, std::string_view rest) {
  return fmt::format("{} {:6} tokens {:8.2f} s {:9.1f} tokens/s{}\n", name, tokens, seconds,
                     Rate(static_cast<double>(tokens), seconds), rest);
}

}  // namespace

std::string Statistics(const engine::Answer& answer, const engine::Engine& engine,
                       std::uint64_t seed) {
  const std::int64_t fresh = answer.prompt_tokens - answer.reused_tokens;
  const std::string reused =
      answer.reused_tokens > 0 ? fmt::format("  ({} more were known)", answer.reused_tokens) : "";
  return Line("prompt", fresh, answer.prompt_seconds, reused) +
         Line("answer", static_cast<std::int64_t>(answer.tokens.size()), answer.answer_seconds,
              fmt::format("  (ended by {})", engine::FinishReasonName(answer.reason))) +
         fmt::format("{}, {} threads, KV {}, context {} tokens, seed {}\n",
                     kernels::IsaName(engine.isa()), engine.threads(),
                     kernels::KvFormatName(engine.kv_format()), engine.context(), seed);
}

std::string ProposalStatistics(const engine::SchedulerCounters& counters, engine::Draft* draft) {
  std::string text;
  if (counters.guessed > 0) {
    const double right = 100.0 * static_cast<double>(counters.guessed_right);
    text += fmt::format("guesses {:6} tokens, {:.1f} % right; {} of them proposed, {} kept\n",
                        counters.guessed, right / static_cast<double>(counters.guessed),
                        counters.proposed, counters.accepted);
  }
  if (draft == nullptr) return text;
  const kv::KvUse use = draft->model().pool().use();
  return text + fmt::format("draft model: {:.2f} s, KV memory {} of {}\n",
                            static_cast<double>(counters.draft_ns) * 1e-9,
                            HumanBytes(use.most_used), HumanBytes(use.budget));
}

std::string MemoryStatistics(engine::Engine& engine, const engine::Scheduler& scheduler) {
  const kv::KvUse use = engine.kv_use();
  const kv::PrefixCounters& cache = scheduler.cache().counters();
  return fmt::format(
      "KV memory: {} reserved of {}: {} used ({} shared), {} kept free; at most {} were used; the "
      "cache holds {} tiles of texts, {} of {} look-ups found something\n",
      HumanBytes(use.reserved), HumanBytes(use.budget), HumanBytes(use.used),
      HumanBytes(use.shared), HumanBytes(use.kept), HumanBytes(use.most_used), cache.entries,
      cache.hits, cache.lookups);
}

boost::json::value AnswerJson(const engine::Answer& answer, std::uint64_t seed) {
  std::string reason(engine::FinishReasonName(answer.reason));
  std::ranges::replace(reason, ' ', '_');
  boost::json::array tokens(answer.tokens.begin(), answer.tokens.end());
  const double fresh = static_cast<double>(answer.prompt_tokens - answer.reused_tokens);
  return boost::json::object{{"text", answer.text},
                             {"tokens", std::move(tokens)},
                             {"finish_reason", reason},
                             {"prompt_tokens", answer.prompt_tokens},
                             {"answer_tokens", answer.tokens.size()},
                             {"prompt_seconds", answer.prompt_seconds},
                             {"answer_seconds", answer.answer_seconds},
                             {"prompt_tokens_per_s", Rate(fresh, answer.prompt_seconds)},
                             {"answer_tokens_per_s", Rate(static_cast<double>(answer.tokens.size()),
                                                          answer.answer_seconds)},
                             {"seed", seed}};
}

std::string CutNotice(const engine::Answer& answer, const engine::Engine& engine) {
  if (answer.reason != engine::FinishReason::kContext) return {};
  return fmt::format("the answer stops here: the context of {} tokens is full", engine.context());
}

}  // namespace cairn::apps
