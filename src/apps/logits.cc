// SPDX-License-Identifier: Apache-2.0
// cairn logits: the numbers behind the words, for comparing and proving.
#include <fmt/format.h>

#include <algorithm>

#include "apps/command.h"
#include "apps/npy.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"

namespace cairn::apps {
namespace {

struct LogitsOptions {
  std::string model;
  std::string tokens;
  std::string out;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  int chunk = 512;
  std::int64_t last = 0;  // 0: every position
};

Result<std::vector<std::int32_t>> ReadTokens(const LogitsOptions& o) {
  std::string text = o.tokens;
  if (text.starts_with('@') || text == "-") {
    text = OR_RETURN(ReadArgument(text));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    const std::string problem = WholeNumbers(0, kMostContextTokens)(text);
    if (!problem.empty()) return Fail(ErrorCode::kInvalidArgument, "--tokens: " + problem);
  }
  const auto numbers = ParseWholeNumbers(text);
  return std::vector<std::int32_t>(numbers.begin(), numbers.end());
}

Result<void> Logits(const LogitsOptions& o, Console& console) {
  const auto tokens = OR_RETURN(ReadTokens(o));
  const auto count = static_cast<std::int64_t>(tokens.size());
  auto opened = OpenEngine(o.model,
                           {.threads = o.threads,
                            .kv = o.kv,
                            .kv_memory = o.kv_memory,
                            .kv_backend = o.kv_backend,
                            .context = count,
                            .step_rows = o.chunk},
                           console);
  if (!opened && opened.error().code == ErrorCode::kLimit) {
    return std::unexpected(
        std::move(opened).error().Within(fmt::format("--tokens has {} tokens", count)));
  }
  const auto engine = OR_RETURN(std::move(opened));
  const std::int64_t rows = o.last == 0 ? count : std::min(o.last, count);
  SystemFiles files;
  NpyWriter writer =
      OR_RETURN(NpyWriter::Create(files, o.out, rows, engine->model().program().vocabulary));
  engine::Sequence sequence = engine->NewSequence();
  Result<void> written;
  std::stop_source stop;
  const auto computed = engine->Prefill(
      sequence, tokens, rows,
      [&](int, int, std::span<const float> logits) {
        if (written) written = writer.Append(logits);
        if (!written) stop.request_stop();
      },
      stop.get_token());
  OR_RETURN(written);  // before `computed`, which a full disk has only cancelled
  OR_RETURN(computed);
  return writer.Finish();
}

}  // namespace

void AddLogits(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<LogitsOptions>();
  CLI::App* command =
      NewCommand(app, kMeasure, "logits", "The logits of given tokens as a NumPy file",
                 "cairn logits smollm2 --tokens 504,3575,282,4649,314 --out logits.npy\n"
                 "cairn logits smollm2 --tokens @ids.txt --last 16 --chunk 7 -t 1 --out last.npy");
  AddModel(*command, o->model);
  command->add_option("--tokens", o->tokens, "Token ids separated by commas, or @FILE with them")
      ->type_name("IDS")
      ->required()
      ->check(CLI::Validator(
          [](std::string& text) {
            if (text.starts_with('@') || text == "-") return std::string();
            return WholeNumbers(0, kMostContextTokens)(text);
          },
          ""));
  command->add_option("--out", o->out, "The file to write: f32, one row per position")
      ->type_name("F.npy")
      ->required()
      ->check(NotEmpty());
  command->add_option("--last", o->last, "Only the last N positions (default: all)")
      ->type_name("N")
      ->check(WholeNumber(1, kMostContextTokens));
  command->add_option("--chunk", o->chunk, "Tokens computed at once")
      ->type_name("N")
      ->capture_default_str()
      ->check(WholeNumber(1, 65536));
  AddKv(*command, o->kv);
  AddKvMemory(*command, o->kv_memory);
  AddKvBackend(*command, o->kv_backend);
  AddThreads(*command, o->threads);
  OnChosen(*command, chosen, o, Logits);
}

}  // namespace cairn::apps
