// SPDX-License-Identifier: Apache-2.0
// cairn quantize: a model's file with its matrices in another format, and what that costs.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <filesystem>
#include <optional>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/output_file.h"
#include "apps/perplexity_score.h"
#include "apps/text.h"
#include "model/quantise.h"
#include "tensor/quantise.h"

namespace cairn::apps {
namespace {

struct QuantizeOptions {
  std::string in;
  std::string out;
  tensor::Format type{};
  std::string importance;
  std::string text;  // for the perplexity; empty: not asked for
  std::int64_t context = 512;
  int threads = 0;
  bool json = false;
};

// What became of the tensors, one after the other and together.
class Report {
 public:
  Report(Console& console, bool as_json) : console_(console), as_json_(as_json) {}

  void Add(const model::QuantisedTensor& tensor) {
    bytes_ += tensor.bytes;
    values_ += tensor.values;
    squares_ += tensor.squares;
    error_ += tensor.error;
    const auto name = [](tensor::Format format) { return tensor::Traits(format).name; };
    if (as_json_) {
      tensors_.push_back(boost::json::object{{"name", tensor.name},
                                             {"from", name(tensor.from)},
                                             {"to", name(tensor.to)},
                                             {"values", tensor.values},
                                             {"bytes", tensor.bytes},
                                             {"importance", tensor.weighed},
                                             {"error", tensor.relative_error()}});
    } else if (tensor.from != tensor.to) {
      console_.Write(fmt::format("{:40} {:>6} -> {:6} {:>9}  error {:.5f}{}\n", tensor.name,
                                 name(tensor.from), name(tensor.to), HumanBytes(tensor.bytes),
                                 tensor.relative_error(), tensor.weighed ? "  by importance" : ""));
      console_.Flush();
    }
  }
  double error() const { return squares_ > 0 ? std::sqrt(error_ / squares_) : 0; }
  double bits() const {
    return values_ > 0 ? 8.0 * static_cast<double>(bytes_) / static_cast<double>(values_) : 0;
  }
  std::uint64_t bytes() const { return bytes_; }
  boost::json::array Take() { return std::move(tensors_); }

 private:
  Console& console_;
  bool as_json_;
  boost::json::array tensors_;
  std::uint64_t bytes_ = 0;
  std::int64_t values_ = 0;
  double squares_ = 0;
  double error_ = 0;
};

Result<PerplexityScore> PerplexityOf(const std::string& path, const QuantizeOptions& o,
                                     const std::string& text, Console& console) {
  const auto engine = OR_RETURN(OpenEngineOf(path, {.threads = o.threads, .context = o.context}));
  auto score = ScoreText(*engine, text, o.text, static_cast<std::size_t>(o.context),
                         [&](std::size_t done, std::size_t windows, double perplexity) {
                           console.Progress(fmt::format("{}: window {} of {}, perplexity {:.4f}",
                                                        path, done, windows, perplexity));
                         });
  console.EndProgress();
  return score;
}

Result<void> WriteQuantised(const model::GgufFile& in, const QuantizeOptions& o, Report& report) {
  std::optional<model::Importance> importance;
  if (!o.importance.empty()) importance.emplace(OR_RETURN(model::Importance::Open(o.importance)));
  SystemFiles files;
  OutputFile file = OR_RETURN(OutputFile::Create(files, o.out));
  parallel::WorkerTeam team(o.threads > 0 ? o.threads : parallel::UsableCores());
  OR_RETURN(model::QuantiseFile(
      in, o.type, importance ? &*importance : nullptr, team,
      [&](std::span<const std::byte> bytes) { return file.Append(bytes); },
      [&](const model::QuantisedTensor& tensor) { report.Add(tensor); }));
  return file.Finish();
}

Result<void> Quantize(const QuantizeOptions& o, Console& console) {
  const std::string path = OR_RETURN(FindModel(o.in, console));
  std::error_code ignored;
  if (std::filesystem::equivalent(path, o.out, ignored)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' would be read and written at the same time", o.out));
  }
  std::string text;
  if (!o.text.empty()) text = OR_RETURN(ReadTextFile(o.text));
  Report report(console, o.json);
  {
    const model::GgufFile in = OR_RETURN(model::OpenModelFile(path));
    auto written = WriteQuantised(in, o, report);
    if (!written) return std::unexpected(std::move(written).error().Within("'" + path + "'"));
  }
  boost::json::object result{{"tensors", report.Take()},
                             {"bytes", report.bytes()},
                             {"bits_per_value", report.bits()},
                             {"error", report.error()}};
  if (!o.json) {
    console.Write(
        fmt::format("{}: {}, {:.2f} bits per value, error {:.5f} of the changed tensors\n", o.out,
                    HumanBytes(report.bytes()), report.bits(), report.error()));
  }
  if (!o.text.empty()) {
    const PerplexityScore before = OR_RETURN(PerplexityOf(path, o, text, console));
    const PerplexityScore after = OR_RETURN(PerplexityOf(o.out, o, text, console));
    result["perplexity_before"] = before.perplexity;
    result["perplexity"] = after.perplexity;
    if (!o.json) {
      console.Write(fmt::format("perplexity {:.4f} before, {:.4f} after: {:+.2f} %\n",
                                before.perplexity, after.perplexity,
                                100 * (after.perplexity / before.perplexity - 1)));
    }
  }
  if (o.json) console.WriteJson(result);
  return {};
}

// A format that can be written, by its name in letters of either case.
std::optional<tensor::Format> FormatOfName(std::string name) {
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (traits.name == name && tensor::CanQuantise(traits.format)) return traits.format;
  }
  return std::nullopt;
}

std::string Names() {
  std::string names;
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!tensor::CanQuantise(traits.format)) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", traits.name);
  }
  return names;
}

}  // namespace

void AddQuantize(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<QuantizeOptions>();
  CLI::App* command = NewCommand(app, kModels, "quantize", "A model's file in another format",
                                 "cairn quantize model-f16.gguf model-q4_k.gguf Q4_K\n"
                                 "cairn quantize model-f16.gguf small.gguf Q3_K --importance "
                                 "imatrix.gguf --perplexity book.txt");
  AddModel(*command, o->in);
  command->add_option("OUT", o->out, "The GGUF file to write")
      ->type_name("")
      ->required()
      ->check(NotEmpty());
  command
      ->add_option_function<std::string>(
          "TYPE", [o](const std::string& name) { o->type = *FormatOfName(name); },
          "The format of its matrices: " + Names())
      ->type_name("")
      ->required()
      ->check(CLI::Validator(
          [](std::string& name) -> std::string {
            if (FormatOfName(name)) return {};
            return fmt::format("expected one of {}, got '{}'", Names(), name);
          },
          ""));
  command
      ->add_option("--importance", o->importance,
                   "A file of cairn importance, or of llama.cpp's tool in its GGUF form: errors "
                   "count by how much the columns are used")
      ->type_name("FILE")
      ->check(NotEmpty());
  command
      ->add_option("--perplexity", o->text,
                   "A text by which the model is measured before and after")
      ->type_name("FILE")
      ->check(NotEmpty());
  command->add_option("--context", o->context, "Tokens of a window of that text")
      ->type_name("N")
      ->capture_default_str()
      ->check(WholeNumber(4, kMostContextTokens));
  AddJson(*command, o->json);
  AddThreads(*command, o->threads);
  OnChosen(*command, chosen, o, Quantize);
}

}  // namespace cairn::apps
