// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json as the metadata that GGUF files have.
// Threads: a pure function.
#pragma once

#include <boost/json/object.hpp>

#include "base/error.h"
#include "model/gguf_output.h"

namespace cairn::model {

// WordPiece, as BERT's models have it. Errors: kUnsupported for another kind, kCorrupt for a
// vocabulary with holes, kLimit (vocabulary.h).
[[nodiscard]] Result<void> ImportTokenizer(const boost::json::object& tokenizer, GgufOutput& out);

}  // namespace cairn::model
