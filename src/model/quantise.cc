// SPDX-License-Identifier: Apache-2.0
#include "model/quantise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>

#include "base/printable.h"
#include "tensor/dequantise.h"
#include "tensor/quantise.h"

namespace cairn::model {
namespace {

using tensor::Format;

constexpr std::size_t kSliceValues = std::size_t{1} << 22;  // rows together: 16 MiB of f32
constexpr std::int64_t kUnitRows = 8;                       // a worker's piece of a slice

double BitsOf(Format format) {
  const tensor::FormatTraits& t = tensor::Traits(format);
  return 8.0 * t.block_bytes / t.block_values;
}

bool IsMatrix(const GgufTensor& tensor) {
  if (tensor.rows() == 1 || tensor.shape.size() < 2 || !tensor.name.ends_with(".weight")) {
    return false;
  }
  for (const std::string_view word :
       {"norm", "ffn_gate_inp", "position_embd", "token_types", "rel_b"}) {
    if (tensor.name.contains(word)) return false;
  }
  return tensor::Traits(tensor.format).has_matmul;
}

Format ThatDivides(Format format, std::int64_t cols) {
  if (cols % tensor::Traits(format).block_values == 0) return format;
  switch (format) {
    case Format::kQ2_K:
    case Format::kQ3_K: return ThatDivides(Format::kIQ4_NL, cols);
    case Format::kQ4_K: return ThatDivides(Format::kQ5_0, cols);
    case Format::kQ5_K: return ThatDivides(Format::kQ5_1, cols);
    case Format::kQ6_K: return ThatDivides(Format::kQ8_0, cols);
    default: return Format::kF16;
  }
}

// The number that llama.cpp's tools know a file's kind by ("general.file_type").
std::uint32_t FileType(Format type) {
  switch (type) {
    case Format::kF16: return 1;
    case Format::kQ4_0: return 2;
    case Format::kQ4_1: return 3;
    case Format::kQ8_0: return 7;
    case Format::kQ5_0: return 8;
    case Format::kQ5_1: return 9;
    case Format::kQ2_K: return 10;
    case Format::kQ3_K: return 11;
    case Format::kQ4_K: return 14;
    case Format::kQ5_K: return 16;
    case Format::kQ6_K: return 18;
    case Format::kIQ4_NL: return 25;
    case Format::kBF16: return 32;
    default: return 0;  // F32
  }
}

// One tensor on its way.
class TensorQuantiser {
 public:
  TensorQuantiser(const GgufFile& in, const GgufTensor& tensor, Format to,
                  const Importance* importance, parallel::WorkerTeam& team)
      : in_(in),
        tensor_(tensor),
        importance_(importance),
        team_(team),
        row_bytes_(tensor::RowBytes(tensor.format, Cols())),
        new_row_bytes_(tensor::RowBytes(to, Cols())) {
    told_ = {.name = tensor.name,
             .from = tensor.format,
             .to = to,
             .values = tensor.cols() * tensor.rows(),
             .bytes = new_row_bytes_ * static_cast<std::uint64_t>(tensor.rows())};
  }

  [[nodiscard]] Result<void> Write(const ByteSink& sink) {
    // A matrix of a tensor of experts has its own importance.
    matrices_ = 1;
    for (std::size_t i = 2; i < tensor_.shape.size(); ++i) matrices_ *= tensor_.shape[i];
    const std::int64_t rows = tensor_.rows() / matrices_;
    const auto step = static_cast<std::int64_t>(std::max<std::size_t>(1, kSliceValues / Cols()));
    for (std::int64_t m = 0; m < matrices_; ++m) {
      weights_.clear();
      if (importance_ != nullptr) {
        weights_ = OR_RETURN(importance_->Of(tensor_.name, tensor_.cols(), m, matrices_));
      }
      told_.weighed = told_.weighed || !weights_.empty();
      for (std::int64_t row = 0; row < rows; row += step) {
        OR_RETURN(WriteSlice(m * rows + row, std::min(step, rows - row), sink));
      }
    }
    return {};
  }
  const QuantisedTensor& told() const { return told_; }

 private:
  std::size_t Cols() const { return static_cast<std::size_t>(tensor_.cols()); }

  Result<void> WriteSlice(std::int64_t first, std::int64_t rows, const ByteSink& sink) {
    out_.resize(static_cast<std::size_t>(rows) * new_row_bytes_);
    // Sums by unit, added up in their order: the same for any number of threads.
    const std::int64_t units = (rows + kUnitRows - 1) / kUnitRows;
    sums_.assign(static_cast<std::size_t>(units), {});
    failure_.reset();
    team_.ForEach(units, [&](std::int64_t unit) {
      const std::int64_t end = std::min(rows, (unit + 1) * kUnitRows);
      for (std::int64_t row = unit * kUnitRows; row < end; ++row) {
        if (auto done = QuantiseRow(first, row, sums_[static_cast<std::size_t>(unit)]); !done) {
          const std::lock_guard lock(mutex_);
          failure_ = std::move(done).error();
        }
      }
    });
    if (failure_) return std::unexpected(*std::move(failure_));
    for (const Sums& sums : sums_) {
      told_.squares += sums.squares;
      told_.error += sums.error;
    }
    in_.file.Release(tensor_.offset + static_cast<std::size_t>(first) * row_bytes_,
                     static_cast<std::size_t>(rows) * row_bytes_);
    return sink(out_);
  }

  struct Sums {
    double squares = 0, error = 0;
  };
  Result<void> QuantiseRow(std::int64_t first, std::int64_t row, Sums& sums) {
    std::vector<float> values(Cols()), again(Cols());
    OR_RETURN(tensor::Dequantise(tensor_.format, tensor_.Row(first + row), values));
    const std::span<std::byte> to(out_.data() + static_cast<std::size_t>(row) * new_row_bytes_,
                                  new_row_bytes_);
    OR_RETURN(tensor::Quantise(told_.to, values, weights_, to));
    OR_RETURN(tensor::Dequantise(told_.to, to, again));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double x = values[i], rest = x - again[i];
      sums.squares += x * x;
      sums.error += rest * rest;
    }
    return {};
  }

  const GgufFile& in_;
  const GgufTensor& tensor_;
  const Importance* importance_;
  parallel::WorkerTeam& team_;
  std::size_t row_bytes_;
  std::size_t new_row_bytes_;
  std::int64_t matrices_ = 1;
  QuantisedTensor told_;
  std::vector<float> weights_;  // of the columns; empty: all equal
  std::vector<std::byte> out_;
  std::vector<Sums> sums_;
  std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
};

// Every key but those that say how the tensors are stored.
void CopyMetadata(const Gguf& in, Format type, GgufOutput& out) {
  for (const auto& [key, value] : in.metadata()) {
    if (key == "general.file_type" || key == "general.quantization_version" ||
        key == "general.alignment" || key.starts_with("split.")) {
      continue;
    }
    out.Copy(key, value);
  }
  out.Set("general.quantization_version", std::uint32_t{2});
  out.Set("general.file_type", FileType(type));
}

}  // namespace

double QuantisedTensor::relative_error() const {
  return squares > 0 ? std::sqrt(error / squares) : 0;
}

Format FormatFor(const Gguf& gguf, const GgufTensor& tensor, Format type) {
  if (!IsMatrix(tensor)) return tensor.format;
  Format format = type;
  const bool tied = gguf.FindTensor("output.weight") == nullptr;
  const bool output =
      tensor.name == "output.weight" || (tied && (tensor.name == "token_embd.weight"));
  if (output && BitsOf(type) < BitsOf(Format::kQ6_K)) format = Format::kQ6_K;
  return ThatDivides(format, tensor.cols());
}

Result<void> QuantiseFile(const GgufFile& in, Format type, const Importance* importance,
                          parallel::WorkerTeam& team, const ByteSink& sink,
                          const std::function<void(const QuantisedTensor&)>& told) {
  GgufOutput out;
  CopyMetadata(in.gguf, type, out);
  for (const GgufTensor& tensor : in.gguf.tensors()) {
    const Format to = FormatFor(in.gguf, tensor, type);
    out.AddTensor(
        std::string(tensor.name), to, tensor.shape,
        [&in, &tensor, to, importance, &team, &told](const ByteSink& bytes) -> Result<void> {
          if (to == tensor.format) {
            told({.name = tensor.name,
                  .from = to,
                  .to = to,
                  .values = tensor.cols() * tensor.rows(),
                  .bytes = tensor.stored_bytes()});
            return WriteRows(tensor, bytes);
          }
          TensorQuantiser quantiser(in, tensor, to, importance, team);
          if (auto done = quantiser.Write(bytes); !done) {
            return std::unexpected(
                std::move(done).error().Within(fmt::format("tensor '{}'", Printable(tensor.name))));
          }
          told(quantiser.told());
          return {};
        });
  }
  return out.Write(sink);
}

}  // namespace cairn::model
