// SPDX-License-Identifier: Apache-2.0
// From the MODEL of a command line to something that runs.
//
// Every command opens models through here: a known short name that is missing is pulled first, with
// a note and progress on standard error.
// Threads: the main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "apps/console.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/engine.h"
#include "kernels/isa.h"
#include "model/gguf.h"
#include "model/store.h"
#include "model/tokenizer.h"

namespace cairn::apps {

// The store of CAIRN_HOME, XDG_CACHE_HOME or HOME.
[[nodiscard]] Result<model::Store> OpenStore();

// Progress of a pull on standard error: a line that moves on a terminal, notes elsewhere.
model::PullSink ShowProgress(Console& console, std::string name);

// The path of a model, pulled where it must be.
[[nodiscard]] Result<std::string> FindModel(const std::string& name, Console& console);

// The instruction set that CAIRN_ISA forces, or the best one.
[[nodiscard]] Result<kernels::Isa> ChosenIsa();

// The pre-tokenizer that --pre or CAIRN_PRE names in place of a file's; empty: the file's.
inline constexpr const char* kPreVariable = "CAIRN_PRE";
std::string ForcedPreTokenizer();

// A model file that is only looked at: nothing is loaded. Members are in the order of their needs.
struct OpenedFile {
  std::string path;
  MappedFile file;
  model::Gguf gguf;
};
[[nodiscard]] Result<OpenedFile> OpenFile(const std::string& name, Console& console);

// The tokenizer of a file, which needs no tensors.
struct OpenedTokenizer {
  OpenedFile opened;
  model::Tokenizer tokenizer;
};
[[nodiscard]] Result<OpenedTokenizer> OpenTokenizer(const std::string& name, Console& console);

struct EngineWish {
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  std::int64_t context = 0;
  int step_rows = 512;
  int step_sequences = 1;
  bool pinned = false;
  engine::StepObserver* observer = nullptr;  // outlives the engine
};
[[nodiscard]] Result<std::unique_ptr<engine::Engine>> OpenEngine(const std::string& name,
                                                                 const EngineWish& wish,
                                                                 Console& console);

}  // namespace cairn::apps
