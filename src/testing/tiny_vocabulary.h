// SPDX-License-Identifier: Apache-2.0
// Small, complete vocabularies for tiny models: all 256 bytes, some words, the control tokens of a
// chat. Threads: pure functions.
#pragma once

#include "testing/gguf_writer.h"

namespace cairn::testing {

// Write the tokenizer's metadata and return the number of tokens.
int WriteByteBpe(GgufWriter& writer, bool chat_template);
int WriteSentencePiece(GgufWriter& writer, bool chat_template);

}  // namespace cairn::testing
