// SPDX-License-Identifier: Apache-2.0
// Operations become stages by a walk in program order:
//   - row operations collect in a pending prelude until a matmul reads their result;
//   - matmuls of the same input share a stage; a sum or a gate that only reads their product
//     becomes the epilogue;
//   - norms and rotations of heads that lead only into an attend run inside its stage;
//   - an activation that alone reads a convolution runs inside its stage.
// Test: program_test.cc.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <span>

#include "base/check.h"
#include "kernels/packed.h"
#include "program/stages.h"

namespace cairn::program {
namespace {

class Fuser {
 public:
  explicit Fuser(const Program& program) : program_(program) {
    for (int i = 0; i < static_cast<int>(program.operations.size()); ++i) {
      for (Value v : InputsRead(program.operations[i])) readers_[v.id].push_back(i);
      producer_[program.operations[i].output.id] = i;
    }
    for (const Operation& op : program.operations) {
      if (op.kind == OpKind::kAttend) ClaimHeadOps(op);
    }
  }

  FusedProgram Run() {
    for (int i = 0; i < static_cast<int>(program_.operations.size()); ++i) {
      if (done_.contains(i)) continue;
      const Operation& op = program_.operations[static_cast<std::size_t>(i)];
      switch (op.kind) {
        case OpKind::kMatmul:
        case OpKind::kHeadMatmul:
        case OpKind::kExperts: EmitMatmuls(i); break;
        case OpKind::kAttend: EmitAttend(i); break;
        case OpKind::kConvolve: EmitConvolve(i); break;
        case OpKind::kScan: EmitScan(i); break;
        default: EmitRowOp(i); break;
      }
    }
    FlushPrelude();
    fused_.logits = BufferOf(program_.logits);
    MarkLifetimes();
    fused_.tail = static_cast<int>(fused_.stages.size());
    if (program_.output != Output::kLogits) return std::move(fused_);
    --fused_.tail;
    while (fused_.tail > 0 &&
           fused_.stages[static_cast<std::size_t>(fused_.tail)].matmul() == nullptr) {
      --fused_.tail;
    }
    Stage& head = fused_.stages[static_cast<std::size_t>(fused_.tail)];
    if (head.pack) head.pack->remainder = LogitsInTwoTerms(program_);
    return std::move(fused_);
  }

 private:
  // An attend to what an earlier one has stored reads its queries alone.
  static std::span<const Value> InputsRead(const Operation& op) {
    const std::span<const Value> all = op.inputs;
    return op.kind == OpKind::kAttend && !op.as<AttendAttributes>().stores ? all.first(1) : all;
  }
  const Operation& op(int index) const {
    return program_.operations[static_cast<std::size_t>(index)];
  }
  int BufferOf(Value v) {
    const auto [it, fresh] = buffer_of_.try_emplace(v.id, static_cast<int>(fused_.buffers.size()));
    if (fresh) {
      const ValueInfo& info = program_.info(v);
      fused_.buffers.push_back({.rows = info.rows, .width = info.width});
    }
    return it->second;
  }
  bool OnlyReader(Value v, int reader) const {
    const auto it = readers_.find(v.id);
    return v != program_.logits && it != readers_.end() && it->second.size() == 1 &&
           it->second[0] == reader;
  }

  // --- attention ---
  // The chain of head norm and rotation that leads into an attend's query or key.
  void ClaimHeadOps(const Operation& attend) {
    for (int side = 0; side < (attend.as<AttendAttributes>().stores ? 2 : 1); ++side) {
      Value v = attend.inputs[static_cast<std::size_t>(side)];
      int reader = producer_.at(attend.output.id);
      HeadOps ops;
      // A norm without a weight counts here only behind a rotation, which no other stage can do.
      if (const int i = ProducerIf(v, OpKind::kRmsNorm, reader);
          i >= 0 && op(i).weight < 0 && op(i).as<NormAttributes>().size == HeadDim(attend) &&
          ProducerIf(op(i).inputs[0], OpKind::kRotate, i) >= 0) {
        ops.norm_after = true;
        ops.epsilon_after = op(i).as<NormAttributes>().epsilon;
        ops.operations.push_back(i);
        v = op(i).inputs[0];
        reader = i;
        done_.insert(i);
      }
      if (const int i = ProducerIf(v, OpKind::kRotate, reader); i >= 0) {
        ops.rotate = op(i).as<RotateAttributes>();
        ops.operations.push_back(i);
        v = op(i).inputs[0];
        reader = i;
        done_.insert(i);
      }
      if (const int i = ProducerIf(v, OpKind::kRmsNorm, reader);
          i >= 0 && IsHeadNorm(op(i), attend)) {
        ops.weight = op(i).weight;
        ops.operations.push_back(i);
        ops.epsilon = op(i).as<NormAttributes>().epsilon;
        v = op(i).inputs[0];
        done_.insert(i);
      }
      head_ops_[{attend.output.id, side}] = {v, ops};
    }
  }
  int HeadDim(const Operation& attend) const {
    return program_.kv_layers[static_cast<std::size_t>(attend.as<AttendAttributes>().layer)]
        .head_dim;
  }
  // One weight for every head.
  bool IsHeadNorm(const Operation& norm, const Operation& attend) const {
    const int head_dim = HeadDim(attend);
    return norm.as<NormAttributes>().size == head_dim && norm.weight >= 0 &&
           program_.weights[static_cast<std::size_t>(norm.weight)].cols == head_dim;
  }
  int ProducerIf(Value v, OpKind kind, int reader) const {
    const auto it = producer_.find(v.id);
    if (it == producer_.end() || op(it->second).kind != kind || !OnlyReader(v, reader)) return -1;
    return it->second;
  }
  void EmitAttend(int index) {
    FlushPrelude();
    const Operation& attend = op(index);
    AttendBody body;
    body.attributes = attend.as<AttendAttributes>();
    body.kv = program_.kv_layers[static_cast<std::size_t>(body.attributes.layer)];
    auto [q, q_ops] = head_ops_.at({attend.output.id, 0});
    AssignRotary(q_ops);
    body.q = BufferOf(q);
    body.q_ops = q_ops;
    if (body.attributes.stores) {
      auto [k, k_ops] = head_ops_.at({attend.output.id, 1});
      AssignRotary(k_ops);
      body.k = BufferOf(k);
      body.v = BufferOf(attend.inputs[2]);
      body.k_ops = k_ops;
    }
    body.out = BufferOf(attend.output);
    fused_.stages.push_back({.rows = program_.info(attend.output).rows,
                             .prelude = {},
                             .pack = {},
                             .body = body,
                             .layer = attend.layer,
                             .body_operations = {index}});
    for (const HeadOps* ops : {&body.q_ops, &body.k_ops}) {
      std::ranges::copy(ops->operations, std::back_inserter(fused_.stages.back().body_operations));
    }
  }
  void AssignRotary(HeadOps& ops) {
    if (!ops.rotate) return;
    const auto it = std::ranges::find(fused_.rotaries, *ops.rotate);
    ops.rotary = static_cast<int>(it - fused_.rotaries.begin());
    if (it == fused_.rotaries.end()) fused_.rotaries.push_back(*ops.rotate);
  }

  // --- states ---
  void EmitConvolve(int index) {
    FlushPrelude();
    const Operation& convolve = op(index);
    ConvolveBody body{.x = BufferOf(convolve.inputs[0]),
                      .weight = convolve.weight,
                      .bias = convolve.bias,
                      .taps = program_.weights[static_cast<std::size_t>(convolve.weight)].cols,
                      .attributes = convolve.as<ConvolveAttributes>()};
    Value out = convolve.output;
    std::vector<int> operations = {index};
    const auto readers = readers_.find(out.id);
    if (readers != readers_.end() && OnlyReader(out, readers->second[0]) &&
        op(readers->second[0]).kind == OpKind::kActivate) {
      const int next = readers->second[0];
      body.activation = op(next).as<GateAttributes>().activation;
      out = op(next).output;
      operations.push_back(next);
      done_.insert(next);
    }
    body.out = BufferOf(out);
    EmitState(convolve, body, std::move(operations));
  }
  void EmitScan(int index) {
    FlushPrelude();
    const Operation& scan = op(index);
    EmitState(scan,
              ScanBody{.x = BufferOf(scan.inputs[0]),
                       .dt = BufferOf(scan.inputs[1]),
                       .b = BufferOf(scan.inputs[2]),
                       .c = BufferOf(scan.inputs[3]),
                       .share = scan.inputs.size() > 4 ? BufferOf(scan.inputs[4]) : -1,
                       .out = BufferOf(scan.output),
                       .rates = scan.weight,
                       .skips = scan.bias,
                       .attributes = scan.as<ScanAttributes>()},
              {index});
  }
  template <typename Body>
  void EmitState(const Operation& operation, Body body, std::vector<int> operations) {
    fused_.stages.push_back({.rows = program_.info(operation.output).rows,
                             .prelude = {},
                             .pack = {},
                             .body = std::move(body),
                             .layer = operation.layer,
                             .body_operations = std::move(operations)});
  }

  // --- matmuls ---
  void EmitMatmuls(int first) {
    const Value input = op(first).inputs[0];
    FlushPreludeUnless(program_.info(input).rows);
    Stage stage{.rows = program_.info(input).rows,
                .prelude = std::move(prelude_),
                .pack = Pack{},
                .body = {},
                .layer = op(first).layer,
                .prelude_operations = std::move(prelude_operations_)};
    prelude_.clear();
    prelude_operations_.clear();
    stage.pack->input = BufferOf(input);
    std::vector<int> members;
    for (int i : readers_.at(input.id)) {
      const bool alike = op(i).kind == op(first).kind && op(i).inputs == op(first).inputs &&
                         op(i).attributes == op(first).attributes;
      if (alike && !done_.contains(i)) members.push_back(i);
    }
    MatmulBody body;
    if (op(first).kind == OpKind::kExperts) body.experts = ExpertRowsOf(op(first));
    if (op(first).kind == OpKind::kHeadMatmul) {
      const auto& attributes = op(first).as<HeadAttributes>();
      body.heads = HeadRows{attributes.heads, attributes.slice};
    }
    for (int i : members) {
      NotePacking(*stage.pack, op(i).weight);
      if (!done_.contains(i)) body.parts.push_back(MakePart(i, members, body));
      done_.insert(i);
    }
    stage.body = std::move(body);
    stage.body_operations = std::move(members);
    std::ranges::copy(epilogues_, std::back_inserter(stage.body_operations));
    epilogues_.clear();
    fused_.stages.push_back(std::move(stage));
  }
  ExpertRows ExpertRowsOf(const Operation& experts) {
    const Value routes = experts.inputs[1];
    const auto& routing = op(producer_.at(routes.id)).as<RouteAttributes>().routing;
    const bool first = routes != order_;
    CAIRN_CHECK(!first || ordered_.insert(routes.id).second);  // else its order is gone
    order_ = routes;
    return {.routes = BufferOf(routes),
            .experts = routing.experts,
            .used = routing.used,
            .by_expert = program_.info(experts.inputs[0]).parts > 0,
            .first = first};
  }
  void NotePacking(Pack& pack, int weight) const {
    const auto format = program_.weights[static_cast<std::size_t>(weight)].format;
    (kernels::ActivationOf(format) == kernels::ActivationKind::kInt8 ? pack.int8 : pack.floats) =
        true;
  }
  MatmulPart MakePart(int index, const std::vector<int>& members, const MatmulBody& body) {
    const Operation& matmul = op(index);
    MatmulPart part{.weight = matmul.weight, .bias = matmul.bias};
    const auto readers = readers_.find(matmul.output.id);
    if (matmul.kind != OpKind::kHeadMatmul && readers != readers_.end() &&
        readers->second.size() == 1 && matmul.output != program_.logits) {
      const int next = readers->second[0];
      if (op(next).kind == OpKind::kGate && TryGate(next, members, part)) return part;
      if (op(next).kind == OpKind::kActivate) {
        part.out = BufferOf(op(next).output);
        part.epilogue = Epilogue::kActivate;
        part.activation = op(next).as<GateAttributes>().activation;
        done_.insert(next);
        epilogues_.push_back(next);
        return part;
      }
      if (op(next).kind == OpKind::kAdd && matmul.kind == OpKind::kMatmul &&
          TryAdd(next, matmul, body, part))
        return part;
    }
    part.out = BufferOf(matmul.output);
    return part;
  }
  bool TryGate(int gate, const std::vector<int>& members, MatmulPart& part) {
    const int g = producer_.at(op(gate).inputs[0].id);
    const int u = producer_.at(op(gate).inputs[1].id);
    const auto mine = [&](int i) { return std::ranges::find(members, i) != members.end(); };
    if (g == u || !mine(g) || !mine(u) || !OnlyReader(op(g).output, gate) ||
        !OnlyReader(op(u).output, gate) ||
        program_.weights[static_cast<std::size_t>(op(g).weight)].rows !=
            program_.weights[static_cast<std::size_t>(op(u).weight)].rows) {
      return false;
    }
    part = {.weight = op(g).weight,
            .out = BufferOf(op(gate).output),
            .epilogue = Epilogue::kGate,
            .other = -1,
            .gate_input = op(u).weight,
            .activation = op(gate).as<GateAttributes>().activation,
            .bias = op(g).bias,
            .gate_bias = op(u).bias};
    done_.insert({g, u, gate});
    epilogues_.push_back(gate);
    return true;
  }
  // out = other + product, where `other` is complete when the body begins: an earlier stage or this
  // one's prelude makes it, and no other part of the body.
  bool TryAdd(int add, const Operation& matmul, const MatmulBody& body, MatmulPart& part) {
    const Value a = op(add).inputs[0];
    const Value b = op(add).inputs[1];
    const Value other = a == matmul.output ? b : a;
    if (other == matmul.output || !buffer_of_.contains(other.id)) return false;
    if (std::ranges::find(body.parts, BufferOf(other), &MatmulPart::out) != body.parts.end()) {
      return false;
    }
    part.out = BufferOf(op(add).output);
    part.epilogue = Epilogue::kAdd;
    part.other = BufferOf(other);
    done_.insert(add);
    epilogues_.push_back(add);
    return true;
  }

  // --- row operations ---
  void EmitRowOp(int index) {
    const Operation& operation = op(index);
    CAIRN_CHECK(operation.kind != OpKind::kRotate);  // the angles belong to attends
    CAIRN_CHECK(operation.kind != OpKind::kCombine || operation.inputs[1] == order_);
    FlushPreludeUnless(program_.info(operation.output).rows);
    RowOp row{.kind = operation.kind,
              .weight = operation.weight,
              .attributes = operation.attributes,
              .bias = operation.bias};
    if (!operation.inputs.empty()) row.a = BufferOf(operation.inputs[0]);
    if (operation.inputs.size() > 1) row.b = BufferOf(operation.inputs[1]);
    for (std::size_t i = 2; i < operation.inputs.size(); ++i) {
      row.more.push_back(BufferOf(operation.inputs[i]));
    }
    row.out = BufferOf(operation.output);
    prelude_.push_back(row);
    prelude_operations_.push_back(index);
    prelude_layer_ = operation.layer;
    prelude_rows_ = program_.info(operation.output).rows;
  }
  void FlushPreludeUnless(Rows rows) {
    if (!prelude_.empty() && prelude_rows_ != rows) FlushPrelude();
  }
  void FlushPrelude() {
    if (prelude_.empty()) return;
    fused_.stages.push_back({.rows = prelude_rows_,
                             .prelude = std::move(prelude_),
                             .pack = {},
                             .body = {},
                             .layer = prelude_layer_,
                             .prelude_operations = std::move(prelude_operations_)});
    prelude_.clear();
    prelude_operations_.clear();
  }

  // --- lifetimes ---
  void MarkLifetimes() {
    for (Buffer& buffer : fused_.buffers) buffer.first_stage = -1;
    for (int s = 0; s < static_cast<int>(fused_.stages.size()); ++s) {
      const Stage& stage = fused_.stages[static_cast<std::size_t>(s)];
      for (const RowOp& row : stage.prelude) {
        Touch({row.a, row.b, row.out}, s);
        for (const int input : row.more) Touch({input}, s);
      }
      if (stage.pack) Touch({stage.pack->input}, s);
      if (const MatmulBody* body = stage.matmul()) {
        for (const MatmulPart& part : body->parts) Touch({part.out, part.other}, s);
        if (body->experts) Touch({body->experts->routes}, s);
      }
      if (const AttendBody* body = stage.attend()) {
        Touch({body->q, body->k, body->v, body->out}, s);
      }
      if (const ConvolveBody* body = stage.convolve()) Touch({body->x, body->out}, s);
      if (const ScanBody* body = stage.scan()) {
        Touch({body->x, body->dt, body->b, body->c, body->share, body->out}, s);
      }
    }
  }
  void Touch(std::initializer_list<int> buffers, int stage) {
    for (int b : buffers) {
      if (b < 0) continue;
      Buffer& buffer = fused_.buffers[static_cast<std::size_t>(b)];
      if (buffer.first_stage < 0) buffer.first_stage = stage;
      buffer.last_stage = stage;
    }
  }

  const Program& program_;
  FusedProgram fused_;
  std::map<int, std::vector<int>> readers_;                            // value -> operations
  std::map<int, int> producer_;                                        // value -> operation
  std::map<int, int> buffer_of_;                                       // value -> buffer
  std::map<std::pair<int, int>, std::pair<Value, HeadOps>> head_ops_;  // (attend, q or k)
  std::set<int> done_;
  Value order_;            // the routing by which rows of experts lie
  std::set<int> ordered_;  // routings that had their turn
  std::vector<RowOp> prelude_;
  std::vector<int> prelude_operations_;  // that prelude_ is
  std::vector<int> epilogues_;           // operations that joined the matmuls being emitted
  Rows prelude_rows_ = Rows::kTokens;
  int prelude_layer_ = -1;
};

}  // namespace

bool LogitsInTwoTerms(const Program& program) {
  if (program.output != Output::kLogits) return false;
  std::set<int> counted;
  std::int64_t all = 0;
  std::int64_t output = 0;
  bool int8 = false;
  for (const Operation& op : program.operations) {
    if (op.kind == OpKind::kHeadMatmul && counted.insert(op.weight).second) {
      const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
      all += std::int64_t{weight.rows} * weight.cols;
    }
    if (op.kind == OpKind::kExperts) {
      const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
      const std::int64_t met = std::int64_t{weight.cols} * program.info(op.output).width;
      if (counted.insert(op.weight).second) all += met;
    }
    if (op.kind != OpKind::kMatmul) continue;
    const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
    output = std::int64_t{weight.rows} * weight.cols;  // the last one makes the logits
    int8 = kernels::ActivationOf(weight.format) == kernels::ActivationKind::kInt8;
    if (counted.insert(op.weight).second) all += output;
  }
  return int8 && 3 * output <= all;
}

FusedProgram Fuse(const Program& program) { return Fuser(program).Run(); }

}  // namespace cairn::program
