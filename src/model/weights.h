// SPDX-License-Identifier: Apache-2.0
// The weights of a program, repacked for the kernels.
//
// Matrices go into the layout of kernels/packed.h slice by slice (about 4 MB of file each, slices
// in parallel), and the file's pages are given back at once, so that loading never holds the
// weights twice. The packed bytes are first touched by the worker that packs them; on a machine of
// several memory nodes every node's workers pack, and so hold, one contiguous share. Vectors
// (norms) become f32, and so do the weights of convolutions and the rates of states. Threads:
// immutable after Load. Owns: the packed bytes.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "kernels/packed.h"
#include "model/gguf.h"
#include "parallel/page_block.h"
#include "parallel/team.h"
#include "program/program.h"

namespace cairn::model {

class Weights {
 public:
  // Errors: kOutOfMemory; kUnsupported, naming the tensor, for a format without a matmul.
  [[nodiscard]] static Result<Weights> Load(const program::Program& program, const Gguf& gguf,
                                            const MappedFile& file, parallel::WorkerTeam& team);

  // By index of Program::weights. A weight that a matmul or an embedding uses is a matrix, one that
  // a norm, a bias or a sink uses a vector; vectors are followed by zeros up to a multiple of 16.
  const kernels::PackedMatrix& matrix(int weight) const {
    return matrices_[static_cast<std::size_t>(weight)];
  }
  const float* vector(int weight) const {
    return vectors_[static_cast<std::size_t>(weight)].data();
  }

  // The other way round, of a weight that a convolution or channels apart use: value r of row c at
  // c * turned_stride + r.
  const float* turned(int weight) const { return vector(weight); }
  static std::ptrdiff_t turned_stride(const program::Weight& weight) {
    return (weight.rows + 15) / 16 * 16;
  }

  std::size_t bytes() const { return memory_.size(); }

 private:
  [[nodiscard]] Result<void> PackMatrices(const program::Program& program, const Gguf& gguf,
                                          const MappedFile& file, parallel::WorkerTeam& team);

  parallel::PageBlock memory_;
  std::vector<kernels::PackedMatrix> matrices_;
  std::vector<std::vector<float>> vectors_;
};

}  // namespace cairn::model
