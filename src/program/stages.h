// SPDX-License-Identifier: Apache-2.0
// A fused program: what the engine executes.
//
// A stage is a prelude (row by row: norms, sums, then packing the row for the matmul), a body (one
// or more matmuls over the same packed rows, an attention, or a convolution or a state that walks
// through the rows) with its epilogue, and ends with a barrier. Operands are buffers of rows with
// offsets planned into one arena; running a stage allocates nothing. Row counts are data of the
// step, so one fused program runs prefill, decode and any mix. Threads: plain values, immutable
// once built.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/kernels.h"
#include "program/program.h"

namespace cairn::program {

// Rows of f32 in the arena: row r at offset + r * BufferStride(width) * 4 bytes.
struct Buffer {
  Rows rows = Rows::kTokens;
  int width = 0;
  int first_stage = 0;     // written first
  int last_stage = 0;      // read last
  std::size_t offset = 0;  // bytes, set by PlanBuffers; a multiple of 64
};

// Floats from one row of a buffer to the next: kernels write whole groups of 16. An odd number of
// groups, so that the same column of many rows does not crowd a few sets of a cache.
constexpr std::ptrdiff_t BufferStride(int width) { return ((width + 15) / 16 | 1) * 16; }

// One row operation of a prelude; `a`, `b` and `out` are indices of buffers.
struct RowOp {
  OpKind kind{};
  int a = -1;
  int b = -1;
  std::vector<int> more = {};  // of kJoin: the inputs behind b
  int out = -1;
  int weight = -1;
  Attributes attributes;
  int bias = -1;
};

// Packs buffer `input` for the matmuls of the body.
struct Pack {
  int input = -1;
  bool int8 = false;            // some weight of the body reads int8 blocks
  bool floats = false;          // some weight reads f32
  bool remainder = false;       // each row is followed by its remainder (canonical.md, section 2)
  std::size_t int8_offset = 0;  // where in the arena, bytes
  std::size_t floats_offset = 0;
};

enum class Epilogue { kStore, kActivate, kAdd, kGate };

// One matmul of a body; products come with their biases. kActivate: out = act(product). kAdd: out =
// other + product. kGate: out = act(product) * (second product), the second with weight
// `gate_input`.
struct MatmulPart {
  int weight = -1;
  int out = -1;
  Epilogue epilogue = Epilogue::kStore;
  int other = -1;       // kAdd: the buffer that is added
  int gate_input = -1;  // kGate: the second weight
  kernels::Activation activation{};
  int bias = -1;
  int gate_bias = -1;  // kGate: of the second weight
};
// Rows that meet the matrices of the experts that they were routed to. What such a body writes, and
// what follows it until the parts are combined, lies by expert: of the rows that are `used` for
// each row of the step, those of one expert are side by side, each of width / used values
// (engine/executor_experts.cc has the order).
struct ExpertRows {
  int routes = -1;  // the buffer that says which
  int experts = 0;
  int used = 0;            // experts of a row
  bool by_expert = false;  // the input already lies so
  bool first = false;      // of its routing: rows are ordered anew
};
// Heads that have a matrix each: the rows are packed head by head.
struct HeadRows {
  int heads = 0;
  HeadSlice slice;
};
struct MatmulBody {
  std::vector<MatmulPart> parts;
  std::optional<ExpertRows> experts = {};
  std::optional<HeadRows> heads = {};
};

// Norms and rotations of single heads that run before the attention, in place.
struct HeadOps {
  int weight = -1;  // of the head norm; -1: none
  float epsilon = 0;
  bool norm_after = false;  // the rotation, without a weight
  float epsilon_after = 0;
  std::optional<RotateAttributes> rotate;
  int rotary = -1;              // index into FusedProgram::rotaries
  std::vector<int> operations;  // of the program, that these are
};
struct AttendBody {
  int q = -1, k = -1, v = -1, out = -1;  // buffers; no k and v where nothing is stored
  AttendAttributes attributes;
  KvLayer kv;
  HeadOps q_ops, k_ops;
};

// The activation is done with the sums where there is one.
struct ConvolveBody {
  int x = -1, out = -1;  // buffers
  int weight = -1, bias = -1;
  int taps = 0;
  ConvolveAttributes attributes;
  std::optional<kernels::Activation> activation = {};
};
struct ScanBody {
  int x = -1, dt = -1, b = -1, c = -1, share = -1, out = -1;  // buffers; share: of the delta rule
  int rates = -1, skips = -1;                                 // skips: not with the delta rule
  ScanAttributes attributes;
};

struct Stage {
  Rows rows = Rows::kTokens;  // of the prelude's outputs and of the body
  std::vector<RowOp> prelude;
  std::optional<Pack> pack;
  std::variant<std::monostate, MatmulBody, AttendBody, ConvolveBody, ScanBody> body;
  int layer = -1;  // for reports and error messages; -1: none
  // Which operations of the program became this stage, for reports.
  std::vector<int> prelude_operations = {};
  std::vector<int> body_operations = {};

  const MatmulBody* matmul() const { return std::get_if<MatmulBody>(&body); }
  const ExpertRows* experts() const {
    return matmul() != nullptr && matmul()->experts ? &*matmul()->experts : nullptr;
  }
  const HeadRows* heads() const {
    return matmul() != nullptr && matmul()->heads ? &*matmul()->heads : nullptr;
  }
  const AttendBody* attend() const { return std::get_if<AttendBody>(&body); }
  const ConvolveBody* convolve() const { return std::get_if<ConvolveBody>(&body); }
  const ScanBody* scan() const { return std::get_if<ScanBody>(&body); }
};

// Most rows of experts that a stage packs, in tiles: where each expert has a last tile that is not
// full.
int MostExpertTiles(int rows, int used, int experts);

struct FusedProgram {
  std::vector<Stage> stages;
  std::vector<Buffer> buffers;
  std::vector<RotateAttributes> rotaries;  // distinct rotary tables
  int logits = -1;                         // buffer that the last stage writes
  int tail = 0;                            // the stages from here on make logits, if any; they run
                                           // in slices of StepShape::logit_rows
  std::size_t arena_bytes = 0;             // set by PlanBuffers

  // Values of a row that a stage packs; it must pack.
  int PackedCols(const Stage& stage) const {
    const int width = buffers[static_cast<std::size_t>(stage.pack->input)].width;
    if (const HeadRows* heads = stage.heads()) return heads->slice.count;
    const ExpertRows* experts = stage.experts();
    return experts != nullptr && experts->by_expert ? width / experts->used : width;
  }
};

// Row counts that the arena is planned for.
struct StepShape {
  int tokens = 0;      // most T
  int sampled = 0;     // most S
  int logit_rows = 0;  // rows of logits made at once
};

// Whether rows meet the output matrix in two int8 terms (canonical.md, section 2): where it holds
// at most a third of the values of all matmuls' weights.
bool LogitsInTwoTerms(const Program& program);

// Fuses a program whose sampled rows have been moved up. Operations that no pattern takes run as
// preludes of their own. Requires that rotations lead into an attend and nowhere else, and that
// what one routing chose is combined before experts are chosen anew.
FusedProgram Fuse(const Program& program);

// Gives every buffer and packing area an offset, so that two that live at the same time do not
// overlap. Errors: kLimit for a buffer beyond 2^46 bytes.
[[nodiscard]] Result<void> PlanBuffers(const Program& program, const StepShape& shape,
                                       FusedProgram& fused);

}  // namespace cairn::program
