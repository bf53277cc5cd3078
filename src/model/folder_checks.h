// SPDX-License-Identifier: Apache-2.0
// What the tables of folder_kinds.cc cannot say of a kind: settings that an architecture takes for
// granted and a folder may have otherwise. Errors: kUnsupported, naming the setting; kCorrupt.
// Threads: pure functions.
#pragma once

#include "base/error.h"
#include "model/folder_kinds.h"

namespace cairn::model {

// Gemma: the scale of queries is not in GGUF files; the architecture knows it. And the pattern of
// layers, as CheckLayerPattern.
[[nodiscard]] Result<void> CheckQueryScale(const Checkpoint& from, const FolderKind& kind,
                                           GgufOutput& out);
// Which layers see everything, or rotate nothing, goes by a pattern of the architecture.
[[nodiscard]] Result<void> CheckLayerPattern(const Checkpoint& from, const FolderKind& kind,
                                             GgufOutput& out);
// Qwen and SmolLM3 could have a sliding window and do not. And the pattern of layers.
[[nodiscard]] Result<void> CheckNoWindow(const Checkpoint& from, const FolderKind& kind,
                                         GgufOutput& out);
// Experts in every layer. And no window.
[[nodiscard]] Result<void> CheckAllSparse(const Checkpoint& from, const FolderKind& kind,
                                          GgufOutput& out);
// OLMoE could hold queries, keys and values inside a limit and does not.
[[nodiscard]] Result<void> CheckNoClip(const Checkpoint& from, const FolderKind& kind,
                                       GgufOutput& out);
// BERT's settings beside those of the table, and the pooling that sentence-transformers is told of.
[[nodiscard]] Result<void> WriteBert(const Checkpoint& from, const FolderKind& kind,
                                     GgufOutput& out);

}  // namespace cairn::model
