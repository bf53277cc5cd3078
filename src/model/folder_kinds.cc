// SPDX-License-Identifier: Apache-2.0
#include "model/folder_kinds.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/folder_checks.h"

namespace cairn::model {
namespace {

using Absent = Setting::Absent;

// --- decoders -------------------------------------------------------------------------------

constexpr std::string_view kDecoderPrefixes[] = {"language_model.", "model."};

// A norm before each half of a layer, queries, keys and values apart, a gated feed-forward.
constexpr NamePair kDecoderNames[] = {
    {"embed_tokens.weight", "token_embd.weight"},
    {"norm.", "output_norm."},
    {"lm_head.", "output."},
    {"layers.*.input_layernorm.", "blk.*.attn_norm."},
    {"layers.*.post_attention_layernorm.", "blk.*.ffn_norm."},
    {"layers.*.self_attn.q_proj.", "blk.*.attn_q."},
    {"layers.*.self_attn.k_proj.", "blk.*.attn_k."},
    {"layers.*.self_attn.v_proj.", "blk.*.attn_v."},
    {"layers.*.self_attn.o_proj.", "blk.*.attn_output."},
    {"layers.*.self_attn.q_norm.", "blk.*.attn_q_norm."},
    {"layers.*.self_attn.k_norm.", "blk.*.attn_k_norm."},
    {"layers.*.mlp.gate_proj.", "blk.*.ffn_gate."},
    {"layers.*.mlp.up_proj.", "blk.*.ffn_up."},
    {"layers.*.mlp.down_proj.", "blk.*.ffn_down."},
    {"layers.*.self_attn.rotary_emb.inv_freq", ""},  // computed
    {"rotary_emb.inv_freq", ""},
    // Of models that see: texts need none of it.
    {"vision_tower.", ""},
    {"vision_model.", ""},
    {"multi_modal_projector.", ""},
};

// Gemma 2 and 3: norms before and after each half.
constexpr NamePair kFourNorms[] = {
    {"layers.*.post_attention_layernorm.", "blk.*.post_attention_norm."},
    {"layers.*.pre_feedforward_layernorm.", "blk.*.ffn_norm."},
    {"layers.*.post_feedforward_layernorm.", "blk.*.post_ffw_norm."},
};

// OLMo 2 and 3: norms after each half only.
constexpr NamePair kNormsAfter[] = {
    {"layers.*.post_attention_layernorm.", "blk.*.post_attention_norm."},
    {"layers.*.post_feedforward_layernorm.", "blk.*.post_ffw_norm."},
};

constexpr NamePair kPhi3Names[] = {
    {"layers.*.self_attn.qkv_proj.", "blk.*.attn_qkv."},
    {"layers.*.mlp.gate_up_proj.", "blk.*.ffn_up."},  // files keep both in one
};

constexpr NamePair kMixtralNames[] = {
    {"layers.*.block_sparse_moe.gate.", "blk.*.ffn_gate_inp."},
    {"layers.*.block_sparse_moe.experts.#.w1.", "blk.*.ffn_gate_exps."},
    {"layers.*.block_sparse_moe.experts.#.w2.", "blk.*.ffn_down_exps."},
    {"layers.*.block_sparse_moe.experts.#.w3.", "blk.*.ffn_up_exps."},
};

// Experts each by itself, as folders have them, or all in one, as some of transformers 5 do.
constexpr NamePair kExpertNames[] = {
    {"layers.*.mlp.gate.", "blk.*.ffn_gate_inp."},
    {"layers.*.mlp.experts.#.gate_proj.", "blk.*.ffn_gate_exps."},
    {"layers.*.mlp.experts.#.up_proj.", "blk.*.ffn_up_exps."},
    {"layers.*.mlp.experts.#.down_proj.", "blk.*.ffn_down_exps."},
    {"layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_gate_exps.weight|blk.*.ffn_up_exps.weight"},
    {"layers.*.mlp.experts.down_proj", "blk.*.ffn_down_exps.weight"},
    {"layers.*.mlp.shared_expert.gate_proj.", "blk.*.ffn_gate_shexp."},
    {"layers.*.mlp.shared_expert.up_proj.", "blk.*.ffn_up_shexp."},
    {"layers.*.mlp.shared_expert.down_proj.", "blk.*.ffn_down_shexp."},
    {"layers.*.mlp.shared_expert_gate.", "blk.*.ffn_gate_inp_shexp."},
};

constexpr NamePair kGraniteMoeNames[] = {
    {"layers.*.block_sparse_moe.router.layer.", "blk.*.ffn_gate_inp."},
    {"layers.*.block_sparse_moe.input_linear.", "blk.*.ffn_gate_exps.|blk.*.ffn_up_exps."},
    {"layers.*.block_sparse_moe.output_linear.", "blk.*.ffn_down_exps."},
    {"layers.*.shared_mlp.input_linear.", "blk.*.ffn_gate_shexp.|blk.*.ffn_up_shexp."},
    {"layers.*.shared_mlp.output_linear.", "blk.*.ffn_down_shexp."},
};

constexpr Setting kDecoderSettings[] = {
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"block_count", "num_hidden_layers"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", SettingType::kNumber},
};

constexpr Setting kMixtralSettings[] = {
    {"expert_count", "num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
};

constexpr Setting kExpertSettings[] = {
    {"expert_count", "num_experts|num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "moe_intermediate_size", SettingType::kCount, Absent::kLeftOut},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size", SettingType::kCount,
     Absent::kLeftOut},
    {"expert_weights_norm", "norm_topk_prob", SettingType::kFlag, Absent::kLeftOut},
};

constexpr Setting kGemma2Settings[] = {
    {"attention.sliding_window", "sliding_window"},
    {"attn_logit_softcapping", "attn_logit_softcapping", SettingType::kNumber},
    {"final_logit_softcapping", "final_logit_softcapping", SettingType::kNumber},
};

constexpr Setting kGemma3Settings[] = {
    {"attention.sliding_window", "sliding_window"},
    {"final_logit_softcapping", "final_logit_softcapping", SettingType::kNumber, Absent::kLeftOut},
};

constexpr Setting kWindowSetting[] = {
    {"attention.sliding_window", "sliding_window", SettingType::kCount, Absent::kLeftOut},
};

constexpr Setting kGraniteSettings[] = {
    {"attention.scale", "attention_multiplier", SettingType::kNumber},
    {"embedding_scale", "embedding_multiplier", SettingType::kNumber},
    {"residual_scale", "residual_multiplier", SettingType::kNumber},
    {"logit_scale", "logits_scaling", SettingType::kNumber},
};

constexpr Setting kGraniteMoeSettings[] = {
    {"attention.scale", "attention_multiplier", SettingType::kNumber},
    {"embedding_scale", "embedding_multiplier", SettingType::kNumber},
    {"residual_scale", "residual_multiplier", SettingType::kNumber},
    {"logit_scale", "logits_scaling", SettingType::kNumber},
    {"expert_count", "num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_shared_feed_forward_length", "shared_intermediate_size", SettingType::kCount,
     Absent::kLeftOut},
};

// Models of several kinds of input leave out of 'text_config' what is as in the first of them.
constexpr std::string_view kGemma3Defaults =
    R"({"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"rms_norm_eps":1e-6,)"
    R"("max_position_embeddings":131072,"sliding_window":4096,"query_pre_attn_scalar":256,)"
    R"("hidden_activation":"gelu_pytorch_tanh","rope_theta":1000000,"tie_word_embeddings":true})";
constexpr std::string_view kTied = R"({"tie_word_embeddings":true})";

constexpr std::string_view kSilu = " silu ", kGelu = " gelu_pytorch_tanh gelu ";

// --- BERT -----------------------------------------------------------------------------------

constexpr std::string_view kBertPrefixes[] = {"bert."};
constexpr NamePair kBertNames[] = {
    {"embeddings.position_ids", ""},
    {"embeddings.word_embeddings.weight", "token_embd.weight"},
    {"embeddings.position_embeddings.weight", "position_embd.weight"},
    {"embeddings.token_type_embeddings.weight", "token_types.weight"},
    {"embeddings.LayerNorm.", "token_embd_norm."},
    {"encoder.layer.*.attention.self.query.", "blk.*.attn_q."},
    {"encoder.layer.*.attention.self.key.", "blk.*.attn_k."},
    {"encoder.layer.*.attention.self.value.", "blk.*.attn_v."},
    {"encoder.layer.*.attention.output.dense.", "blk.*.attn_output."},
    {"encoder.layer.*.attention.output.LayerNorm.", "blk.*.attn_output_norm."},
    {"encoder.layer.*.intermediate.dense.", "blk.*.ffn_up."},
    {"encoder.layer.*.output.dense.", "blk.*.ffn_down."},
    {"encoder.layer.*.output.LayerNorm.", "blk.*.layer_output_norm."},
    {"pooler.dense.", "cls."},
    {"classifier.", "cls.output."},
    {"cls.predictions.", ""},  // heads of the training
    {"cls.seq_relationship.", ""},
};
constexpr Setting kBertSettings[] = {
    {"context_length", "max_position_embeddings"},   {"embedding_length", "hidden_size"},
    {"feed_forward_length", "intermediate_size"},    {"block_count", "num_hidden_layers"},
    {"attention.head_count", "num_attention_heads"},
};

// --- the table ------------------------------------------------------------------------------

constexpr FolderKind Decoder(std::string_view type, std::string_view architecture,
                             std::span<const NamePair> names, std::span<const Setting> settings) {
  return {.type = type,
          .architecture = architecture,
          .prefixes = kDecoderPrefixes,
          .names = names,
          .more_names = kDecoderNames,
          .settings = kDecoderSettings,
          .more_settings = settings,
          .more = nullptr,
          .defaults = {},
          .activations = kSilu,
          .decoder = true};
}
constexpr FolderKind Turned(FolderKind kind) {
  kind.turned = true;
  return kind;
}
constexpr FolderKind Gemma(FolderKind kind, std::string_view defaults) {
  kind.norm_is_added = true;
  kind.activations = kGelu;
  kind.defaults = defaults;
  kind.more = CheckQueryScale;
  return kind;
}
using Check = Result<void> (*)(const Checkpoint&, const FolderKind&, GgufOutput&);
constexpr FolderKind Checked(FolderKind kind, Check more) {
  kind.more = more;
  return kind;
}

constexpr FolderKind kKinds[] = {
    {.type = "bert",
     .architecture = "bert",
     .prefixes = kBertPrefixes,
     .names = kBertNames,
     .settings = kBertSettings,
     .more = WriteBert},
    Turned(Decoder("llama", "llama", {}, {})),
    Turned(Decoder("mistral", "llama", {}, {})),
    Turned(Decoder("mixtral", "llama", kMixtralNames, kMixtralSettings)),
    Checked(Decoder("qwen2", "qwen2", {}, {}), CheckNoWindow),
    Checked(Decoder("qwen2_moe", "qwen2moe", kExpertNames, kExpertSettings), CheckAllSparse),
    Checked(Decoder("qwen3", "qwen3", {}, {}), CheckNoWindow),
    Checked(Decoder("qwen3_moe", "qwen3moe", kExpertNames, kExpertSettings), CheckAllSparse),
    Gemma(Decoder("gemma", "gemma", {}, {}), kTied),
    Gemma(Decoder("gemma2", "gemma2", kFourNorms, kGemma2Settings), kTied),
    Gemma(Decoder("gemma3_text", "gemma3", kFourNorms, kGemma3Settings), kGemma3Defaults),
    Decoder("phi3", "phi3", kPhi3Names, kWindowSetting),
    Turned(Checked(Decoder("smollm3", "smollm3", {}, {}), CheckNoWindow)),
    Turned(Decoder("granite", "granite", {}, kGraniteSettings)),
    Turned(Decoder("granitemoe", "granitemoe", kGraniteMoeNames, kGraniteMoeSettings)),
    Turned(Decoder("granitemoeshared", "granitemoe", kGraniteMoeNames, kGraniteMoeSettings)),
    Decoder("olmo2", "olmo2", kNormsAfter, {}),
    Checked(Decoder("olmo3", "olmo2", kNormsAfter, kWindowSetting), CheckLayerPattern),
    Checked(Decoder("olmoe", "olmoe", kExpertNames, kExpertSettings), CheckNoClip),
};

}  // namespace

const FolderKind* FindFolderKind(std::string_view type) {
  const auto found = std::ranges::find(kKinds, type, &FolderKind::type);
  return found == std::end(kKinds) ? nullptr : &*found;
}

std::string FolderTypes() {
  std::string names;
  for (const FolderKind& one : kKinds) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.type);
  }
  return names;
}

}  // namespace cairn::model
