// SPDX-License-Identifier: Apache-2.0
#include "apps/batch_progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::apps {
namespace {

constexpr std::int64_t kBarEveryNs = 100'000'000;
constexpr std::int64_t kNoteEveryNs = 30'000'000'000;
constexpr std::int64_t kCells = 20;

double PerSecond(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

}  // namespace

std::string HumanSeconds(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string BatchProgress::Text(const BatchCounts& c, double seconds) const {
  const std::int64_t made = c.answered + c.failed;
  const std::int64_t done = c.skipped + made;
  std::string text = c.total < 0 ? fmt::format("{} lines done", done)
                                 : fmt::format("{} of {} lines", done, c.total);
  if (c.failed > 0) text += fmt::format(", {} failed", c.failed);
  text += fmt::format(", {:.0f} tokens/s", PerSecond(c.live_tokens, seconds));
  if (c.total >= 0 && made > 0) {
    const double each = seconds / static_cast<double>(made);
    text += fmt::format(
        ", {} left",
        HumanSeconds(each * static_cast<double>(std::max<std::int64_t>(0, c.total - done))));
  }
  return text;
}

void BatchProgress::Show(const BatchCounts& counts) {
  const bool bar = console_.err_is_terminal();
  const std::int64_t now = clock_.NowNs();
  if (now - shown_ns_ < (bar ? kBarEveryNs : kNoteEveryNs)) return;
  shown_ns_ = now;
  const std::string text = Text(counts, static_cast<double>(now - started_ns_) * 1e-9);
  if (!bar) {
    console_.Note(text);
    return;
  }
  std::string cells;
  if (counts.total > 0) {
    const std::int64_t done = counts.skipped + counts.answered + counts.failed;
    const auto full = static_cast<std::size_t>(std::min(done * kCells / counts.total, kCells));
    cells = fmt::format("[{}{}] ", std::string(full, '#'),
                        std::string(static_cast<std::size_t>(kCells) - full, '.'));
  }
  console_.Progress(cells + text);
}

void BatchProgress::Summarise(const BatchCounts& c) {
  if (c.answered + c.failed == 0) {
    console_.Note(fmt::format("nothing to do; {} lines were done before", c.skipped));
    return;
  }
  const double seconds = static_cast<double>(clock_.NowNs() - started_ns_) * 1e-9;
  std::string text = fmt::format("{} answered", c.answered);
  if (c.failed > 0) text += fmt::format(", {} failed (see their lines)", c.failed);
  if (c.skipped > 0) text += fmt::format(", {} done before", c.skipped);
  text += fmt::format("; {} prompt tokens, {} of them found in the cache, {} answer tokens in {}",
                      c.prompt_tokens, c.cached_tokens, c.answer_tokens, HumanSeconds(seconds));
  text += fmt::format(": {:.0f} tokens/s", PerSecond(c.answer_tokens, seconds));
  console_.Note(text);
}

}  // namespace cairn::apps
