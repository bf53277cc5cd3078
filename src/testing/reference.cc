// SPDX-License-Identifier: Apache-2.0
#include "testing/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "testing/reference_walk.h"

namespace cairn::testing {

using program::Operation;
using program::OpKind;
using program::Value;

namespace {

// Rows of logits that exist at one time.
constexpr int kLogitRows = 64;

}  // namespace

Result<Rows> ReferenceWalk::Evaluate(const Operation& op) {
  switch (op.kind) {
    case OpKind::kEmbed: return Embed(op);
    case OpKind::kPosition: return Position(op);
    case OpKind::kTokenType: return TokenType(op);
    case OpKind::kVector: return Vector(op);
    case OpKind::kPool: return Pool(op);
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm: return Norm(op);
    case OpKind::kMatmul: return Matmul(op);
    case OpKind::kHeadMatmul: return HeadMatmul(op);
    case OpKind::kJoin: return Join(op);
    case OpKind::kRoute: return Route(op);
    case OpKind::kExperts: return Experts(op);
    case OpKind::kCombine: return Combine(op);
    case OpKind::kPreweigh: return Preweigh(op);
    case OpKind::kGrow: return Grow(op);
    case OpKind::kWeigh: return Weigh(op);
    case OpKind::kRotate: return Rotate(op);
    case OpKind::kAttend: return Attend(op);
    case OpKind::kConvolve: return Convolve(op);
    case OpKind::kScan: return Scan(op);
    case OpKind::kGatherRows: {
      const Rows& x = in(op, 0);
      Rows out(sampled_, x.width);
      std::copy(x.row(x.count - sampled_), x.row(x.count), out.values.begin());
      return out;
    }
    case OpKind::kResize: return Resize(op);
    case OpKind::kSparsify: return Sparsify(op);
    case OpKind::kBlend: return Blend(op);
    case OpKind::kScale: return Scale(op);
    case OpKind::kGate:
    case OpKind::kActivate:
    case OpKind::kAdd:
    case OpKind::kClamp:
    case OpKind::kSoftcap: return Elementwise(op);
  }
  return Fail(ErrorCode::kUnsupported, "an operation that the reference does not know");
}

// Drops values that no operation after `done` reads.
void ReferenceWalk::Release(std::size_t done) {
  for (const Value input : program_.operations[done].inputs) {
    const bool read_again =
        std::any_of(program_.operations.begin() + static_cast<std::ptrdiff_t>(done) + 1,
                    program_.operations.end(), [&](const Operation& op) {
                      return std::ranges::find(op.inputs, input) != op.inputs.end();
                    });
    if (!read_again) values_[static_cast<std::size_t>(input.id)] = {};
  }
}

// The operations from the logits' matmul on, for kLogitRows rows at a time.
Result<void> ReferenceWalk::RunLogits(std::size_t tail, const ReferenceSink& sink) {
  const Operation& matmul = program_.operations[tail];
  const Rows all = std::move(in(matmul, 0));
  for (int first = 0; first < sampled_; first += kLogitRows) {
    Rows slice(std::min(kLogitRows, sampled_ - first), all.width);
    std::copy(all.row(first), all.row(first + slice.count), slice.values.begin());
    in(matmul, 0) = std::move(slice);
    for (std::size_t i = tail; i < program_.operations.size(); ++i) {
      const Operation& op = program_.operations[i];
      values_[static_cast<std::size_t>(op.output.id)] = OR_RETURN(Evaluate(op));
    }
    const Rows& logits = values_[static_cast<std::size_t>(program_.logits.id)];
    for (int r = 0; r < logits.count; ++r) {
      sink(first + r, {logits.row(r), static_cast<std::size_t>(logits.width)});
    }
  }
  return {};
}

Result<ReferenceReport> ReferenceWalk::Run(const ReferenceSink& sink) {
  for (const std::int32_t token : tokens_) {
    if (token < 0 || token >= program_.vocabulary) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("token {} is not in the vocabulary", token));
    }
  }
  if (sampled_ < 0 || static_cast<std::size_t>(sampled_) > tokens_.size()) {
    return Fail(ErrorCode::kInvalidArgument, "more rows are sampled than there are tokens");
  }
  const auto& operations = program_.operations;
  const bool logits = program_.output == program::Output::kLogits;
  const auto tail = logits ? std::ranges::find(operations, MakerOfLogits(), &Operation::output)
                           : operations.end();
  if (logits && tail == operations.end()) {
    return Fail(ErrorCode::kUnsupported, "no matmul makes the logits");
  }
  const auto count = static_cast<std::size_t>(tail - operations.begin());
  for (std::size_t i = 0; i < count; ++i) {
    values_[static_cast<std::size_t>(operations[i].output.id)] = OR_RETURN(Evaluate(operations[i]));
    Release(i);
  }
  if (logits) {
    OR_RETURN(RunLogits(count, sink));
    return report_;
  }
  const Rows& rows = values_[static_cast<std::size_t>(program_.logits.id)];
  for (int r = 0; r < rows.count; ++r) {
    sink(r, {rows.row(r), static_cast<std::size_t>(rows.width)});
  }
  return report_;
}

Result<ReferenceReport> RunReference(const program::Program& program, const model::Gguf& gguf,
                                     std::span<const std::int32_t> tokens, int sampled,
                                     const ReferenceOptions& options, const ReferenceSink& sink) {
  return ReferenceWalk(program, gguf, tokens, sampled, options).Run(sink);
}

}  // namespace cairn::testing
