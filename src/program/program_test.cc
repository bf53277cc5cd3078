// SPDX-License-Identifier: Apache-2.0
// Builder, the move of sampled rows, fusion, buffer plan and cost on a small llama of two layers.
#include "program/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "program/builder.h"
#include "program/cost.h"
#include "program/stage_cost.h"
#include "program/stages.h"

namespace cairn::program {
namespace {

constexpr int kWidth = 64, kHeads = 4, kKvHeads = 2, kHeadDim = 16, kFeed = 96, kVocabulary = 320;

class Catalog : public WeightCatalog {
 public:
  std::optional<Weight> Find(std::string_view name) const override {
    const auto it = weights.find(std::string(name));
    if (it == weights.end()) return std::nullopt;
    return it->second;
  }
  void Add(const std::string& name, int rows, int cols) {
    weights[name] = {name, tensor::Format::kQ8_0, rows, cols};
  }
  std::map<std::string, Weight> weights;
};

Catalog SmallCatalog(int layers) {
  Catalog c;
  c.Add("token_embd.weight", kVocabulary, kWidth);
  c.Add("output_norm.weight", 1, kWidth);
  for (int l = 0; l < layers; ++l) {
    const std::string p = "blk." + std::to_string(l) + ".";
    c.Add(p + "attn_norm.weight", 1, kWidth);
    c.Add(p + "attn_q.weight", kHeads * kHeadDim, kWidth);
    c.Add(p + "attn_k.weight", kKvHeads * kHeadDim, kWidth);
    c.Add(p + "attn_v.weight", kKvHeads * kHeadDim, kWidth);
    c.Add(p + "attn_output.weight", kWidth, kHeads * kHeadDim);
    c.Add(p + "ffn_norm.weight", 1, kWidth);
    c.Add(p + "ffn_gate.weight", kFeed, kWidth);
    c.Add(p + "ffn_up.weight", kFeed, kWidth);
    c.Add(p + "ffn_down.weight", kWidth, kFeed);
  }
  return c;
}

Result<Program> BuildSmall(const Catalog& catalog, int layers) {
  Builder b(catalog);
  const RotateAttributes rope{.head_dim = kHeadDim, .n_rot = kHeadDim};
  Value x = b.Embed("token_embd.weight");
  for (int l = 0; l < layers; ++l) {
    b.SetLayer(l);
    const Value n = b.RmsNorm(x, b.LayerWeight("attn_norm"), 1e-5f);
    const Value q = b.Rotate(b.Matmul(n, b.LayerWeight("attn_q")), rope);
    const Value k = b.Rotate(b.Matmul(n, b.LayerWeight("attn_k")), rope);
    const Value v = b.Matmul(n, b.LayerWeight("attn_v"));
    const Value a = b.Attend(q, k, v, {.heads = kKvHeads, .head_dim = kHeadDim}, kHeads, 0.25f);
    x = b.Add(x, b.Matmul(a, b.LayerWeight("attn_output")));
    const Value f = b.RmsNorm(x, b.LayerWeight("ffn_norm"), 1e-5f);
    x = b.Add(x, b.Matmul(b.Gate(kernels::Activation::kSilu, b.Matmul(f, b.LayerWeight("ffn_gate")),
                                 b.Matmul(f, b.LayerWeight("ffn_up"))),
                          b.LayerWeight("ffn_down")));
  }
  b.SetLayer(-1);
  return b.Finish(
      b.Matmul(b.RmsNorm(b.SampledRows(x), "output_norm.weight", 1e-5f), "token_embd.weight"));
}

Program Small(int layers = 2) { return *BuildSmall(SmallCatalog(layers), layers); }

TEST(BuilderTest, AMissingWeightIsNamed) {
  Catalog catalog = SmallCatalog(2);
  catalog.weights.erase("blk.1.ffn_up.weight");
  const auto program = BuildSmall(catalog, 2);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(program.error().message.find("blk.1.ffn_up.weight"), std::string::npos);
}

TEST(BuilderTest, AWeightOfTheWrongShapeIsNamed) {
  Catalog catalog = SmallCatalog(2);
  catalog.Add("blk.0.attn_k.weight", kKvHeads * kHeadDim, kWidth + 32);
  const auto program = BuildSmall(catalog, 2);
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find("blk.0.attn_k.weight"), std::string::npos);
}

TEST(BuilderTest, HeadsThatDoNotDivideAreAnError) {
  Catalog catalog = SmallCatalog(1);
  catalog.Add("blk.0.attn_q.weight", kHeads * kHeadDim + 16, kWidth);
  EXPECT_FALSE(BuildSmall(catalog, 1));
}

TEST(MoveSampledRowsTest, TheLastLayerWorksForSampledRowsButItsKeysAndValues) {
  const Program program = MoveSampledRowsUp(Small());
  int matmuls_of_all = 0, matmuls_of_sampled = 0;
  std::set<int> computed;
  for (const Operation& op : program.operations) {
    for (const Value input : op.inputs) EXPECT_TRUE(computed.contains(input.id)) << input.id;
    computed.insert(op.output.id);
    if (op.kind != OpKind::kMatmul || op.layer != 1) continue;
    (program.info(op.output).rows == Rows::kTokens ? matmuls_of_all : matmuls_of_sampled) += 1;
  }
  EXPECT_EQ(matmuls_of_all, 2);      // keys and values
  EXPECT_EQ(matmuls_of_sampled, 5);  // queries, output, gate, up, down
  EXPECT_EQ(program.info(program.logits).rows, Rows::kSampled);
}

TEST(FuseTest, ALayerIsFiveStages) {
  const FusedProgram fused = Fuse(Small(3));
  int of_first_layer = 0;
  for (const Stage& stage : fused.stages) of_first_layer += stage.layer == 0;
  EXPECT_EQ(of_first_layer, 5);  // q k v, attend, output, gate and up, down
}

// Every operation lands in exactly one place.
TEST(FuseTest, EveryWeightIsUsedAsOftenAsInTheProgram) {
  const Program program = MoveSampledRowsUp(Small(3));
  std::multiset<int> expected, found;
  for (const Operation& op : program.operations) {
    if (op.weight >= 0) expected.insert(op.weight);
  }
  for (const Stage& stage : Fuse(program).stages) {
    for (const RowOp& row : stage.prelude) {
      if (row.weight >= 0) found.insert(row.weight);
    }
    if (const MatmulBody* body = stage.matmul()) {
      for (const MatmulPart& part : body->parts) {
        found.insert(part.weight);
        if (part.epilogue == Epilogue::kGate) found.insert(part.gate_input);
      }
    }
  }
  EXPECT_EQ(found, expected);
}

// Two products of one stage that are added: neither is complete while the other is computed.
TEST(FuseTest, ASumOfTwoProductsOfTheSameRowsIsNotAnEpilogue) {
  Catalog catalog = SmallCatalog(1);
  catalog.Add("a.weight", kWidth, kWidth);
  catalog.Add("b.weight", kWidth, kWidth);
  Builder b(catalog);
  const Value n = b.RmsNorm(b.SampledRows(b.Embed("token_embd.weight")), "output_norm.weight", 1);
  const Value sum = b.Add(b.Matmul(n, "a.weight"), b.Matmul(n, "b.weight"));
  const auto program = b.Finish(b.Matmul(sum, "token_embd.weight"));
  ASSERT_TRUE(program) << program.error().message;
  int sums = 0;
  for (const Stage& stage : Fuse(*program).stages) {
    for (const RowOp& row : stage.prelude) sums += row.kind == OpKind::kAdd;
    const MatmulBody* body = stage.matmul();
    if (body == nullptr) continue;
    for (const MatmulPart& part : body->parts) EXPECT_NE(part.epilogue, Epilogue::kAdd);
  }
  EXPECT_EQ(sums, 1);
}

// --- experts ---

constexpr int kExperts = 6, kUsed = 2, kExpertFeed = 48;

Catalog ExpertCatalog(int layers) {
  Catalog c = SmallCatalog(layers);
  const auto add = [&](const std::string& name, int rows, int cols) {
    c.Add(name, kExperts * rows, cols);
    c.weights[name].experts = kExperts;
  };
  for (int l = 0; l < layers; ++l) {
    const std::string p = "blk." + std::to_string(l) + ".";
    c.Add(p + "router.weight", kExperts, kWidth);
    c.weights[p + "router.weight"].format = tensor::Format::kF32;
    add(p + "gate_exps.weight", kExpertFeed, kWidth);
    add(p + "up_exps.weight", kExpertFeed, kWidth);
    add(p + "down_exps.weight", kWidth, kExpertFeed);
  }
  return c;
}

// Layers of experts alone.
Program WithExperts(int layers) {
  const Catalog catalog = ExpertCatalog(layers);
  Builder b(catalog);
  Value x = b.Embed("token_embd.weight");
  for (int l = 0; l < layers; ++l) {
    b.SetLayer(l);
    const Value n = b.RmsNorm(x, b.LayerWeight("ffn_norm"), 1e-5f);
    const Value routes =
        b.Route(b.Matmul(n, b.LayerWeight("router")), {.experts = kExperts, .used = kUsed});
    const Value gated =
        b.Gate(kernels::Activation::kSilu, b.Experts(n, routes, b.LayerWeight("gate_exps")),
               b.Experts(n, routes, b.LayerWeight("up_exps")));
    x = b.Add(x, b.Combine(b.Experts(gated, routes, b.LayerWeight("down_exps")), routes));
  }
  b.SetLayer(-1);
  auto program = b.Finish(
      b.Matmul(b.RmsNorm(b.SampledRows(x), "output_norm.weight", 1e-5f), "token_embd.weight"));
  EXPECT_TRUE(program) << program.error().message;
  return *std::move(program);
}

TEST(FuseTest, ExpertsAreTwoStagesOfWhichTheFirstOrdersTheRows) {
  const FusedProgram fused = Fuse(MoveSampledRowsUp(WithExperts(2)));
  std::vector<const Stage*> experts;
  for (const Stage& stage : fused.stages) {
    if (stage.experts() != nullptr) experts.push_back(&stage);
  }
  ASSERT_EQ(experts.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    const Stage& stage = *experts[static_cast<std::size_t>(i)];
    const bool first = i % 2 == 0;
    EXPECT_EQ(stage.experts()->first, first);
    EXPECT_EQ(stage.experts()->by_expert, !first);
    EXPECT_EQ(fused.PackedCols(stage), first ? kWidth : kExpertFeed);
    ASSERT_EQ(stage.matmul()->parts.size(), 1u);
    EXPECT_EQ(stage.matmul()->parts[0].epilogue, first ? Epilogue::kGate : Epilogue::kStore);
  }
}

TEST(BuilderTest, PartsOfExpertsAreForGatesAndCombinesAlone) {
  const Catalog catalog = ExpertCatalog(1);
  for (const int wrong : {0, 1, 2}) {
    Builder b(catalog);
    b.SetLayer(0);
    const Value x = b.Embed("token_embd.weight");
    const Value routes =
        b.Route(b.Matmul(x, b.LayerWeight("router")), {.experts = kExperts, .used = kUsed});
    const Value parts = b.Experts(x, routes, b.LayerWeight("gate_exps"));
    const Value bad = wrong == 0   ? b.Scale(parts, 2)
                      : wrong == 1 ? b.Combine(x, routes)
                                   : b.Experts(x, x, b.LayerWeight("gate_exps"));
    EXPECT_FALSE(b.Finish(b.Matmul(bad, "token_embd.weight"))) << wrong;
  }
}

TEST(BuilderTest, SlicesOfHeadsStayInsideTheirInput) {
  Catalog catalog = SmallCatalog(1);
  catalog.Add("heads.weight", kHeads * 16, kHeadDim);
  catalog.weights["heads.weight"].experts = kHeads;
  const HeadSlice whole{.first = 0, .count = kHeadDim, .stride = kHeadDim};
  const auto build = [&](int heads, const HeadSlice& slice, int zeros) {
    Builder b(catalog);
    const Value x = b.Embed("token_embd.weight");
    const Value y = b.HeadMatmul(x, heads, slice, "heads.weight");
    const Value joined = b.Join(heads, {{y, whole}}, zeros);
    return b.Finish(b.Matmul(joined, "token_embd.weight")).has_value();
  };
  EXPECT_TRUE(build(kHeads, whole, 0));
  EXPECT_FALSE(build(kHeads, whole, 1));
  EXPECT_FALSE(build(kHeads - 1, whole, 0));
  EXPECT_FALSE(build(kHeads, {.first = 16, .count = kHeadDim, .stride = kHeadDim}, 0));
  EXPECT_FALSE(build(kHeads, {.first = 0, .count = kHeadDim, .stride = 2 * kHeadDim}, 0));
  EXPECT_FALSE(build(kHeads, {.first = -16, .count = kHeadDim, .stride = kHeadDim}, 0));
  EXPECT_FALSE(build(kHeads, {.first = 0, .count = 0, .stride = kHeadDim}, 0));
}

// All experts that some row meets, each once; of unknown rows as many as by lot.
// Two layers' queries over the keys and values of the first.
TEST(FuseTest, AnAttendToEarlierKeysReadsItsQueriesAlone) {
  const Catalog catalog = SmallCatalog(2);
  Builder b(catalog);
  const RotateAttributes rope{.head_dim = kHeadDim, .n_rot = kHeadDim};
  const Value x = b.Embed("token_embd.weight");
  b.SetLayer(0);
  const auto rotated = [&](const char* name) {
    return b.Rotate(b.Matmul(x, b.LayerWeight(name)), rope);
  };
  const Value first =
      b.Attend(rotated("attn_q"), rotated("attn_k"), b.Matmul(x, b.LayerWeight("attn_v")),
               {.heads = kKvHeads, .head_dim = kHeadDim}, kHeads, 1);
  b.SetLayer(1);
  const Value again = b.AttendAgain(rotated("attn_q"), first, kHeads, 1);
  const Value both = b.Matmul(b.Add(first, again), b.LayerWeight("attn_output"));
  const auto program = b.Finish(b.Matmul(b.SampledRows(both), "token_embd.weight"));
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(program->kv_layers.size(), 1u);
  std::vector<const AttendBody*> attends;
  const FusedProgram fused = Fuse(*program);
  for (const Stage& stage : fused.stages) {
    if (stage.attend() != nullptr) attends.push_back(stage.attend());
  }
  ASSERT_EQ(attends.size(), 2u);
  EXPECT_GE(attends[0]->k, 0);
  EXPECT_TRUE(attends[0]->k_ops.rotate);
  EXPECT_EQ(attends[1]->k, -1);
  EXPECT_TRUE(attends[1]->q_ops.rotate);
  EXPECT_EQ(attends[1]->attributes.layer, attends[0]->attributes.layer);
}

TEST(BuilderTest, AnAttendToKeysThatNobodyStoredIsAnError) {
  const Catalog catalog = SmallCatalog(1);
  Builder b(catalog);
  const Value x = b.Embed("token_embd.weight");
  const auto program = b.Finish(b.AttendAgain(x, x, kHeads, 1));
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find("no earlier layer"), std::string::npos);
}

TEST(CostTest, OnlyExpertsThatAreMetAreRead) {
  const Program program = WithExperts(1);
  const double matrix = kExpertFeed * (kWidth / 32 * 34.0);
  const auto op = std::ranges::find(program.operations, OpKind::kExperts, &Operation::kind);
  const auto read = [&](double rows, double met) {
    return CostOf(program, *op, {.tokens = rows, .experts = met}).weight_bytes;
  };
  EXPECT_DOUBLE_EQ(read(1, 0), kUsed * matrix);
  EXPECT_DOUBLE_EQ(read(9, 5), 5 * matrix);
  EXPECT_NEAR(read(1000, 0), kExperts * matrix, 1e-6);
  EXPECT_DOUBLE_EQ(CostOf(program, *op, {.tokens = 9}).operations,
                   9 * 2.0 * kUsed * kExpertFeed * kWidth);
}

TEST(BuilderTest, SumsOfDifferentRowsAreAnError) {
  const Catalog catalog = SmallCatalog(1);
  Builder b(catalog);
  const Value x = b.Embed("token_embd.weight");
  EXPECT_FALSE(b.Finish(b.Matmul(b.Add(x, b.SampledRows(x)), "token_embd.weight")));
}

TEST(FuseTest, LogitsTakeTwoTermsWhereTheOutputMatrixIsAtMostAThird) {
  std::int64_t layer = 0;
  for (const auto& [name, weight] : SmallCatalog(1).weights) {
    if (weight.rows > 1 && name.starts_with("blk.")) {
      layer += std::int64_t{weight.rows} * weight.cols;
    }
  }
  const std::int64_t output = std::int64_t{kVocabulary} * kWidth;
  const int enough = static_cast<int>((2 * output + layer - 1) / layer);  // layers
  ASSERT_GT(enough, 1);
  EXPECT_TRUE(LogitsInTwoTerms(Small(enough)));
  EXPECT_FALSE(LogitsInTwoTerms(Small(enough - 1)));
  const auto remainder = [](const Program& program) {
    const FusedProgram fused = Fuse(MoveSampledRowsUp(program));
    return fused.stages[static_cast<std::size_t>(fused.tail)].pack->remainder;
  };
  EXPECT_TRUE(remainder(Small(enough)));
  EXPECT_FALSE(remainder(Small(enough - 1)));
}

class PlanTest : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(DenseAndExperts, PlanTest, ::testing::Bool());

TEST_P(PlanTest, BuffersThatLiveTogetherDoNotOverlap) {
  const Program program = MoveSampledRowsUp(GetParam() ? WithExperts(3) : Small(4));
  FusedProgram fused = Fuse(program);
  const StepShape shape{.tokens = 37, .sampled = 37, .logit_rows = 12};
  ASSERT_TRUE(PlanBuffers(program, shape, fused));
  const auto bytes = [&](const Buffer& b, int index) {
    const int rows = index == fused.logits ? shape.logit_rows : shape.tokens;
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(BufferStride(b.width)) * 4;
  };
  for (std::size_t i = 0; i < fused.buffers.size(); ++i) {
    const Buffer& a = fused.buffers[i];
    if (a.first_stage < 0) continue;
    EXPECT_LE(a.offset + bytes(a, static_cast<int>(i)), fused.arena_bytes);
    EXPECT_EQ(a.offset % 64, 0u);
    for (std::size_t j = 0; j < i; ++j) {
      const Buffer& b = fused.buffers[j];
      if (b.first_stage < 0 || a.first_stage > b.last_stage || b.first_stage > a.last_stage) {
        continue;
      }
      const bool apart = a.offset + bytes(a, static_cast<int>(i)) <= b.offset ||
                         b.offset + bytes(b, static_cast<int>(j)) <= a.offset;
      EXPECT_TRUE(apart) << i << " and " << j;
    }
  }
}

TEST(PlanLimitTest, AbsurdStepsAreRefused) {
  const Program program = Small();
  FusedProgram fused = Fuse(program);
  for (Buffer& buffer : fused.buffers) buffer.width = 1 << 30;
  const StepShape shape{.tokens = 1 << 30, .sampled = 1 << 30, .logit_rows = 12};
  EXPECT_EQ(PlanBuffers(program, shape, fused).error().code, ErrorCode::kLimit);
}

TEST(CostTest, AMatmulCostsTwoOperationsPerWeightAndRow) {
  const Program program = Small(1);
  for (const Operation& op : program.operations) {
    if (op.kind != OpKind::kMatmul || op.output == program.logits) continue;
    const Weight& w = program.weights[static_cast<std::size_t>(op.weight)];
    const Cost cost = CostOf(program, op, {.tokens = 3, .sampled = 1, .positions = 10});
    EXPECT_EQ(cost.operations, 3 * 2.0 * w.rows * w.cols);
    EXPECT_EQ(cost.weight_bytes, w.rows * (w.cols / 32 * 34.0));
  }
}

// Counted by hand: 3 rows, 10 positions, 4 heads of 16, 2 KV heads.
TEST(CostTest, AttentionByHand) {
  const Program program = Small(1);
  const auto op = std::ranges::find(program.operations, OpKind::kAttend, &Operation::kind);
  const Cost cost = CostOf(program, *op, {.tokens = 3, .sampled = 1, .positions = 10});
  EXPECT_EQ(cost.operations, 3 * 10 * 4 * 64);
  EXPECT_EQ(cost.kv_bytes, (10 + 3) * 2 * 2 * 16 * 2);
}

constexpr StagePart kParts[] = {StagePart::kPrelude, StagePart::kMatmul, StagePart::kHeads,
                                StagePart::kAttend, StagePart::kMerge};

TEST(StageCostTest, PartsOfAllStagesCostTheWholeProgram) {
  const auto program = MoveSampledRowsUp(BuildSmall(SmallCatalog(2), 2).value());
  const FusedProgram fused = Fuse(program);
  const SliceSize slice{.tokens = 9, .sampled = 3, .position = 40};
  Cost sum;
  for (const Stage& stage : fused.stages) {
    for (const StagePart part : kParts) sum += CostOf(program, stage, part, {&slice, 1});
  }
  const Cost total = TotalCost(program, {.tokens = 9, .sampled = 3, .positions = 45});
  EXPECT_DOUBLE_EQ(sum.operations, total.operations);
  EXPECT_DOUBLE_EQ(sum.weight_bytes, total.weight_bytes);
  EXPECT_DOUBLE_EQ(sum.kv_bytes, total.kv_bytes);
  EXPECT_DOUBLE_EQ(sum.activation_bytes, total.activation_bytes);
}

TEST(StageCostTest, EverySequenceReadsItsOwnKeysButWeightsAreReadOnce) {
  const auto program = MoveSampledRowsUp(BuildSmall(SmallCatalog(2), 2).value());
  const FusedProgram fused = Fuse(program);
  const SliceSize one[] = {{.tokens = 1, .sampled = 1, .position = 99}};
  const SliceSize two[] = {one[0], one[0]};
  for (const Stage& stage : fused.stages) {
    for (const StagePart part : kParts) {
      const Cost a = CostOf(program, stage, part, one);
      const Cost b = CostOf(program, stage, part, two);
      EXPECT_DOUBLE_EQ(b.kv_bytes, 2 * a.kv_bytes);
      EXPECT_DOUBLE_EQ(b.operations, 2 * a.operations);
      if (part == StagePart::kMatmul) {
        EXPECT_DOUBLE_EQ(b.weight_bytes, a.weight_bytes);
      }
    }
  }
}

TEST(StageCostTest, NamesAreThoseOfTheWeights) {
  const auto program = MoveSampledRowsUp(BuildSmall(SmallCatalog(2), 2).value());
  const FusedProgram fused = Fuse(program);
  const Stage* first = nullptr;
  const Stage* attend = nullptr;
  for (const Stage& stage : fused.stages) {
    if (first == nullptr && stage.matmul() != nullptr) first = &stage;
    if (attend == nullptr && stage.attend() != nullptr) attend = &stage;
  }
  EXPECT_EQ(NameOf(program, first, StagePart::kMatmul), "attn_q + attn_k + attn_v");
  EXPECT_EQ(NameOf(program, attend, StagePart::kAttend), "attend");
  EXPECT_EQ(NameOf(program, nullptr, StagePart::kAngles), "rotary angles");
}

}  // namespace
}  // namespace cairn::program
