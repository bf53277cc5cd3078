// SPDX-License-Identifier: Apache-2.0
#include "grammar/tool_formats.h"

#include <algorithm>
#include <array>

namespace cairn::grammar {
namespace {

// The first is the generic one: most models have seen this form, or are told of it.
constexpr std::array<ToolFormat, 6> kFormats{{
    {.name = "hermes", .open = "<tool_call>", .close = "</tool_call>"},
    {.name = "llama3", .arguments = "parameters", .parallel = false},
    {.name = "mistral", .begin = "[TOOL_CALLS]", .list = true},
    {.name = "mistral-args", .open = "[TOOL_CALLS]", .middle = "[ARGS]"},
    {.name = "deepseek-v3",
     .begin = "<\uff5ctool\u2581calls\u2581begin\uff5c>",
     .end = "<\uff5ctool\u2581calls\u2581end\uff5c>",
     .open = "<\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>",
     .close = "\n```<\uff5ctool\u2581call\u2581end\uff5c>",
     .middle = "\n```json\n"},
    {.name = "deepseek-v3.1",
     .begin = "<\uff5ctool\u2581calls\u2581begin\uff5c>",
     .end = "<\uff5ctool\u2581calls\u2581end\uff5c>",
     .open = "<\uff5ctool\u2581call\u2581begin\uff5c>",
     .close = "<\uff5ctool\u2581call\u2581end\uff5c>",
     .middle = "<\uff5ctool\u2581sep\uff5c>"},
}};

}  // namespace

std::span<const ToolFormat> ToolFormats() { return kFormats; }

const ToolFormat& GenericToolFormat() { return kFormats.front(); }

const ToolFormat* FindToolFormat(std::string_view name) {
  const auto* found = std::ranges::find(kFormats, name, &ToolFormat::name);
  return found != kFormats.end() ? found : nullptr;
}

}  // namespace cairn::grammar
