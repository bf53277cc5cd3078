// SPDX-License-Identifier: Apache-2.0
#include "model/summary.h"

#include <algorithm>
#include <array>

#include "base/printable.h"

namespace cairn::model {
namespace {

struct PartPattern {
  std::string_view word;  // found in the tensor's name
  std::string_view part;
};

// The first that fits: norms before what they belong to.
constexpr std::array kPatterns{
    PartPattern{"norm", "norms"},
    PartPattern{"token_embd", "embedding"},
    PartPattern{"position_embd", "embedding"},
    PartPattern{"attn_", "attention"},
    PartPattern{"ffn_", "feed-forward"},
    PartPattern{"output", "output"},
};
constexpr std::array<std::string_view, 6> kOrder{"embedding", "attention", "feed-forward",
                                                 "norms",     "output",    "other"};

std::string_view PartOf(std::string_view name) {
  for (const PartPattern& pattern : kPatterns) {
    if (name.contains(pattern.word)) return pattern.part;
  }
  return "other";
}

constexpr std::size_t kMostShown = 200;  // bytes of a name

std::string GetText(const Gguf& gguf, std::string_view key) {
  const auto text = gguf.GetString(key);
  return text ? Printable(*text, kMostShown) : std::string();
}

std::string MainFormat(const std::vector<TensorGroup>& groups) {
  std::array<std::uint64_t, tensor::kFormats.size()> bytes{};
  // Embeddings are often kept finer than the rest, and large in small models: the layers decide.
  const auto in_layers = [](const TensorGroup& g) {
    return g.part == "attention" || g.part == "feed-forward";
  };
  const bool layers = std::ranges::any_of(groups, in_layers);
  for (const TensorGroup& group : groups) {
    if (layers && !in_layers(group)) continue;
    bytes[static_cast<std::size_t>(group.format)] += group.bytes;
  }
  const auto largest = std::ranges::max_element(bytes);
  if (*largest == 0) return "no tensors";
  const auto index = static_cast<std::size_t>(largest - bytes.begin());
  return std::string(tensor::Traits(static_cast<tensor::Format>(index)).name);
}

}  // namespace

Summary Summarise(const Gguf& gguf) {
  Summary summary;
  summary.architecture = GetText(gguf, "general.architecture");
  summary.name = GetText(gguf, "general.name");
  summary.context =
      gguf.GetInt(summary.architecture + ".context_length", std::int64_t{0}).value_or(0);
  summary.has_template = gguf.GetString("tokenizer.chat_template").has_value();
  for (const GgufTensor& tensor : gguf.tensors()) {
    const std::string_view part = PartOf(tensor.name);
    auto group = std::ranges::find_if(summary.groups, [&](const TensorGroup& g) {
      return g.part == part && g.format == tensor.format;
    });
    if (group == summary.groups.end()) {
      group = summary.groups.insert(group, {.part = part, .format = tensor.format});
    }
    const auto parameters = static_cast<std::uint64_t>(tensor.cols() * tensor.rows());
    ++group->tensors;
    group->parameters += parameters;
    group->bytes += tensor.stored_bytes();
    summary.parameters += parameters;
  }
  std::ranges::stable_sort(summary.groups, [](const TensorGroup& a, const TensorGroup& b) {
    const auto rank = [](std::string_view part) { return std::ranges::find(kOrder, part); };
    if (a.part != b.part) return rank(a.part) < rank(b.part);
    return a.bytes > b.bytes;
  });
  summary.format = MainFormat(summary.groups);
  return summary;
}

}  // namespace cairn::model
