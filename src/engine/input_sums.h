// SPDX-License-Identifier: Apache-2.0
// What the matrices of a model are multiplied with: sums of the squares of every column, over all
// rows of the steps that an engine runs. Quantisation weighs its errors by them
// (model/importance.h).
//
// The output's matrix is left out, and so are those of heads (the latent attention's). The last
// layer computes sampled rows only: sample all. Sums are kept in whole multiples of 2^-48, so that
// they do not depend on the order in which workers come: the same text gives the same bytes with
// any number of threads.
//
// Threads: Add from any worker of a step; the rest between steps. Owns: the sums, 16 bytes for
// each column (of each expert).
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "program/stages.h"

namespace cairn::engine {

// Of one tensor. Where experts are tensors of their own each has one.
struct InputSquares {
  std::string tensor;
  int cols = 0;
  std::vector<double> sums;          // by matrix (expert) and column
  std::vector<std::int64_t> counts;  // rows that were added, by matrix
};

class InputSums {
 public:
  // Both must outlive the object. Called by whoever runs the program, once.
  void Watch(const program::Program& program, const program::FusedProgram& fused);

  // `count` rows of `cols` values that the matrices of a stage of that program are multiplied with;
  // `expert`: whose. Cost: two operations for each value.
  void Add(const program::Stage& stage, int expert, kernels::RowsView rows, int count, int cols);

  // By tensor, in the order of the program. Tensors that met no row are left out.
  std::vector<InputSquares> Take() const;

 private:
  __extension__ using Wide = __int128;
  struct Input {  // of a stage
    std::mutex mutex;
    int cols = 0;
    int experts = 0;
    std::vector<Wide> sums;
    std::vector<std::int64_t> counts;
  };

  const program::Program* program_ = nullptr;
  const program::FusedProgram* fused_ = nullptr;
  std::deque<Input> inputs_;  // by stage; empty where it has no matrices that count
};

}  // namespace cairn::engine
