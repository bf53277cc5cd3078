// SPDX-License-Identifier: Apache-2.0
// cairn importance: which columns of a model's matrices a text uses, for cairn quantize.
#include <fmt/format.h>

#include <filesystem>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/output_file.h"
#include "apps/text.h"
#include "engine/input_sums.h"
#include "model/importance_output.h"

namespace cairn::apps {
namespace {

struct ImportanceOptions {
  std::string model;
  std::string text;
  std::string out;
  std::int64_t context = 512;
  std::int64_t windows = 0;  // 0: all
  int threads = 0;
};

// Reads the text window by window, as the perplexity does; returns how many.
Result<std::size_t> ReadWindows(engine::Engine& engine, const std::string& text,
                                const ImportanceOptions& o, Console& console) {
  const auto window = static_cast<std::size_t>(o.context);
  const auto tokens = OR_RETURN(engine.model().tokenizer().Encode(text, true));
  std::size_t windows = tokens.size() / window;
  if (o.windows > 0) windows = std::min(windows, static_cast<std::size_t>(o.windows));
  if (windows == 0) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} tokens, and a window of {} is needed; take a longer text or "
                            "a smaller --context",
                            o.text, tokens.size(), window));
  }
  const model::Vocabulary& vocabulary = engine.model().tokenizer().vocabulary();
  engine::Sequence sequence = engine.NewSequence();
  for (std::size_t w = 0; w < windows; ++w) {
    const auto part = std::span(tokens).subspan(w * window, window);
    std::vector<std::int32_t> ids(part.begin(), part.end());
    if (vocabulary.add_bos && vocabulary.bos) ids[0] = *vocabulary.bos;
    sequence.Truncate(0);
    OR_RETURN(engine.Prefill(sequence, ids, o.context, [](int, int, std::span<const float>) {}));
    console.Progress(fmt::format("window {} of {}", w + 1, windows));
  }
  console.EndProgress();
  return windows;
}

std::vector<model::ImportanceSums> Rounded(const engine::InputSums& sums) {
  std::vector<model::ImportanceSums> rounded;
  for (const engine::InputSquares& one : sums.Take()) {
    model::ImportanceSums& to = rounded.emplace_back(
        model::ImportanceSums{.tensor = one.tensor, .cols = one.cols, .sums = {}, .counts = {}});
    for (const double sum : one.sums) to.sums.push_back(static_cast<float>(sum));
    for (const std::int64_t count : one.counts) to.counts.push_back(static_cast<float>(count));
  }
  return rounded;
}

Result<void> WriteFile(const std::vector<model::ImportanceSums>& sums, std::size_t windows,
                       const ImportanceOptions& o) {
  SystemFiles files;
  OutputFile file = OR_RETURN(OutputFile::Create(files, o.out));
  const std::string name = std::filesystem::path(o.text).filename().string();
  OR_RETURN(model::WriteImportance(
      sums, name, static_cast<std::uint32_t>(windows), static_cast<std::uint32_t>(o.context),
      [&](std::span<const std::byte> bytes) { return file.Append(bytes); }));
  return file.Finish();
}

Result<void> RunImportance(const ImportanceOptions& o, Console& console) {
  const std::string text = OR_RETURN(o.text == "-" ? ReadStandardInput() : ReadTextFile(o.text));
  engine::InputSums sums;
  const auto engine = OR_RETURN(
      OpenEngine(o.model, {.threads = o.threads, .context = o.context, .inputs = &sums}, console));
  const std::size_t windows = OR_RETURN(ReadWindows(*engine, text, o, console));
  const auto rounded = Rounded(sums);
  OR_RETURN(WriteFile(rounded, windows, o));
  console.Note(fmt::format("{}: {} matrices, {} windows of {} tokens", o.out, rounded.size(),
                           windows, o.context));
  return {};
}

}  // namespace

void AddImportance(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<ImportanceOptions>();
  CLI::App* command = NewCommand(
      app, kModels, "importance", "Which columns of its matrices a text uses, for quantize",
      "cairn importance model-f16.gguf book.txt importance.gguf\n"
      "cairn quantize model-f16.gguf small.gguf Q3_K --importance importance.gguf");
  AddModel(*command, o->model);
  command->add_option("TEXT", o->text, "The text that is read; - is standard input")
      ->type_name("")
      ->required();
  command->add_option("OUT", o->out, "The importance file to write (a GGUF file, as llama.cpp's)")
      ->type_name("")
      ->required()
      ->check(NotEmpty());
  command->add_option("--context", o->context, "Tokens of a window of the text")
      ->type_name("N")
      ->capture_default_str()
      ->check(WholeNumber(4, kMostContextTokens));
  command->add_option("--windows", o->windows, "At most so many windows (default: the whole text)")
      ->type_name("N")
      ->check(WholeNumber(1, 1 << 30));
  AddThreads(*command, o->threads);
  OnChosen(*command, chosen, o, RunImportance);
}

}  // namespace cairn::apps
