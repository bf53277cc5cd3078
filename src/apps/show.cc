// SPDX-License-Identifier: Apache-2.0
// cairn show: what a model file holds and what it needs.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apps/command.h"
#include "apps/memory_need.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "engine/machine.h"
#include "model/architectures.h"
#include "model/summary.h"
#include "model/tokenizer.h"
#include "model/vocabulary.h"
#include "program/cost.h"

namespace cairn::apps {
namespace {

struct ShowOptions {
  std::string model;
  std::int64_t context = 0;  // 0: what the model was trained for
  bool program = false;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  bool chat_template = false;
  bool json = false;
};

struct Report {
  std::string path;
  std::uint64_t file_bytes = 0;
  model::Summary summary;
  std::optional<program::Program> program;  // absent: this file cannot be run
  std::string problem;                      // why not
  std::vector<std::string> missing;         // what of the file this program lacks; empty: nothing
  kernels::Routing experts;          // of the first layer that has them; no experts: none has
  std::uint64_t read_per_token = 0;  // bytes of weights
  std::int64_t context = 0;
  MemoryNeed need;
  std::uint64_t available = 0;  // bytes of memory; 0: not known
};

// Everything that keeps a file from running, not only the first that loading would meet.
std::vector<std::string> MissingOf(const model::Gguf& gguf) {
  std::vector<std::string> missing;
  if (auto program = model::BuildProgram(gguf); !program) {
    missing.push_back(program.error().message);
  }
  auto vocabulary = model::ReadVocabulary(gguf, ForcedPreTokenizer());
  if (!vocabulary) {
    missing.push_back(vocabulary.error().message);
  } else if (auto made = model::Tokenizer::Create(std::move(*vocabulary)); !made) {
    missing.push_back(made.error().message);
  }
  return missing;
}

Result<Report> MakeReport(const ShowOptions& o, const OpenedFile& opened) {
  Report report{.path = opened.path,
                .file_bytes = opened.gguf.file_bytes(),
                .summary = model::Summarise(opened.gguf)};
  report.context = o.context > 0 ? o.context : report.summary.context;
  if (report.summary.context > 0 && report.context > report.summary.context) {
    return Fail(ErrorCode::kLimit,
                fmt::format("--context {} is more than the {} tokens that the model was trained "
                            "for",
                            report.context, report.summary.context));
  }
  report.available = engine::AvailableMemoryBytes();
  report.missing = MissingOf(opened.gguf);
  auto program = model::BuildProgram(opened.gguf);
  if (!program) {
    report.problem = program.error().message;
    return report;
  }
  report.need = OR_RETURN(NeedOf(*program, report.context, o.kv));
  const auto route =
      std::ranges::find(program->operations, program::OpKind::kRoute, &program::Operation::kind);
  if (route != program->operations.end()) {
    report.experts = route->as<program::RouteAttributes>().routing;
  }
  report.read_per_token = static_cast<std::uint64_t>(program::TotalCost(*program, {}).weight_bytes);
  report.program = std::move(*program);
  return report;
}

bool Fits(const Report& report) {
  return report.available == 0 || report.need.total() <= report.available;
}

std::string MemoryLine(const Report& report) {
  if (!report.program) return "not known: this file cannot be run";
  const MemoryNeed& need = report.need;
  std::string line = fmt::format(
      "{} at {} tokens of context: {} weights, {} keys and values ({} a token), {} step buffers",
      HumanBytes(need.total()), report.context, HumanBytes(need.weights), HumanBytes(need.kv),
      HumanBytes(need.kv_per_token), HumanBytes(need.step));
  if (need.states > 0) line += fmt::format(", {} states of a text", HumanBytes(need.states));
  return line;
}

std::string ExpertLine(const Report& report) {
  return fmt::format("{}, {} of them for each token, which reads {} of the weights",
                     report.experts.experts, report.experts.used,
                     HumanBytes(report.read_per_token));
}

std::string FitLine(const Report& report) {
  if (!report.program || report.available == 0) return "not known";
  if (Fits(report)) {
    return fmt::format("yes: {} of memory can be had", HumanBytes(report.available));
  }
  const std::uint64_t fixed = report.need.weights + report.need.states + report.need.step;
  if (fixed >= report.available || report.need.kv_per_token == 0) {
    return fmt::format("no: {} of memory can be had, less than the weights need",
                       HumanBytes(report.available));
  }
  return fmt::format("not with this context: {} of memory can be had, enough for --context {}",
                     HumanBytes(report.available),
                     (report.available - fixed) / report.need.kv_per_token);
}

void PrintSummary(const Report& report, Console& console) {
  const model::Summary& s = report.summary;
  const auto line = [&](const char* name, const std::string& value) {
    console.Write(fmt::format("{:13} {}\n", name, value));
  };
  line("model", s.name.empty() ? "(the file gives no name)" : s.name);
  line("file", fmt::format("{} ({})", report.path, HumanBytes(report.file_bytes)));
  line("architecture", s.architecture);
  line("parameters", HumanCount(s.parameters));
  line("context", s.context > 0 ? fmt::format("{} tokens", s.context) : "not stated");
  const bool embeds = report.program && report.program->output != program::Output::kLogits;
  line("template", s.has_template ? "yes: it was made for conversations"
                   : embeds       ? "none: it makes embeddings"
                                  : "none: it continues texts");
  if (report.missing.empty()) line("missing", "nothing: it runs");
  for (const std::string& what : report.missing) line("missing", what);
  if (report.program && report.experts.experts > 0) line("experts", ExpertLine(report));
  line("memory", MemoryLine(report));
  line("fits", FitLine(report));
  if (s.groups.empty()) return;
  console.Write(fmt::format("\n{:13} {:7} {:>7} {:>11} {:>10}\n", "part", "format", "tensors",
                            "parameters", "bytes"));
  for (const model::TensorGroup& group : s.groups) {
    console.Write(fmt::format("{:13} {:7} {:7} {:>11} {:>10}\n", group.part,
                              tensor::Traits(group.format).name, group.tensors,
                              HumanCount(group.parameters), HumanBytes(group.bytes)));
  }
}

// One row of the program's table.
struct OpRow {
  const program::Operation& op;
  std::string shape;
  std::string format;            // of the weight; empty: none
  std::uint64_t bytes = 0;       // of the weight
  std::uint64_t operations = 0;  // per row of the output (attention: per position seen)
};

OpRow MakeOpRow(const program::Program& program, const program::Operation& op) {
  const program::ValueInfo& out = program.info(op.output);
  OpRow row{.op = op};
  row.shape = fmt::format("[{}, {}]", out.rows == program::Rows::kTokens ? "T" : "S", out.width);
  const auto width = static_cast<std::uint64_t>(out.width);
  if (op.weight >= 0) {
    const program::Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
    const std::uint64_t row_bytes =
        tensor::RowBytes(weight.format, static_cast<std::size_t>(weight.cols));
    row.format = tensor::Traits(weight.format).name;
    row.bytes = row_bytes * static_cast<std::uint64_t>(weight.rows);
    if (op.kind == program::OpKind::kMatmul || op.kind == program::OpKind::kHeadMatmul ||
        op.kind == program::OpKind::kExperts) {
      row.operations = 2 * width * static_cast<std::uint64_t>(weight.cols);
    }
  }
  if (op.kind == program::OpKind::kAttend) row.operations = 4 * width;
  if (op.kind == program::OpKind::kRmsNorm) row.operations = 4 * width;
  if (op.kind == program::OpKind::kRotate) row.operations = 3 * width;
  if (op.kind == program::OpKind::kAdd || op.kind == program::OpKind::kScale ||
      op.kind == program::OpKind::kGate) {
    row.operations = width;
  }
  return row;
}

void PrintProgram(const program::Program& program, Console& console) {
  console.Write(fmt::format("{:>4} {:>5}  {:10} {:27} {:>10}  {:26} {:6} {:>9} {:>10}\n", "no",
                            "layer", "operation", "einsum", "shape", "weight", "format", "bytes",
                            "operations"));
  std::size_t number = 0;
  for (const program::Operation& op : program.operations) {
    const OpRow row = MakeOpRow(program, op);
    const std::string weight =
        op.weight < 0 ? "" : program.weights[static_cast<std::size_t>(op.weight)].name;
    if (!console.Write(fmt::format("{:4} {:>5}  {:10} {:27} {:>10}  {:26} {:6} {:>9} {:>10}\n",
                                   number++, op.layer < 0 ? "" : fmt::format("{}", op.layer),
                                   program::OpName(op.kind), program::EinsumOf(op), row.shape,
                                   weight, row.format, row.bytes == 0 ? "" : HumanBytes(row.bytes),
                                   row.operations == 0 ? "" : HumanCount(row.operations)))) {
      return;
    }
  }
  console.Write(
      "T: tokens of a step, S: rows that are sampled; operations are per row of the "
      "output, of the attention per position seen\n");
}

boost::json::value ProgramValue(const program::Program& program) {
  boost::json::array operations;
  for (const program::Operation& op : program.operations) {
    const OpRow row = MakeOpRow(program, op);
    boost::json::object value{{"operation", program::OpName(op.kind)},
                              {"layer", op.layer},
                              {"einsum", program::EinsumOf(op)},
                              {"shape", row.shape},
                              {"bytes", row.bytes},
                              {"operations", row.operations}};
    if (op.weight >= 0) {
      value["weight"] = program.weights[static_cast<std::size_t>(op.weight)].name;
      value["format"] = row.format;
    }
    operations.push_back(std::move(value));
  }
  return operations;
}

boost::json::value ReportValue(const Report& report, bool with_program) {
  const model::Summary& s = report.summary;
  boost::json::array groups;
  for (const model::TensorGroup& group : s.groups) {
    groups.push_back(boost::json::object{{"part", group.part},
                                         {"format", tensor::Traits(group.format).name},
                                         {"tensors", group.tensors},
                                         {"parameters", group.parameters},
                                         {"bytes", group.bytes}});
  }
  boost::json::object value{
      {"path", report.path},
      {"bytes", report.file_bytes},
      {"name", s.name},
      {"architecture", s.architecture},
      {"parameters", s.parameters},
      {"context_length", s.context},
      {"has_template", s.has_template},
      {"groups", std::move(groups)},
      {"runs", report.missing.empty()},
      {"missing", boost::json::array(report.missing.begin(), report.missing.end())}};
  if (!report.program) {
    value["problem"] = report.problem;
    return value;
  }
  value["memory"] = boost::json::object{
      {"context", report.context},    {"weights", report.need.weights},
      {"kv", report.need.kv},         {"kv_per_token", report.need.kv_per_token},
      {"states", report.need.states}, {"step", report.need.step},
      {"total", report.need.total()}, {"available", report.available},
      {"fits", Fits(report)}};
  value["read_per_token"] = report.read_per_token;
  if (report.experts.experts > 0) {
    value["experts"] =
        boost::json::object{{"count", report.experts.experts}, {"used", report.experts.used}};
  }
  if (with_program) value["program"] = ProgramValue(*report.program);
  return value;
}

Result<void> Show(const ShowOptions& o, Console& console) {
  const OpenedFile opened = OR_RETURN(OpenFile(o.model, console));
  if (o.chat_template) {
    const auto text = opened.gguf.GetString("tokenizer.chat_template");
    if (!text) return Fail(ErrorCode::kNotFound, opened.path + " has no chat template");
    if (o.json) {
      console.WriteJson(boost::json::object{{"path", opened.path}, {"template", *text}});
      return {};
    }
    console.Write(*text);
    if (!text->ends_with('\n')) console.Write("\n");
    return {};
  }
  const Report report = OR_RETURN(MakeReport(o, opened));
  if (o.program && !report.program) return Fail(ErrorCode::kUnsupported, report.problem);
  if (o.json) {
    console.WriteJson(ReportValue(report, o.program));
  } else if (o.program) {
    PrintProgram(*report.program, console);
  } else {
    PrintSummary(report, console);
  }
  return {};
}

}  // namespace

void AddShow(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<ShowOptions>();
  CLI::App* command = NewCommand(app, kModels, "show", "What a model holds and what it needs",
                                 "cairn show smollm2\n"
                                 "cairn show gemma3 --context 32768\n"
                                 "cairn show smollm2 --program | less -S");
  AddModel(*command, o->model);
  command->add_flag("--program", o->program,
                    "The program that the model is: operation, shape, format, bytes, operations");
  command->add_flag("--template", o->chat_template, "Only the chat template, as the file has it");
  AddJson(*command, o->json);
  AddContext(*command, o->context,
             "Tokens of context to reckon memory for (default: what the model has)");
  AddKv(*command, o->kv);
  OnChosen(*command, chosen, o, Show);
}

}  // namespace cairn::apps
