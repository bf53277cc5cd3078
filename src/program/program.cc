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
    case OpKind::kVector: return "vector";
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
    case OpKind::kConvolve: return "convolve";
    case OpKind::kScan: return "scan";
    case OpKind::kGate: return "gate";
    case OpKind::kWeigh: return "weigh";
    case OpKind::kActivate: return "activate";
    case OpKind::kAdd: return "add";
    case OpKind::kScale: return "scale";
    case OpKind::kResize: return "resize";
    case OpKind::kSparsify: return "sparsify";
    case OpKind::kBlend: return "blend";
    case OpKind::kSoftcap: return "softcap";
    case OpKind::kClamp: return "clamp";
    case OpKind::kGatherRows: return "gather_rows";
    case OpKind::kPool: return "pool";
  }
  return "?";
}

// t rows, k and n features, h heads, d of a head, l positions, v vocabulary, e experts, j those of
// a row, s values of a state.
const char* EinsumOf(const Operation& operation) {
  switch (operation.kind) {
    case OpKind::kEmbed: return "tv,vk->tk";
    case OpKind::kPosition: return "tl,lk->tk";
    case OpKind::kTokenType: return "ts,sk->tk";
    case OpKind::kVector: return "k->tk";
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
    case OpKind::kConvolve: return "tlk,kl->tk";
    case OpKind::kScan: return "thd,ths->thds; thds,ths->thd";
    case OpKind::kGate: return "tn,tn->tn";
    case OpKind::kResize:
    case OpKind::kAdd: return "tk,tk->tk";
    case OpKind::kBlend: return "tk,tk,t->tk";
    case OpKind::kSparsify:
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
    FindKept(old);
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
    if (Boundary(op)) {
      needed_[static_cast<std::size_t>(v.id)] = true;
      return;
    }
    if (op.kind != OpKind::kAttend) {
      for (Value input : op.inputs) MarkBoundary(input);
      return;
    }
    MarkBoundary(op.inputs[0]);
    needed_[static_cast<std::size_t>(op.inputs[1].id)] = true;
    needed_[static_cast<std::size_t>(op.inputs[2].id)] = true;
  }

  // Rows of an embedding are gathered as they are; so is whatever keys, values and states are made
  // of, which all tokens need anyway.
  bool Boundary(const Operation& op) const {
    return op.kind == OpKind::kEmbed || op.kind == OpKind::kPosition ||
           op.kind == OpKind::kTokenType || op.kind == OpKind::kVector ||
           op.kind == OpKind::kGatherRows || kept_[static_cast<std::size_t>(op.output.id)];
  }

  // Marks what is kept of all tokens (a state with what comes out of it), and what that is made of.
  void FindKept(const std::vector<Operation>& all) {
    kept_.assign(program_.values.size(), false);
    const auto mark = [this](Value v) { kept_[static_cast<std::size_t>(v.id)] = true; };
    for (auto op = all.rbegin(); op != all.rend(); ++op) {
      if (op->kind == OpKind::kConvolve || op->kind == OpKind::kScan) mark(op->output);
      if (op->kind == OpKind::kAttend) {
        mark(op->inputs[1]);
        mark(op->inputs[2]);
      }
      if (!kept_[static_cast<std::size_t>(op->output.id)]) continue;
      std::ranges::for_each(op->inputs, mark);
    }
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
    if (Boundary(op)) {
      copy = {OpKind::kGatherRows, {Resolve(v)}, {}, -1, {}, op.layer};
    } else if (op.kind == OpKind::kAttend) {
      copy.inputs = {Sampled(op.inputs[0]), Resolve(op.inputs[1]), Resolve(op.inputs[2])};
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
  std::vector<bool> kept_;  // by old value
};

}  // namespace

Program MoveSampledRowsUp(Program program) { return RowMover(std::move(program)).Run(); }

}  // namespace cairn::program
