// SPDX-License-Identifier: Apache-2.0
// cairn embed: lines of text to embeddings.
#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "apps/command.h"
#include "apps/embed_options.h"
#include "apps/npy.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "engine/embedder.h"

namespace cairn::apps {
namespace {

struct EmbedOptions {
  std::string model;
  std::string file = "-";
  std::string out;
  EmbedderChoice choice;
  std::int64_t dimensions = 0;  // 0: all
  bool raw = false;             // not normalised
  bool verbose = false;
  bool json = false;
};

using Rows = std::vector<std::vector<float>>;  // of one text

// Rows of a text, cut and normalised as the options ask.
class Collector {
 public:
  Collector(const EmbedOptions& options, const engine::Embedder& embedder)
      : embedder_(embedder),
        width_(options.dimensions > 0 ? static_cast<std::size_t>(options.dimensions)
                                      : static_cast<std::size_t>(embedder.width())),
        normalise_(!options.raw) {}

  std::size_t width() const { return width_; }
  // Texts that come from now on are numbered from 0.
  void Begin(std::size_t texts) { rows_.assign(texts, {}); }
  void Take(int text, std::span<const float> values) {
    std::vector<float> row(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(width_));
    if (normalise_) embedder_.Normalise(row);
    rows_[static_cast<std::size_t>(text)].push_back(std::move(row));
  }
  std::span<const Rows> rows() const { return rows_; }

 private:
  const engine::Embedder& embedder_;
  std::size_t width_;
  bool normalise_;
  std::vector<Rows> rows_;
};

std::string Numbers(std::span<const float> row, std::string_view separator) {
  return fmt::format("{}", fmt::join(row, separator));
}

// Where embeddings go, text by text.
class Output {
 public:
  // `rows`: of all texts together.
  static Result<Output> Create(const EmbedOptions& o, FileSystem& files, Console& console,
                               std::size_t rows, std::size_t width) {
    Output output(o, console);
    if (!o.out.empty()) {
      output.npy_.emplace(OR_RETURN(NpyWriter::Create(files, o.out, static_cast<std::int64_t>(rows),
                                                      static_cast<std::int64_t>(width))));
    } else if (o.json) {
      console.Write(fmt::format("{{\"width\": {}, \"embeddings\": [", width));
    }
    return output;
  }
  // False: nobody reads any more.
  Result<bool> Put(const Rows& rows, std::size_t tokens) {
    if (npy_) {
      for (const std::vector<float>& row : rows) OR_RETURN(npy_->Append(row));
      return true;
    }
    if (!json_) {
      for (const std::vector<float>& row : rows) {
        if (!console_.Write(Numbers(row, " ") + "\n")) return false;
      }
      return true;
    }
    std::string text = fmt::format("{}{{\"tokens\": {}, \"values\": ", first_ ? "" : ", ", tokens);
    first_ = false;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      if (lists_) text += r == 0 ? "[" : ", ";
      text += "[" + Numbers(rows[r], ", ") + "]";
    }
    return console_.Write(text + (lists_ ? "]}" : "}"));
  }
  Result<void> Finish() {
    if (npy_) return npy_->Finish();
    if (json_) console_.Write("]}\n");
    return {};
  }
  void SetLists(bool lists) { lists_ = lists; }

 private:
  Output(const EmbedOptions& o, Console& console) : console_(console), json_(o.json) {}

  Console& console_;
  std::optional<NpyWriter> npy_;
  bool json_;
  bool lists_ = false;  // a text has a list of rows
  bool first_ = true;
};

Result<void> CheckOptions(const EmbedOptions& o, const engine::Embedder& embedder) {
  if (embedder.scores()) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("'{}' scores pairs of texts and makes no embeddings; `cairn rerank` is "
                            "for it",
                            embedder.model().path()));
  }
  if (o.dimensions > embedder.width()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--dimensions {} is more than the {} that the model has", o.dimensions,
                            embedder.width()));
  }
  return {};
}

// So many texts are held at once as embeddings.
constexpr std::size_t kWindow = 4096;

Result<void> Embed(const EmbedOptions& o, Console& console) {
  const std::string text = OR_RETURN(o.file == "-" ? ReadStandardInput() : ReadTextFile(o.file));
  const auto embedder = OR_RETURN(OpenEmbedder(o.model, o.choice, console));
  OR_RETURN(CheckOptions(o, *embedder));
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const std::vector<std::string_view> lines = LinesOf(text);
  std::vector<engine::EmbedInput> inputs;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto input = embedder->Encode(lines[i], o.choice.truncate);
    if (!input) {
      return std::unexpected(std::move(input).error().Within(fmt::format("line {}", i + 1)));
    }
    tokens += input->tokens.size();
    inputs.push_back(*std::move(input));
  }
  const bool pools = embedder->model().program().pools();
  Collector collector(o, *embedder);
  SystemFiles files;
  Output output = OR_RETURN(
      Output::Create(o, files, console, pools ? inputs.size() : tokens, collector.width()));
  output.SetLists(!pools);
  for (std::size_t at = 0; at < inputs.size(); at += kWindow) {
    const auto window = std::span(inputs).subspan(at, std::min(kWindow, inputs.size() - at));
    collector.Begin(window.size());
    auto done = embedder->Run(window, [&](int input, int, std::span<const float> values) {
      collector.Take(input, values);
    });
    if (!done) return done;
    for (std::size_t i = 0; i < window.size(); ++i) {
      if (!OR_RETURN(output.Put(collector.rows()[i], window[i].tokens.size()))) return {};
    }
  }
  OR_RETURN(output.Finish());
  if (o.verbose) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    console.Note(fmt::format("{} texts, {} tokens in {:.3f} s: {:.0f} texts/s, {:.0f} tokens/s",
                             inputs.size(), tokens, seconds,
                             static_cast<double>(inputs.size()) / seconds,
                             static_cast<double>(tokens) / seconds));
  }
  return {};
}

}  // namespace

void AddEmbed(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<EmbedOptions>();
  CLI::App* command = NewCommand(app, kTalk, "embed", "Lines of text to embeddings",
                                 "echo \"A man is eating food.\" | cairn embed minilm\n"
                                 "cairn embed minilm sentences.txt --json | jq .width\n"
                                 "cairn embed minilm sentences.txt --out embeddings.npy -v");
  AddModel(*command, o->model);
  command->add_option("FILE", o->file, "A text a line; - is standard input (default)")
      ->type_name("");
  AddEmbedderChoice(*command, o->choice);
  command
      ->add_option("--dimensions", o->dimensions,
                   "Only the first N values, for models that were trained for that")
      ->type_name("N")
      ->check(WholeNumber(1, kMostContextTokens));
  command->add_flag("--raw", o->raw, "As the model makes them, not scaled to a length of 1");
  command->add_option("--out", o->out, "Write a NumPy file: f32, one row for each text")
      ->type_name("F.npy")
      ->check(NotEmpty());
  AddJson(*command, o->json);
  command->add_flag("-v,--verbose", o->verbose, "Texts and tokens per second on standard error");
  OnChosen(*command, chosen, o, Embed);
}

}  // namespace cairn::apps
