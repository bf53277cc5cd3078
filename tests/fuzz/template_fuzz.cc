// SPDX-License-Identifier: Apache-2.0
// Any bytes as a chat template: an Error or a prompt within its budgets, whose parts are well
// formed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const boost::json::value messages = boost::json::parse(
      R"([{"role":"system","content":"be"},{"role":"user","content":"a <b> 'c' \u00e9\n"},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":)"
      R"({"x":[1,2.5,true,null,{"y":"z"}]}}}]},{"role":"tool","content":[{"text":"t"}]}])");
  using cairn::model::ChatTemplate;
  const auto parsed = ChatTemplate::Parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  const auto result = parsed->Render(
      {.messages = messages,
       .tools = &messages,
       .add_generation_prompt = true,
       .bos_token = "<s>",
       .eos_token = "</s>",
       .now = [] { return std::chrono::local_seconds(std::chrono::seconds(1721984703)); },
       .limits = {.steps = 20'000, .output_bytes = 1 << 20, .live_bytes = 32 << 20, .depth = 100}});
  if (!result) return 0;
  bool last = false;
  for (std::size_t i = 0; i < result->parts.size(); ++i) {
    const auto& part = result->parts[i];
    if (part.text.empty() || (i > 0 && part.from_template == last)) std::abort();
    last = part.from_template;
  }
  return 0;
}
