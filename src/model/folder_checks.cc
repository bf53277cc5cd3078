// SPDX-License-Identifier: Apache-2.0
#include "model/folder_checks.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <cmath>
#include <optional>

#include "base/printable.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

std::unexpected<Error> NotSo(std::string_view key, std::string_view expected) {
  return Fail(ErrorCode::kUnsupported,
              fmt::format("config.json: '{}' is not {}, as it is in every model of this type that "
                          "is supported",
                          key, expected));
}

// The last of so many layers is different; 0: no pattern.
struct Pattern {
  std::string_view architecture;
  std::uint32_t period;
};
constexpr Pattern kPatterns[] = {{"gemma2", 2}, {"gemma3", 6}, {"olmo2", 4}, {"smollm3", 4}};

std::uint32_t PeriodOf(const FolderKind& kind) {
  for (const Pattern& one : kPatterns) {
    if (one.architecture == kind.architecture) return one.period;
  }
  return 0;
}

// Whether exactly the last layer of each period is `different`.
template <typename IsDifferent>
bool FitsPattern(const json::array& layers, std::uint32_t period, IsDifferent different) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (different(layers[i]) != (i % period == period - 1)) return false;
  }
  return true;
}

// The pooling as the file's number. Nothing where the folder does not say.
Result<std::optional<std::uint32_t>> PoolingOf(const Checkpoint& from) {
  const auto modules = OR_RETURN(from.Read("modules.json"));
  if (!modules || !modules->is_array()) return std::nullopt;
  for (const json::value& module : modules->get_array()) {
    const json::object* object = module.if_object();
    const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
    const json::value* path = object != nullptr ? object->if_contains("path") : nullptr;
    if (type == nullptr || !type->is_string() || path == nullptr || !path->is_string() ||
        !std::string_view(type->get_string()).ends_with(".Pooling")) {
      continue;
    }
    const auto config =
        OR_RETURN(from.Read(std::string(std::string_view(path->get_string())) + "/config.json"));
    if (!config || !config->is_object()) break;
    const auto on = [&](std::string_view key) {
      const json::value* value = config->get_object().if_contains(key);
      return value != nullptr && value->is_bool() && value->get_bool();
    };
    if (on("pooling_mode_mean_tokens")) return 1;
    if (on("pooling_mode_cls_token")) return 2;
    if (on("pooling_mode_lasttoken")) return 3;
    return Fail(ErrorCode::kUnsupported, "the folder asks for a pooling that is not known");
  }
  return std::nullopt;
}

}  // namespace

Result<void> CheckLayerPattern(const Checkpoint& from, const FolderKind& kind,
                               GgufOutput& /*out*/) {
  const std::uint32_t period = PeriodOf(kind);
  if (period == 0) return {};
  if (kind.architecture == "smollm3") {
    const json::value* rotated = from.Value("no_rope_layers");  // 0: does not rotate
    const auto still = [](const json::value& layer) {
      return layer.is_int64() && layer.get_int64() == 0;
    };
    if (rotated != nullptr &&
        (!rotated->is_array() || !FitsPattern(rotated->get_array(), period, still))) {
      return NotSo("no_rope_layers", "0 in every fourth layer");
    }
    return {};
  }
  const json::value* types = from.Value("layer_types");
  const auto full = [](const json::value& type) {
    return type.is_string() && std::string_view(type.get_string()) == "full_attention";
  };
  if (types != nullptr && (!types->is_array() || !FitsPattern(types->get_array(), period, full))) {
    return NotSo("layer_types", fmt::format("'full_attention' in every {}th layer", period));
  }
  if (OR_RETURN(from.CountOr("sliding_window_pattern", period)) != period) {
    return NotSo("sliding_window_pattern", fmt::to_string(period));
  }
  return {};
}

Result<void> CheckQueryScale(const Checkpoint& from, const FolderKind& kind, GgufOutput& out) {
  OR_RETURN(CheckLayerPattern(from, kind, out));
  if (kind.architecture == "gemma3" && from.Value("attn_logit_softcapping") != nullptr) {
    return NotSo("attn_logit_softcapping", "null");
  }
  if (from.Value("query_pre_attn_scalar") == nullptr) return {};
  // As build_gemma2.cc and build_gemma3.cc know the largest models.
  const std::uint32_t layers = OR_RETURN(from.Count("num_hidden_layers"));
  const bool by_share = (kind.architecture == "gemma2" && layers == 46) ||
                        (kind.architecture == "gemma3" && layers == 62);
  const std::uint32_t heads = OR_RETURN(from.Count("num_attention_heads"));
  const std::uint32_t share = OR_RETURN(from.Count("hidden_size")) / std::max(heads, 1U);
  const std::uint32_t known = by_share ? share : OR_RETURN(from.CountOr("head_dim", share));
  const float scalar = OR_RETURN(from.Number("query_pre_attn_scalar"));
  if (scalar != static_cast<float>(known)) {
    return NotSo("query_pre_attn_scalar", fmt::to_string(known));
  }
  return {};
}

Result<void> CheckNoWindow(const Checkpoint& from, const FolderKind& kind, GgufOutput& out) {
  if (OR_RETURN(from.Flag("use_sliding_window", false))) {
    return NotSo("use_sliding_window", "false");
  }
  return CheckLayerPattern(from, kind, out);
}

Result<void> CheckAllSparse(const Checkpoint& from, const FolderKind& kind, GgufOutput& out) {
  if (OR_RETURN(from.CountOr("decoder_sparse_step", 1)) != 1) {
    return NotSo("decoder_sparse_step", "1");
  }
  const json::value* dense = from.Value("mlp_only_layers");
  if (dense != nullptr && (!dense->is_array() || !dense->get_array().empty())) {
    return NotSo("mlp_only_layers", "empty");
  }
  return CheckNoWindow(from, kind, out);
}

Result<void> CheckNoClip(const Checkpoint& from, const FolderKind& /*kind*/, GgufOutput& /*out*/) {
  if (from.Value("clip_qkv") != nullptr) return NotSo("clip_qkv", "null");
  return {};
}

Result<void> WriteBert(const Checkpoint& from, const FolderKind& /*kind*/, GgufOutput& out) {
  const std::string act = OR_RETURN(from.Text("hidden_act", "gelu"));
  const std::string positions = OR_RETURN(from.Text("position_embedding_type", "absolute"));
  if (act != "gelu" || positions != "absolute") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("config.json asks for '{}' and '{}' positions; 'gelu' and 'absolute' "
                            "are supported",
                            Printable(act), Printable(positions)));
  }
  out.Set("tokenizer.ggml.token_type_count", OR_RETURN(from.Count("type_vocab_size")));
  out.Set("bert.attention.layer_norm_epsilon", OR_RETURN(from.Number("layer_norm_eps")));
  out.Set("bert.attention.causal", false);
  if (from.Find("classifier.weight") != nullptr) {
    out.Set("bert.pooling_type", std::uint32_t{4});  // scores of pairs
  } else if (const auto pooling = OR_RETURN(PoolingOf(from))) {
    out.Set("bert.pooling_type", *pooling);
  }
  return {};
}

}  // namespace cairn::model
