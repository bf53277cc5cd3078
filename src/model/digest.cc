// SPDX-License-Identifier: Apache-2.0
#include "model/digest.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace cairn::model {
namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState(), &XXH3_freeState) {
    CAIRN_CHECK(state_ != nullptr);
    XXH3_128bits_reset(state_.get());
  }
  // With its length, so that no two lists of parts are the same bytes.
  void Add(std::span<const std::byte> bytes) {
    const std::uint64_t size = bytes.size();
    XXH3_128bits_update(state_.get(), &size, sizeof(size));
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }
  void Add(std::string_view text) { Add(std::as_bytes(std::span(text))); }
  void Add(std::int64_t number) { Add(std::as_bytes(std::span(&number, 1))); }

  std::array<std::byte, 16> Finish() {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    std::array<std::byte, 16> digest;
    std::ranges::copy(std::as_bytes(std::span(canonical.digest)), digest.begin());
    return digest;
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

void AddHyperParameters(const Model& model, Hash& hash) {
  hash.Add(model.architecture());
  const std::string prefix = model.architecture() + ".";
  auto pairs = model.gguf().metadata();
  std::erase_if(pairs, [&](const auto& pair) { return !pair.first.starts_with(prefix); });
  std::ranges::sort(pairs, {}, &std::pair<std::string_view, GgufValue>::first);
  for (const auto& [key, value] : pairs) {
    hash.Add(key);
    hash.Add(static_cast<std::int64_t>(value.type));
    hash.Add(value.bytes);
  }
}

void AddWeights(const Model& model, Hash& hash) {
  const std::vector<program::Weight>& weights = model.program().weights;
  for (std::size_t w = 0; w < weights.size(); ++w) {
    const program::Weight& info = weights[w];
    hash.Add(info.name);
    hash.Add(static_cast<std::int64_t>(info.format));
    hash.Add(std::int64_t{info.rows});
    hash.Add(std::int64_t{info.cols});
    const kernels::PackedMatrix& m = model.weights().matrix(static_cast<int>(w));
    if (m.groups > 0) {
      hash.Add(std::span(m.data, static_cast<std::size_t>(m.groups) * m.group_bytes));
    } else {
      hash.Add(std::as_bytes(std::span(model.weights().vector(static_cast<int>(w)),
                                       static_cast<std::size_t>(info.cols))));
    }
  }
}

}  // namespace

std::array<std::byte, 16> DigestOf(const Model& model) {
  Hash hash;
  AddHyperParameters(model, hash);
  AddWeights(model, hash);
  return hash.Finish();
}

}  // namespace cairn::model
