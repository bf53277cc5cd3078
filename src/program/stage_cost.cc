// SPDX-License-Identifier: Apache-2.0
#include "program/stage_cost.h"

#include <fmt/format.h>

namespace cairn::program {
namespace {

// "attn_q" of "blk.3.attn_q.weight".
std::string ShortName(std::string_view name) {
  if (name.starts_with("blk.")) {
    const std::size_t dot = name.find('.', 4);
    if (dot != std::string_view::npos) name.remove_prefix(dot + 1);
  }
  if (name.ends_with(".weight")) name.remove_suffix(7);
  return std::string(name);
}

std::string Join(const std::vector<std::string>& names, std::string_view between) {
  return fmt::format("{}", fmt::join(names, between));
}

std::string NamesOfMatmuls(const Program& program, const MatmulBody& body) {
  std::vector<std::string> names;
  const auto add = [&](int weight) {
    std::string name = ShortName(program.weights[static_cast<std::size_t>(weight)].name);
    // Several parts of one tensor count as it.
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  };
  for (const MatmulPart& part : body.parts) {
    add(part.weight);
    if (part.gate_input >= 0) add(part.gate_input);
  }
  return Join(names, " + ");
}

std::string NameOfPrelude(const Program& program, const Stage& stage) {
  std::vector<std::string> names;
  for (const RowOp& op : stage.prelude) {
    std::string name = OpName(op.kind);
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  }
  if (stage.pack) names.emplace_back("pack");
  std::string what = Join(names, ", ");
  if (stage.matmul() == nullptr) return what;
  return what + " for " + NamesOfMatmuls(program, *stage.matmul());
}

}  // namespace

std::string NameOf(const Program& program, const Stage* stage, StagePart part) {
  switch (part) {
    case StagePart::kPrelude: return NameOfPrelude(program, *stage);
    case StagePart::kMatmul: return NamesOfMatmuls(program, *stage->matmul());
    case StagePart::kHeads: return "rotate heads, store keys and values";
    case StagePart::kAttend:
      return stage->attend()->kv.window > 0 ? "attend in a window" : "attend";
    case StagePart::kState: return stage->convolve() != nullptr ? "convolve" : "walk of the state";
    case StagePart::kMerge: return "merge parts of attend";
    case StagePart::kAngles: return "rotary angles";
    case StagePart::kLogits: return "hand out logits";
  }
  return {};
}

Cost CostOf(const Program& program, const Stage& stage, StagePart part,
            std::span<const SliceSize> slices, double experts) {
  Cost total;
  const auto add = [&](int index, const StepSize& size) {
    total += CostOf(program, program.operations[static_cast<std::size_t>(index)], size);
  };
  StepSize all{.tokens = 0, .sampled = 0, .positions = 0, .experts = experts};
  for (const SliceSize& slice : slices) {
    all.tokens += slice.tokens;
    all.sampled += slice.sampled;
  }
  if (part == StagePart::kPrelude) {
    for (const int index : stage.prelude_operations) add(index, all);
    return total;
  }
  // Beside an attend the body has only what works on its heads.
  const bool state = stage.convolve() != nullptr || stage.scan() != nullptr;
  const StagePart others = stage.attend() != nullptr ? StagePart::kHeads
                           : state                   ? StagePart::kState
                                                     : StagePart::kMatmul;
  for (const int index : stage.body_operations) {
    const bool attend = program.operations[static_cast<std::size_t>(index)].kind == OpKind::kAttend;
    if (part != (attend ? StagePart::kAttend : others)) continue;
    if (!attend && !state) {  // each sequence has keys and values, or a state, of its own
      add(index, all);
      continue;
    }
    for (const SliceSize& slice : slices) {
      add(index, {.tokens = slice.tokens,
                  .sampled = slice.sampled,
                  .positions = slice.position + (slice.tokens + 1) / 2});
    }
  }
  return total;
}

}  // namespace cairn::program
