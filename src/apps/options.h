// SPDX-License-Identifier: Apache-2.0
// Options that several subcommands have: the same spelling, range, help and error everywhere.
//
// Every number is checked while parsing, so that a bad one is a usage error (exit code 2) with one
// sentence that names the option, the range and what was given.
// Threads: parsing runs on the main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "kernels/kernels.h"
#include "kv/pool.h"

namespace cairn::apps {

inline constexpr std::int64_t kMostContextTokens = 1 << 28;
inline constexpr std::int64_t kMostListed = 1 << 20;  // numbers in a list such as --tokens

// Validators. The text of an option must be one whole number (or number) in [least, most].
CLI::Validator WholeNumber(std::int64_t least, std::int64_t most);
CLI::Validator Number(double least, double most);
CLI::Validator NumberAbove(double bound, double most);  // in (bound, most]
// Whole numbers separated by commas, at least one, each in [least, most].
CLI::Validator WholeNumbers(std::int64_t least, std::int64_t most);
// A number of bytes: 1048576, 512M, 2G (K, M, G and T are powers of 1024), at most 2^60.
CLI::Validator ByteSize();
CLI::Validator ByteSizeOrZero();
// From `least` to `most`, which are such sizes themselves.
CLI::Validator ByteSizeIn(const char* least, const char* most);
CLI::Validator NotEmpty();
// The numbers of a text that WholeNumbers accepted.
std::vector<std::int64_t> ParseWholeNumbers(const std::string& text);
// The bytes of a text that ByteSize accepted.
std::size_t ParseByteSize(std::string_view text);

// What may guess the next tokens of an answer.
struct Proposals {
  enum class By { kNobody, kText, kDraft };
  By by = By::kText;
  std::string draft;  // a MODEL, where it is one
};

CLI::Option* AddModel(CLI::App& command, std::string& model);
CLI::Option* AddThreads(CLI::App& command, int& threads);
CLI::Option* AddKv(CLI::App& command, kernels::KvFormat& kv);
CLI::Option* AddKvBackend(CLI::App& command, kv::KvBackend& backend);
CLI::Option* AddKvMemory(CLI::App& command, std::size_t& bytes);
CLI::Option* AddKvSwap(CLI::App& command, std::size_t& bytes);
// --propose for commands that take no draft model: whether the text itself proposes.
void AddPropose(CLI::App& command, bool& from_text);
// --propose and --draft, with the usage errors of one without the other.
void AddPropose(CLI::App& command, Proposals& proposals);
// Answers of many at once: 1 to 256.
CLI::Option* AddParallel(CLI::App& command, int& answers);
CLI::Option* AddPin(CLI::App& command, bool& pinned);
CLI::Option* AddContext(CLI::App& command, std::int64_t& context, const char* help);
CLI::Option* AddJson(CLI::App& command, bool& json);

// What run and chat share.
struct AnswerOptions {
  std::int64_t max_tokens = -1;  // -1: until the model ends
  std::vector<std::string> stop;
  std::string system;
  std::string chat_template;  // a file; empty: the model's own
  std::string session;        // a file where the conversation goes on; empty: none
  engine::SamplingOptions sampling;
  std::int64_t context = 0;  // 0: what the model has and the machine fits
  int threads = 0;           // 0: all usable cores
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;  // bytes; 0: half of what is free
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  bool pinned = false;  // each worker on a core of its own
  Proposals proposals;
};
void AddAnswerOptions(CLI::App& command, AnswerOptions& options);

}  // namespace cairn::apps
