// SPDX-License-Identifier: Apache-2.0
#include "apps/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "apps/open.h"

namespace cairn::apps {
namespace {

constexpr const char* kSampling = "Choosing words";
constexpr const char* kMachine = "Machine";
constexpr std::int64_t kMostSeed = std::int64_t{9'223'372'036'854'775'807};

template <typename T>
std::optional<T> Parse(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kMostShown = 40;
  return fmt::format("'{}{}'", text.substr(0, kMostShown), text.size() > kMostShown ? "..." : "");
}

CLI::Validator Named(std::function<std::string(std::string&)> check) {
  CLI::Validator validator(std::move(check), "");
  return validator;
}

// Bytes of "512M"; nothing for a text that is none, or more than 2^60.
std::optional<std::size_t> BytesOf(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  std::size_t unit = 1;
  if (!text.empty()) {
    const std::size_t at = kUnits.find(static_cast<char>(text.back() & ~0x20));
    if (at != std::string_view::npos) {
      unit = std::size_t{1} << (10 * (at + 1));
      text.remove_suffix(1);
    }
  }
  const auto number = Parse<std::size_t>(text);
  if (!number || *number == 0 || *number > (std::size_t{1} << 60) / unit) return std::nullopt;
  return *number * unit;
}

CLI::Validator CheckedNumber(double least, double most, bool above) {
  return Named([=](std::string& text) -> std::string {
    const auto value = Parse<double>(text);
    if (value && std::isfinite(*value) && (above ? *value > least : *value >= least) &&
        *value <= most) {
      return {};
    }
    return fmt::format("expected a number {} {} {} {}, got {}", above ? "above" : "from", least,
                       above ? "and up to" : "to", most, Quoted(text));
  });
}

}  // namespace

CLI::Validator WholeNumber(std::int64_t least, std::int64_t most) {
  return Named([=](std::string& text) -> std::string {
    const auto value = Parse<std::int64_t>(text);
    if (value && *value >= least && *value <= most) return {};
    return fmt::format("expected a whole number from {} to {}, got {}", least, most, Quoted(text));
  });
}

CLI::Validator Number(double least, double most) { return CheckedNumber(least, most, false); }
CLI::Validator NumberAbove(double bound, double most) { return CheckedNumber(bound, most, true); }

CLI::Validator WholeNumbers(std::int64_t least, std::int64_t most) {
  return Named([=](std::string& text) -> std::string {
    std::string_view rest = text;
    for (std::int64_t count = 1;; ++count) {
      const std::size_t comma = rest.find(',');
      const std::string_view item = rest.substr(0, comma);
      const auto value = Parse<std::int64_t>(item);
      if (!value || *value < least || *value > most) {
        return fmt::format("expected whole numbers from {} to {} separated by commas, got {}",
                           least, most, Quoted(item));
      }
      if (comma == std::string_view::npos) return {};
      if (count == kMostListed) return fmt::format("more than {} numbers", kMostListed);
      rest.remove_prefix(comma + 1);
    }
  });
}

CLI::Validator ByteSize() {
  return Named([](std::string& text) -> std::string {
    if (BytesOf(text)) return {};
    return fmt::format("expected a size such as 1048576, 512M or 2G, got {}", Quoted(text));
  });
}

CLI::Validator ByteSizeIn(const char* least, const char* most) {
  return Named([=](std::string& text) -> std::string {
    const auto bytes = BytesOf(text);
    if (bytes && *bytes >= ParseByteSize(least) && *bytes <= ParseByteSize(most)) return {};
    return fmt::format("expected a size from {} to {}, got {}", least, most, Quoted(text));
  });
}

CLI::Validator ByteSizeOrZero() {
  return Named([](std::string& text) -> std::string {
    if (text == "0" || BytesOf(text)) return {};
    return fmt::format("expected 0 or a size such as 1048576, 512M or 2G, got {}", Quoted(text));
  });
}

CLI::Validator NotEmpty() {
  return Named([](std::string& text) -> std::string {
    return text.empty() ? "expected a text that is not empty" : "";
  });
}

std::vector<std::int64_t> ParseWholeNumbers(const std::string& text) {
  std::vector<std::int64_t> numbers;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    numbers.push_back(Parse<std::int64_t>(rest.substr(0, comma)).value_or(0));
    if (comma == std::string_view::npos) return numbers;
    rest.remove_prefix(comma + 1);
  }
}

std::size_t ParseByteSize(std::string_view text) { return BytesOf(text).value_or(0); }

CLI::Option* AddModel(CLI::App& command, std::string& model) {
  // In the environment, where CAIRN_PRE is: everything that opens a vocabulary looks there.
  command
      .add_option_function<std::string>(
          "--pre", [](const std::string& name) { setenv(kPreVariable, name.c_str(), 1); },
          "Pre-tokenizer in place of the one that the file names (cairn support lists them)")
      ->type_name("NAME");
  return command
      .add_option(
          "MODEL", model,
          "A short name (smollm2, gemma3, minilm), a path to a GGUF file, a file's name in the "
          "model folder, or a name of another program's model that `cairn list` shows")
      ->type_name("")
      ->required();
}

CLI::Option* AddThreads(CLI::App& command, int& threads) {
  return command
      .add_option("-t,--threads", threads,
                  "Worker threads (default: the physical cores it may use)")
      ->type_name("N")
      ->check(WholeNumber(1, 256))
      ->group(kMachine);
}

CLI::Option* AddKv(CLI::App& command, kernels::KvFormat& kv) {
  return command
      .add_option_function<std::string>(
          "--kv", [&kv](const std::string& name) { kv = *kernels::KvFormatOfName(name); },
          "Keys and values as f32, f16 or q8: q8 takes half of f16 and is faster at length, a "
          "little less exact")
      ->type_name("FORMAT")
      ->default_str("f16")
      ->check(Named([](std::string& name) -> std::string {
        if (kernels::KvFormatOfName(name)) return {};
        return fmt::format("expected f32, f16 or q8, got {}", Quoted(name));
      }))
      ->group(kMachine);
}

CLI::Option* AddKvMemory(CLI::App& command, std::size_t& bytes) {
  return command
      .add_option_function<std::string>(
          "--kv-memory", [&bytes](const std::string& text) { bytes = ParseByteSize(text); },
          "Memory for keys and values, such as 512M or 2G (default: half of what is free)")
      ->type_name("SIZE")
      ->check(ByteSize())
      ->group(kMachine);
}

CLI::Option* AddKvSwap(CLI::App& command, std::size_t& bytes) {
  return command
      .add_option_function<std::string>(
          "--kv-swap", [&bytes](const std::string& text) { bytes = ParseByteSize(text); },
          "Disk (in $TMPDIR, else /var/tmp) for keys and values of answers that give way when the "
          "memory is full, used where that is faster than computing them again (default: none)")
      ->type_name("SIZE")
      ->check(ByteSize())
      ->group(kMachine);
}

void AddPropose(CLI::App& command, bool& from_text) {
  command
      .add_option_function<std::string>(
          "--propose", [&from_text](const std::string& name) { from_text = name == "ngram"; },
          "ngram: guess tokens from what the text said before, where that wins time; off. The "
          "answer is the same")
      ->type_name("HOW")
      ->default_str("ngram")
      ->check(Named([](std::string& name) -> std::string {
        if (name == "ngram" || name == "off") return {};
        return fmt::format("expected ngram or off, got {}", Quoted(name));
      }))
      ->group(kMachine);
}

void AddPropose(CLI::App& command, Proposals& proposals) {
  using By = Proposals::By;
  CLI::Option* how = command
                         .add_option_function<std::string>(
                             "--propose",
                             [&proposals](const std::string& name) {
                               proposals.by = name == "off"     ? By::kNobody
                                              : name == "draft" ? By::kDraft
                                                                : By::kText;
                             },
                             "ngram: guess tokens from what the text said before, where that wins "
                             "time; draft: from "
                             "another model; off. The answer is the same")
                         ->type_name("HOW")
                         ->default_str("ngram")
                         ->check(Named([](std::string& name) -> std::string {
                           if (name == "ngram" || name == "draft" || name == "off") return {};
                           return fmt::format("expected ngram, draft or off, got {}", Quoted(name));
                         }))
                         ->group(kMachine);
  CLI::Option* draft =
      command
          .add_option("--draft", proposals.draft,
                      "A small MODEL with the same vocabulary that guesses tokens, where that wins "
                      "time; implies --propose draft")
          ->type_name("MODEL")
          ->check(NotEmpty())
          ->group(kMachine);
  command.parse_complete_callback([&proposals, how, draft] {
    if (draft->count() > 0 && how->count() == 0) proposals.by = By::kDraft;
    if ((draft->count() > 0) == (proposals.by == By::kDraft)) return;
    throw CLI::ValidationError(draft->count() > 0 ? "--draft" : "--propose",
                               draft->count() > 0 ? "a draft model goes with --propose draft"
                                                  : "draft needs a model: --draft MODEL");
  });
}

CLI::Option* AddKvBackend(CLI::App& command, kv::KvBackend& backend) {
  return command
      .add_option_function<std::string>(
          "--kv-backend",
          [&backend](const std::string& name) {
            backend = name == "mapped" ? kv::KvBackend::kMapped : kv::KvBackend::kArena;
          },
          "Where keys and values lie: arena, or mapped, one contiguous range per sequence. The "
          "results are the same")
      ->type_name("WHERE")
      ->default_str("arena")
      ->check(Named([](std::string& name) -> std::string {
        if (name == "arena" || name == "mapped") return {};
        return fmt::format("expected arena or mapped, got {}", Quoted(name));
      }))
      ->group(kMachine);
}

CLI::Option* AddParallel(CLI::App& command, int& answers) {
  constexpr int kMostParallel = 256;
  return command.add_option("--parallel", answers, "Answers that are made at the same time")
      ->type_name("N")
      ->check(WholeNumber(1, kMostParallel))
      ->capture_default_str();
}

CLI::Option* AddPin(CLI::App& command, bool& pinned) {
  return command
      .add_flag("--pin", pinned,
                "Keep each worker thread on a core of its own; for a machine with no other work")
      ->group(kMachine);
}

CLI::Option* AddContext(CLI::App& command, std::int64_t& context, const char* help) {
  return command.add_option("--context", context, help)
      ->type_name("N")
      ->check(WholeNumber(1, kMostContextTokens))
      ->group(kMachine);
}

CLI::Option* AddJson(CLI::App& command, bool& json) {
  return command.add_flag("--json", json, "Print one JSON value instead of text");
}

void AddAnswerOptions(CLI::App& command, AnswerOptions& o) {
  command
      .add_option("-n,--max-tokens", o.max_tokens,
                  "Most tokens of an answer (default: until the model ends it)")
      ->type_name("N")
      ->check(WholeNumber(1, kMostContextTokens));
  command.add_option("--stop", o.stop, "End the answer before this text; may be given again")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->check(NotEmpty());
  command.add_option("--system", o.system, "Instructions that stand before the conversation")
      ->type_name("TEXT");
  command
      .add_option("--chat-template", o.chat_template,
                  "A file with a Jinja chat template, in place of the model's own")
      ->type_name("FILE");
  command
      .add_option("--session", o.session,
                  "Go on with the conversation in this file, keys and values included, and keep it "
                  "there; a new file begins a new one")
      ->type_name("FILE")
      ->check(NotEmpty());

  auto& s = o.sampling;
  const auto add = [&](const char* name, auto& value, const char* help, const char* type,
                       const CLI::Validator& check) {
    command.add_option(name, value, help)
        ->type_name(type)
        ->check(check)
        ->group(kSampling)
        ->capture_default_str();
  };
  add("--temp", s.temperature, "Temperature; 0 takes the likeliest token", "T", Number(0, 100));
  add("--top-k", s.top_k, "Only the K likeliest tokens; 0: all", "K", WholeNumber(0, 1 << 30));
  add("--top-p", s.top_p, "Only the likeliest tokens that reach this share together", "P",
      NumberAbove(0, 1));
  add("--min-p", s.min_p, "Only tokens at least this likely beside the likeliest; 0: all", "P",
      Number(0, 1));
  add("--seed", s.seed, "Another seed, another answer; the same seed, the same answer", "S",
      WholeNumber(0, kMostSeed));
  add("--repeat-penalty", s.repeat_penalty, "Divides what was said already; 1: off", "R",
      NumberAbove(0, 10));
  add("--presence-penalty", s.presence_penalty, "Subtracted once from what was said; 0: off", "R",
      Number(-10, 10));
  add("--frequency-penalty", s.frequency_penalty, "Subtracted each time it was said; 0: off", "R",
      Number(-10, 10));
  AddContext(command, o.context,
             "Tokens a conversation may hold (default: what the model has and memory fits)");
  AddKv(command, o.kv);
  AddKvMemory(command, o.kv_memory);
  AddKvBackend(command, o.kv_backend);
  AddPropose(command, o.proposals);
  AddThreads(command, o.threads);
  AddPin(command, o.pinned);
}

}  // namespace cairn::apps
