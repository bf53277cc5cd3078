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
#include "apps/options.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/draft.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "kernels/isa.h"
#include "model/folder.h"
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
  engine::InputSums* inputs = nullptr;       // outlives the engine
};
// Of a path that FindModel gave. From any thread.
[[nodiscard]] Result<std::unique_ptr<engine::Engine>> OpenEngineOf(const std::string& path,
                                                                   const EngineWish& wish);
[[nodiscard]] Result<std::unique_ptr<engine::Engine>> OpenEngine(const std::string& name,
                                                                 const EngineWish& wish,
                                                                 Console& console);

// The path of the draft model, pulled where it must be; empty where there is none.
[[nodiscard]] Result<std::string> FindDraft(const Proposals& proposals, Console& console);

// An engine and what proposes tokens to it.
struct Answerer {
  std::unique_ptr<engine::Engine> engine;
  std::shared_ptr<engine::Draft> draft;  // null: there is none
  bool from_text = false;
  // Lets a scheduler propose so.
  void Propose(engine::SchedulerOptions& options) const {
    options.propose = from_text;
    options.draft = draft;
  }
};
// With a draft model, `wish.kv_memory` (or half of what is free) is for both: each gets what the
// same number of tokens takes. Errors: also kInvalidArgument (another vocabulary).
[[nodiscard]] Result<Answerer> OpenAnswerer(const std::string& path, const EngineWish& wish,
                                            const Proposals& proposals, Console& console);

}  // namespace cairn::apps
