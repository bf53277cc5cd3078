// SPDX-License-Identifier: Apache-2.0
// What the scheduler asks for the next token of an answer.
// Threads: called on the engine's thread, one call at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/error.h"

namespace cairn::engine {

// Why an answer ended that its own chooser did not end.
enum class Ended {
  kByChooser,  // Next said so
  kContext,    // the context, or all of the KV memory, is full
  kCancelled,
};

class TokenChooser {
 public:
  virtual ~TokenChooser() = default;

  // Of a streamed prompt, once, before the first Next: it is complete and reads `tokens`; the last
  // of it came `waited_ns` ago.
  virtual void PromptIsComplete(std::span<const std::int32_t> /*tokens*/,
                                std::int64_t /*waited_ns*/) {}

  // The token that follows, given the logits of the position before it (finite, whole vocabulary);
  // absent: the answer ends here, and the token that ended it goes no further. Calls come in the
  // order of the tokens, once for each, whatever was proposed or preempted in between.
  virtual std::optional<std::int32_t> Next(std::span<const float> logits) = 0;

  // Before the first Next: tokens of the prompt that were found in the cache.
  virtual void Reused(std::int64_t tokens) = 0;

  // Before the first Next, after a step: the prompt has been computed so far. After the sequence
  // gave way the numbers may go back.
  virtual void Progress(std::int64_t /*computed*/, std::int64_t /*total*/) {}

  // The last call.
  virtual void End(Ended how) = 0;
  // Instead of End: the sequence failed.
  virtual void Fail(const Error& error) = 0;
};

}  // namespace cairn::engine
