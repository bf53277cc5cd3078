// SPDX-License-Identifier: Apache-2.0
#include "apps/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

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
