// SPDX-License-Identifier: Apache-2.0
// Chat templates: from a conversation to the text that the model was trained on.
//
// The templates that models ship are Jinja2 programs. They run here as they run in Jinja2's
// ImmutableSandboxedEnvironment with trim_blocks, lstrip_blocks and loop controls, with the
// additions of the ecosystem (raise_exception, strftime_now, tojson without HTML escapes,
// generation blocks); docs/chat-templates.md lists what differs. A template reaches nothing outside
// its inputs.
//
// Every byte of the result is known to be the template's own or to come from the input, so that a
// special token written inside a message stays text: give Parts() to the tokenizer.
//
// Threads: a ChatTemplate is immutable; Render from any thread.
// Limits: RenderLimits; all of them end in kLimit, none in a hang or an abort.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::model {

// What one rendering may use.
struct RenderLimits {
  std::uint64_t steps = 20'000'000;  // about a node of the template each; below two seconds
  std::size_t output_bytes = std::size_t{64} << 20;
  std::size_t live_bytes = std::size_t{512} << 20;  // of all values that exist at one time
  int depth = 600;                                  // expressions and macros inside one another
};

// The longest template that is accepted, in bytes. Real ones have up to about 20 KB.
inline constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

struct RenderInput {
  const boost::json::value& messages;
  const boost::json::value* tools = nullptr;  // null: the template sees none
  bool add_generation_prompt = false;
  std::string bos_token;
  std::string eos_token;
  boost::json::object extra;  // further variables; they win over those above
  // Local time for strftime_now; without it, strftime_now is an error.
  std::function<std::chrono::local_seconds()> now;
  RenderLimits limits;
};

struct RenderedPrompt {
  struct Part {
    std::string text;
    bool from_template = false;  // the template's literals, and the bos and eos tokens
  };
  std::vector<Part> parts;  // neighbours differ in from_template; no part is empty
  std::string Text() const;
};

class ChatTemplate {
 public:
  // Ill-formed UTF-8 reads as U+FFFD.
  // Errors: kInvalidArgument for a syntax error, with its line; kLimit.
  [[nodiscard]] static Result<ChatTemplate> Parse(std::string_view source);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Errors: kInvalidArgument where the template fails, which includes what it refuses by
  // raise_exception (its message is in the error's); kLimit.
  [[nodiscard]] Result<RenderedPrompt> Render(const RenderInput& input) const;

 private:
  struct State;
  explicit ChatTemplate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::model
