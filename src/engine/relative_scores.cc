// SPDX-License-Identifier: Apache-2.0
#include "engine/relative_scores.h"

#include "base/checked.h"
#include "program/relative.h"

namespace cairn::engine {
namespace {

constexpr std::size_t kMostBytes = std::size_t{4} << 30;

}  // namespace

Result<RelativeScores> RelativeScores::Create(const program::Program& program,
                                              const model::Weights& weights, std::int64_t context) {
  RelativeScores scores;
  const std::int64_t reach = context + kernels::kTilePositions;
  scores.stride_ = 2 * reach + 1;
  for (const program::Operation& op : program.operations) {
    if (op.kind != program::OpKind::kAttend) continue;
    const auto& attend = op.as<program::AttendAttributes>();
    if (attend.relative < 0 || scores.rows_.contains(attend.relative)) continue;
    const auto bytes = CheckedMul(static_cast<std::size_t>(scores.stride_),
                                  static_cast<std::size_t>(attend.heads) * sizeof(float));
    if (!bytes || *bytes > kMostBytes) {
      return Fail(ErrorCode::kLimit,
                  "scores of relative positions do not fit; take fewer tokens of context");
    }
    AlignedBuffer rows = OR_RETURN(AlignedBuffer::Allocate(*bytes));
    auto* to = reinterpret_cast<float*>(rows.data());
    const float* by_bucket = weights.vector(attend.relative);
    const int buckets =
        program.weights[static_cast<std::size_t>(attend.relative)].cols / attend.heads;
    for (std::int64_t ahead = -reach; ahead <= reach; ++ahead) {
      const int bucket = program::RelativeBucket(static_cast<int>(ahead), buckets);
      for (int head = 0; head < attend.heads; ++head) {
        to[head * scores.stride_ + reach + ahead] = by_bucket[bucket * attend.heads + head];
      }
    }
    scores.rows_.emplace(attend.relative, std::move(rows));
  }
  return scores;
}

const float* RelativeScores::Of(const program::AttendAttributes& attributes) const {
  const auto found = rows_.find(attributes.relative);
  if (found == rows_.end()) return nullptr;
  return reinterpret_cast<const float*>(found->second.data()) + stride_ / 2;
}

}  // namespace cairn::engine
