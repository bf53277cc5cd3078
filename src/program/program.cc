// SPDX-License-Identifier: Apache-2.0
#include "program/program.h"

#include <algorithm>
#include <map>

#include "base/check.h"

namespace cairn::program {

std::string Weight::TensorOf(int index) const {
  if (!apart) return name;
  std::string tensor = name;
  return tensor.replace(tensor.find("{}"), 2, std::to_string(index / expert_rows()));
}

bool Program::whole_sequences() const {
  const auto pooled = [](const Operation& op) { return op.kind == OpKind::kPool; };
  return std::ranges::any_of(kv_layers, &KvLayer::whole) || std::ranges::any_of(operations, pooled);
}

const char* OpName(OpKind kind) {
  switch (kind) {
    case OpKind::kEmbed: return "embed";
    case OpKind::kPosition: return "position";
    case OpKind::kTokenType: return "token_type";
    case OpKind::kRmsNorm: return "rms_norm";
    case OpKind::kLayerNorm: return "layer_norm";
    case OpKind::kMatmul: return "matmul";
    case OpKind::kHeadMatmul: return "head_matmul";
    case OpKind::kJoin: return "join";
    case OpKind::kGrow: return "grow";
    case OpKind::kPreweigh: return "preweigh";
    case OpKind::kRoute: return "route";
    case OpKind::kExperts: return "experts";
    case OpKind::kCombine: return "combine";
    case OpKind::kRotate: return "rotate";
    case OpKind::kAttend: return "attend";
    case OpKind::kGate: return "gate";
    case OpKind::kWeigh: return "weigh";
    case OpKind::kActivate: return "activate";
    case OpKind::kAdd: return "add";
    case OpKind::kScale: return "scale";
    case OpKind::kSoftcap: return "softcap";
    case OpKind::kClamp: return "clamp";
    case OpKind::kGatherRows: return "gather_rows";
    case OpKind::kPool: return "pool";
  }
  return "?";
}

// t rows, k and n features, h heads, d of a head, l positions, v vocabulary, e experts, j those of
// a row.
const char* EinsumOf(const Operation& operation) {
  switch (operation.kind) {
    case OpKind::kEmbed: return "tv,vk->tk";
    case OpKind::kPosition: return "tl,lk->tk";
    case OpKind::kTokenType: return "ts,sk->tk";
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm: return "tk,k->tk";
    case OpKind::kMatmul: return "tk,nk->tn";
    case OpKind::kHeadMatmul: return "thk,hnk->thn";
    case OpKind::kJoin: return "thk,thn->th(k+n)";
    case OpKind::kRoute: return "te->tj";
    case OpKind::kExperts: return "tjk,enk->tjn";
    case OpKind::kCombine: return "tjn,tj->tn";
    case OpKind::kWeigh:
    case OpKind::kPreweigh: return "tn,t->tn";
    case OpKind::kRotate: return "thd,td->thd";
    case OpKind::kAttend: return "thd,lhd->thl; thl,lhd->thd";
    case OpKind::kGate: return "tn,tn->tn";
    case OpKind::kAdd: return "tk,tk->tk";
    case OpKind::kActivate:
    case OpKind::kGrow:
    case OpKind::kScale:
    case OpKind::kSoftcap:
    case OpKind::kClamp: return "tk->tk";
    case OpKind::kGatherRows:
    case OpKind::kPool: return "tk,st->sk";
  }
  return "?";
}

namespace {

// Recomputes an operation chain for sampled rows only, as far up as rows are independent.
class RowMover {
 public:
  explicit RowMover(Program program) : program_(std::move(program)) {}

  Program Run() {
    std::vector<Operation> old = std::move(program_.operations);
    for (const Operation& op : old) producer_[op.output.id] = &op;
    for (const Operation& op : old) {
      if (op.kind == OpKind::kGatherRows) {
        alias_[op.output.id] = Sampled(op.inputs[0]);
      } else if (Needed(op, old)) {
        Operation copy = op;
        for (Value& v : copy.inputs) v = Resolve(v);
        Emit(std::move(copy));
      }
    }
    program_.logits = Resolve(program_.logits);
    return std::move(program_);
  }

 private:
  // True where a value for all tokens is still read: by keys and values, or by a gather's boundary.
  bool Needed(const Operation& op, const std::vector<Operation>& all) {
    if (program_.info(op.output).rows == Rows::kSampled) return true;
    if (needed_.empty()) {
      needed_.assign(program_.values.size(), false);
      for (auto it = all.rbegin(); it != all.rend(); ++it) MarkInputs(*it);
    }
    return needed_[static_cast<std::size_t>(op.output.id)];
  }

  void MarkInputs(const Operation& op) {
    if (op.kind == OpKind::kGatherRows) {
      MarkBoundary(op.inputs[0]);
      return;
    }
    const bool live = program_.info(op.output).rows == Rows::kSampled ||
                      needed_[static_cast<std::size_t>(op.output.id)];
    if (!live) return;
    for (Value v : op.inputs) needed_[static_cast<std::size_t>(v.id)] = true;
  }

  // Marks what gathering `v` will read for all tokens.
  void MarkBoundary(Value v) {
    const Operation& op = *producer_.at(v.id);
    switch (op.kind) {
      case OpKind::kAttend:
        MarkBoundary(op.inputs[0]);
        needed_[static_cast<std::size_t>(op.inputs[1].id)] = true;
        needed_[static_cast<std::size_t>(op.inputs[2].id)] = true;
        return;
      default:
        if (Boundary(op, v)) {
          needed_[static_cast<std::size_t>(v.id)] = true;
        } else {
          for (Value input : op.inputs) MarkBoundary(input);
        }
    }
  }

  // Rows of an embedding are gathered as they are; so is whatever an earlier layer left, which all
  // tokens need anyway: the first value above the last attend.
  bool Boundary(const Operation& op, Value v) const {
    return op.kind == OpKind::kEmbed || op.kind == OpKind::kPosition ||
           op.kind == OpKind::kTokenType || op.kind == OpKind::kGatherRows || FeedsKv(v);
  }

  // A value of which the last layer's keys and values are made is computed for all tokens.
  bool FeedsKv(Value v) const {
    const int last = LastAttend();
    if (last < 0) return false;
    return DependsOn(Value{last}, v);
  }

  int LastAttend() const {
    int last = -1;
    for (const auto& [id, op] : producer_) {
      if (op->kind == OpKind::kAttend &&
          op->as<AttendAttributes>().layer + 1 == static_cast<int>(program_.kv_layers.size())) {
        last = id;
      }
    }
    return last;
  }

  // Whether keys or values of the attend at `attend` are computed from v.
  bool DependsOn(Value attend, Value v) const {
    const Operation& op = *producer_.at(attend.id);
    return Reaches(op.inputs[1], v) || Reaches(op.inputs[2], v);
  }
  bool Reaches(Value from, Value v) const {
    if (from.id < v.id) return false;  // values are numbered in the order they are computed
    if (from == v) return true;
    for (Value input : producer_.at(from.id)->inputs) {
      if (Reaches(input, v)) return true;
    }
    return false;
  }

  Value Resolve(Value v) const {
    const auto it = alias_.find(v.id);
    return it == alias_.end() ? v : it->second;
  }

  void Emit(Operation op) { program_.operations.push_back(std::move(op)); }

  // The sampled rows of v, computed as late as needed.
  Value Sampled(Value v) {
    const auto known = sampled_.find(v.id);
    if (known != sampled_.end()) return known->second;
    const Operation& op = *producer_.at(v.id);
    Operation copy = op;
    if (op.kind == OpKind::kAttend) {
      copy.inputs = {Sampled(op.inputs[0]), Resolve(op.inputs[1]), Resolve(op.inputs[2])};
    } else if (Boundary(op, v)) {
      copy = {OpKind::kGatherRows, {Resolve(v)}, {}, -1, {}, op.layer};
    } else {
      for (Value& input : copy.inputs) input = Sampled(input);
    }
    copy.output = Value{static_cast<int>(program_.values.size())};
    ValueInfo info = program_.info(v);
    info.rows = Rows::kSampled;
    program_.values.push_back(info);
    sampled_[v.id] = copy.output;
    Emit(copy);
    return copy.output;
  }

  Program program_;
  std::map<int, const Operation*> producer_;
  std::map<int, Value> alias_;    // old gather output -> new value
  std::map<int, Value> sampled_;  // old token value -> its sampled rows
  std::vector<bool> needed_;
};

}  // namespace

Program MoveSampledRowsUp(Program program) { return RowMover(std::move(program)).Run(); }

}  // namespace cairn::program
