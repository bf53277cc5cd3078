// SPDX-License-Identifier: Apache-2.0
// Models of several files, as llama.cpp's gguf-split writes them: each file has its own index, with
// its number ('split.no'), how many there are ('split.count') and how many tensors they have
// together
// ('split.tensors.count'). And models that lie in other files than GGUF's.
#include <fmt/format.h>

#include "base/printable.h"
#include "model/gguf.h"

namespace cairn::model {
namespace {

Result<void> CheckPart(const Gguf& part, std::size_t number, std::size_t count) {
  const std::int64_t own = OR_RETURN(part.GetInt("split.no"));
  const std::int64_t all = OR_RETURN(part.GetInt("split.count"));
  if (own == static_cast<std::int64_t>(number) && all == static_cast<std::int64_t>(count)) {
    return {};
  }
  return Fail(ErrorCode::kCorrupt,
              fmt::format("it says that it is part {} of {}, part {} of {} was expected", own + 1,
                          all, number + 1, count));
}

}  // namespace

Result<Gguf> Gguf::ParseParts(std::span<const std::byte> whole,
                              std::span<const std::span<const std::byte>> parts) {
  if (parts.size() == 1) return Parse(parts[0]);
  Gguf joined;
  GgufNames names;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto named = [&](Error error) {
      return std::unexpected(std::move(error).Within(fmt::format("part {}", i + 1)));
    };
    auto part = Parse(parts[i]);
    if (!part) return named(std::move(part).error());
    if (auto fits = CheckPart(*part, i, parts.size()); !fits) return named(std::move(fits).error());
    const auto base = static_cast<std::size_t>(parts[i].data() - whole.data());
    std::vector<GgufTensor> tensors = std::exchange(part->tensors_, {});
    const std::size_t bytes = part->file_bytes_;
    if (i == 0) {
      joined = *std::move(part);
      joined.file_bytes_ = 0;
    }
    joined.file_bytes_ += bytes;
    if (joined.tensors_.size() + tensors.size() > kMostTensors) {
      return Fail(ErrorCode::kLimit, fmt::format("more than {} tensors", kMostTensors));
    }
    for (GgufTensor& tensor : tensors) {
      tensor.offset += base;
      names.Add(tensor.name, joined.tensors_.size());
      joined.tensors_.push_back(std::move(tensor));
    }
  }
  if (const auto twice = names.Sort()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("tensor '{}' is in two parts", Printable(*twice)));
  }
  joined.tensor_names_ = std::move(names);
  const std::int64_t expected = OR_RETURN(
      joined.GetInt("split.tensors.count", static_cast<std::int64_t>(joined.tensors_.size())));
  if (expected != static_cast<std::int64_t>(joined.tensors_.size())) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the parts have {} tensors together, {} were expected",
                            joined.tensors_.size(), expected));
  }
  return joined;
}

Result<Gguf> Gguf::Join(std::span<const std::byte> index, std::vector<GgufTensor> tensors,
                        std::shared_ptr<const void> kept) {
  Gguf joined = OR_RETURN(Parse(index));
  joined.kept_ = std::move(kept);
  joined.tensors_ = std::move(tensors);
  joined.tensor_names_.Reserve(joined.tensors_.size());
  for (std::size_t i = 0; i < joined.tensors_.size(); ++i) {
    joined.tensor_names_.Add(joined.tensors_[i].name, i);
    joined.file_bytes_ += joined.tensors_[i].stored_bytes();
  }
  if (const auto twice = joined.tensor_names_.Sort()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("two tensors are '{}' of a GGUF file", Printable(*twice)));
  }
  return joined;
}

}  // namespace cairn::model
