// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <fmt/format.h>

#include <functional>
#include <mutex>

#include "base/check.h"
#include "base/checked.h"
#include "parallel/algorithms.h"
#include "parallel/block_allocator.h"
#include "tensor/dequantise.h"

namespace cairn::model {
namespace {

constexpr std::size_t kSliceBytes = std::size_t{4} << 20;  // of the file, per unit of repacking

enum class Use { kMatrix, kVector, kTurned };

// How weights are read: those of norms, biases and sinks as vectors, those whose rows are channels
// the other way round.
std::vector<Use> UsesOf(const program::Program& program) {
  std::vector<Use> uses(program.weights.size(), Use::kMatrix);
  const auto mark = [&](int weight, Use use = Use::kVector) {
    if (weight >= 0) uses[static_cast<std::size_t>(weight)] = use;
  };
  using program::OpKind;
  for (const program::Operation& op : program.operations) {
    mark(op.bias);
    if (op.kind == OpKind::kRmsNorm || op.kind == OpKind::kLayerNorm) mark(op.weight);
    if (op.kind == OpKind::kVector || op.kind == OpKind::kScale) mark(op.weight);
    if (op.kind == OpKind::kRoute) mark(op.as<program::RouteAttributes>().scales);
    if (op.kind == OpKind::kAttend) mark(op.as<program::AttendAttributes>().sinks);
    if (op.kind == OpKind::kAttend) mark(op.as<program::AttendAttributes>().relative);
    if (op.kind == OpKind::kConvolve) mark(op.weight, Use::kTurned);
    if (op.kind == OpKind::kScan) {
      mark(op.weight, op.as<program::ScanAttributes>().apart ? Use::kTurned : Use::kVector);
    }
  }
  return uses;
}

Result<std::vector<float>> ReadVector(const program::Weight& info, const GgufTensor& tensor) {
  const auto first = static_cast<std::size_t>(info.first);
  const auto count = static_cast<std::size_t>(info.cols);
  std::vector<float> all(static_cast<std::size_t>(tensor.cols() * tensor.rows()));
  OR_RETURN(tensor::Dequantise(info.format, tensor.bytes, all));
  std::vector<float> values(all.begin() + info.first, all.begin() + info.first + info.cols);
  values.resize(RoundUp<std::size_t>(count, kernels::kGroupRows));
  CAIRN_CHECK(first + count <= all.size());
  return values;
}

Result<std::vector<float>> ReadTurned(const program::Weight& info, const GgufTensor& tensor) {
  const auto rows = static_cast<std::size_t>(info.rows), cols = static_cast<std::size_t>(info.cols);
  const auto first = static_cast<std::size_t>(info.first);
  const auto stride = static_cast<std::size_t>(Weights::turned_stride(info));
  std::vector<float> all(static_cast<std::size_t>(tensor.cols() * tensor.rows()));
  CAIRN_CHECK((first + rows) * cols <= all.size());
  OR_RETURN(tensor::Dequantise(info.format, tensor.bytes, all));
  std::vector<float> values(stride * cols);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) values[c * stride + r] = all[(first + r) * cols + c];
  }
  return values;
}

// A run of groups of one matrix, whose rows lie side by side in the tensor.
struct Slice {
  const GgufTensor* tensor;
  const kernels::PackedMatrix* matrix;
  int group_begin;
  int group_end;
  std::size_t tensor_row;  // where its first row lies

  std::size_t rows() const {
    const int end = std::min(group_end * kernels::kGroupRows, matrix->rows);
    return static_cast<std::size_t>(end - group_begin * kernels::kGroupRows);
  }
};

// Gives back the file's pages that the bytes lie in; bytes of no file stay.
void ReleaseBytes(const MappedFile& file, std::span<const std::byte> bytes) {
  const std::span<const std::byte> whole = file.bytes();
  const std::less<const std::byte*> before;
  if (before(bytes.data(), whole.data()) || !before(bytes.data(), whole.data() + whole.size())) {
    return;
  }
  file.Release(static_cast<std::size_t>(bytes.data() - whole.data()), bytes.size());
}

Result<void> PackSlice(const Slice& slice, const MappedFile& file, std::byte* packed) {
  const kernels::PackedMatrix& m = *slice.matrix;
  const auto first = static_cast<std::int64_t>(slice.tensor_row);
  const auto rows = static_cast<std::int64_t>(slice.rows());
  const int groups = slice.group_end - slice.group_begin;
  const std::span<std::byte> to(packed, static_cast<std::size_t>(groups) * m.group_bytes);
  const GgufTensor& tensor = *slice.tensor;
  if (tensor.places == nullptr || tensor.places->halved_heads == 0) {
    // Inside one matrix: experts are slices of their own.
    const std::span<const std::byte> bytes(tensor.Row(first).data(),
                                           slice.rows() * tensor.row_bytes());
    auto done = kernels::PackGroups(m.format, m.cols, bytes, groups, to);
    ReleaseBytes(file, bytes);
    return done;
  }
  std::vector<std::byte> ordered;
  ordered.reserve(slice.rows() * tensor.row_bytes());
  for (std::int64_t row = first; row < first + rows; ++row) {
    const auto bytes = tensor.Row(row);
    ordered.insert(ordered.end(), bytes.begin(), bytes.end());
  }
  auto done = kernels::PackGroups(m.format, m.cols, ordered, groups, to);
  // What lies in the same stretch, were no row of a head missing; a hint, as every release.
  ReleaseBytes(file, tensor.bytes.subspan(slice.tensor_row * tensor.row_bytes(), ordered.size()));
  return done;
}

// The groups of a matrix by about kSliceBytes; those of an expert are slices of their own.
void AddSlices(const program::Weight& weight, const Gguf& gguf, const kernels::PackedMatrix& m,
               std::vector<Slice>& slices) {
  const int step = static_cast<int>(std::max<std::size_t>(1, kSliceBytes / m.group_bytes));
  const int run = m.groups / weight.experts;  // all groups are full where there are several experts
  for (int first = 0; first < m.groups; first += run) {
    const GgufTensor* tensor = gguf.FindTensor(weight.TensorOf(first * kernels::kGroupRows));
    for (int g = first; g < first + run; g += step) {
      slices.push_back(
          {.tensor = tensor,
           .matrix = &m,
           .group_begin = g,
           .group_end = std::min(first + run, g + step),
           .tensor_row = static_cast<std::size_t>(weight.TensorRow(g * kernels::kGroupRows))});
    }
  }
}

}  // namespace

Result<Weights> Weights::Load(const program::Program& program, const Gguf& gguf,
                              const MappedFile& file, parallel::WorkerTeam& team) {
  Weights weights;
  weights.matrices_.resize(program.weights.size());
  weights.vectors_.resize(program.weights.size());
  const std::vector<Use> uses = UsesOf(program);
  for (std::size_t w = 0; w < program.weights.size(); ++w) {
    const program::Weight& info = program.weights[w];
    if (uses[w] != Use::kMatrix) {
      const GgufTensor& tensor = *gguf.FindTensor(info.name);
      auto read = uses[w] == Use::kVector ? ReadVector(info, tensor) : ReadTurned(info, tensor);
      if (!read)
        return std::unexpected(std::move(read).error().Within("tensor '" + info.name + "'"));
      weights.vectors_[w] = *std::move(read);
      continue;
    }
    if (!tensor::Traits(info.format).has_matmul) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("tensor '{}' is {}, which cannot be multiplied", info.name,
                              tensor::Traits(info.format).name));
    }
    weights.matrices_[w] = {.format = info.format,
                            .rows = info.rows,
                            .cols = info.cols,
                            .groups = DivideUp(info.rows, kernels::kGroupRows),
                            .group_bytes = kernels::PackedGroupBytes(info.format, info.cols)};
  }
  OR_RETURN(weights.PackMatrices(program, gguf, file, team));
  return weights;
}

Result<void> Weights::PackMatrices(const program::Program& program, const Gguf& gguf,
                                   const MappedFile& file, parallel::WorkerTeam& team) {
  std::size_t total = 0;
  for (const kernels::PackedMatrix& m : matrices_) {
    // Fits: packed bytes are at most 8 per value of a tensor that lies in the file.
    total += static_cast<std::size_t>(m.groups) * m.group_bytes;
  }
  parallel::Executor executor(team, parallel::NumaDomains(parallel::ThisMachine()));
  memory_ = OR_RETURN(parallel::BlockAllocator<std::byte>(executor).Allocate(total));
  std::vector<Slice> slices;
  std::byte* at = memory_.data();
  for (std::size_t w = 0; w < matrices_.size(); ++w) {
    kernels::PackedMatrix& m = matrices_[w];
    if (m.groups == 0) continue;
    m.data = at;
    at += static_cast<std::size_t>(m.groups) * m.group_bytes;
    AddSlices(program.weights[w], gguf, m, slices);
  }
  std::mutex mutex;
  Result<void> result;
  // Slices cost unequal time by format, so a node's workers take them as they come.
  const auto policy = parallel::kPar.On(executor).With(parallel::DynamicChunk{1});
  parallel::ForEach(policy, slices.begin(), slices.end(), [&](const Slice& slice) {
    std::byte* packed = memory_.data() + (slice.matrix->data - memory_.data()) +
                        static_cast<std::size_t>(slice.group_begin) * slice.matrix->group_bytes;
    if (auto done = PackSlice(slice, file, packed); !done) {
      const std::lock_guard lock(mutex);
      result = std::move(done);
    }
  });
  return result;
}

}  // namespace cairn::model
